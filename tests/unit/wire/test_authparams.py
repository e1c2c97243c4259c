import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.errors import Malformed
from farthing.wire.authparams import Part, quoted, read_parts, tokens_of

PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E))


def part(scheme: str, *params: tuple[str, str], token: str = "") -> Part:
    return Part(scheme=scheme, token=token, params=params)


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("", ()),
        (" , ,", ()),
        ("Payment", (part("payment"),)),
        ('Payment id="a"', (part("payment", ("id", "a")),)),
        ("PAYMENT ID=a", (part("payment", ("id", "a")),)),
        ('Payment id = "a" ,realm="b"', (part("payment", ("id", "a"), ("realm", "b")),)),
        ('Payment id="a", id="b"', (part("payment", ("id", "a"), ("id", "b")),)),
        (r'Payment id="a\"b\\c"', (part("payment", ("id", 'a"b\\c')),)),
        ('Payment d="a, Payment b"', (part("payment", ("d", "a, Payment b")),)),
        ('Payment d=""', (part("payment", ("d", "")),)),
        ("Basic dXNlcg==", (part("basic", token="dXNlcg=="),)),
        (
            "Basic dXNlcg, Payment e30",
            (part("basic", token="dXNlcg"), part("payment", token="e30")),
        ),
        (
            'Basic realm="x", Payment id="a", realm="b", Negotiate, Payment id=c',
            (
                part("basic", ("realm", "x")),
                part("payment", ("id", "a"), ("realm", "b")),
                part("negotiate"),
                part("payment", ("id", "c")),
            ),
        ),
    ],
)
def test_line_is_read(line: str, parts: tuple[Part, ...]) -> None:
    assert read_parts(line) == parts


@pytest.mark.parametrize(
    "line",
    [
        'id="a"',
        'Payment id="a',
        'Payment id="a"b',
        'Payment id="a" realm="b"',
        "Payment id=a b=c d",
        'Payment "a"',
        "Payment id=ä",
        'Payment id="a\nb"',
        'Payment id="a\\\nb"',
        "Payment id=a\n",
        "Payment e30 id=a",
        'Basic dXNlcg==, id="a"',
        'Payment id="\udcff"',
    ],
)
def test_line_that_does_not_parse_to_its_end_is_malformed(line: str) -> None:
    with pytest.raises(Malformed, match="auth_header_malformed"):
        read_parts(line)


@given(st.lists(PRINTABLE, max_size=4))
def test_quoted_values_read_back(values: list[str]) -> None:
    line = "Payment " + ", ".join(f"p{index}={quoted(value)}" for index, value in enumerate(values))
    [found] = read_parts(line)
    assert [value for _, value in found.params] == values


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "\x00", "\x7f", "é", "\t"])
def test_unprintable_value_is_not_written(value: str) -> None:
    with pytest.raises(Malformed, match="auth_param_unprintable"):
        quoted(value)


@given(st.text(max_size=60))
def test_any_line_is_read_or_malformed(line: str) -> None:
    try:
        parts = read_parts(line)
    except Malformed:
        return
    assert all(part.scheme == part.scheme.lower() for part in parts)


@pytest.mark.parametrize("piece", ["a ", "a=", 'a="', "a,", "Payment a", "\\", "a=b "])
def test_long_hostile_line_takes_linear_time(piece: str) -> None:
    line = "Payment " + piece * 16_384
    try:
        read_parts(line)
    except Malformed:
        return


@pytest.mark.parametrize(
    ("line", "tokens"),
    [
        ("Payment abc", ["abc"]),
        ("PAYMENT  abc ", ["abc"]),
        ("Payment a, Basic b, payment c", ["a", "c"]),
        ("Basic payment", []),
        ("Payment a b", ["a b"]),
        ("Payment a, b=", [""]),
        ("Digest realm=payment, a b", []),
        ("Payment", [""]),
    ],
)
def test_tokens_are_those_of_one_scheme(line: str, tokens: list[str]) -> None:
    assert tokens_of("payment", line) == tokens
