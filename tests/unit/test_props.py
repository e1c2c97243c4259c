import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing import props
from farthing.errors import Unfit

PAIRS = st.dictionaries(
    st.from_regex(r"[a-z][a-z0-9_]{0,4}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9_.:-]{1,4}", fullmatch=True),
    max_size=5,
)


@given(PAIRS)
def test_properties_have_one_spelling(pairs: dict[str, str]) -> None:
    text = props.write(pairs)
    assert props.read(text) == pairs
    if len(pairs) > 1:
        with pytest.raises(Unfit):
            props.read(";".join(reversed(text.split(";"))))


@pytest.mark.parametrize(
    "text",
    ["student", "=true", "student=", "Student=true", "a=1;", ";a=1", "a=1;a=1", "b=1;a=1", "a=1 ",
     "a=1;;b=1", "a==1;b", "a=é", "a=" + "1" * props.BYTES_MAX],
)  # fmt: skip  # - one list
def test_other_spellings_are_unfit(text: str) -> None:
    with pytest.raises(Unfit):
        props.read(text)


@given(PAIRS, PAIRS)
def test_all_are_there_exactly_if_each_is(one: dict[str, str], other: dict[str, str]) -> None:
    both = props.write(one | other)
    assert props.has_all(both, props.write(other))
    assert props.has_all(props.write(one), props.write(other)) == (other.items() <= one.items())
    assert props.has_all(both, "")


def test_properties_that_cannot_be_read_are_not_written() -> None:
    full = {"a": "x" * 64, "b": "y" * 64, "c": "z" * (props.BYTES_MAX - len("a=;b=;c=") - 128)}
    assert len(props.write(full)) == props.BYTES_MAX
    for wrong in ({**full, "c": full["c"] + "z"}, {"a": "x;b=y"}, {"A": "x"}, {"a": ""}):
        with pytest.raises(Unfit):
            props.write(wrong)
