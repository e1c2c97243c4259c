import pytest

from farthing import codec
from farthing.errors import Malformed
from farthing.schemes.disclosures import READER, Disclosure


def test_a_file_names_its_scheme_and_shows_nothing_in_its_repr() -> None:
    made = Disclosure(scheme="ikp", shown={"opening": "secret"})
    assert READER.read(codec.canonical(made)) == made
    assert repr(made) == "Disclosure(ikp)"


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b'{"scheme":"ikp"}', b'{"scheme":"a","shown":1,"b":2}']
)
def test_another_file_is_refused(raw: bytes) -> None:
    with pytest.raises(Malformed):
        READER.read(raw)
