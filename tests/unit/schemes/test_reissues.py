import msgspec
import pytest

from farthing import codec
from farthing.errors import Unfit
from farthing.schemes.contract import Comeback
from farthing.schemes.reissues import REST_AT_S_MAX

TOLD = Comeback(rest_at_s=1, rest_micro=2, returned_micro=3)


def test_a_comeback_travels_with_the_names_of_the_wire() -> None:
    raw = codec.canonical(TOLD)
    assert codec.read_json(raw) == {"restAtS": 1, "restMicro": 2, "returnedMicro": 3}
    assert codec.Reader(Comeback).read(raw) == TOLD


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("rest_at_s", REST_AT_S_MAX),
        ("rest_micro", codec.JSON_INT_MAX),
        ("returned_micro", codec.JSON_INT_MAX),
    ],
)
def test_a_comeback_out_of_range_cannot_be(name: str, most: int) -> None:
    for right in (0, most):
        assert getattr(msgspec.structs.replace(TOLD, **{name: right}), name) == right
    for wrong in (-1, most + 1):
        with pytest.raises(Unfit, match="out_of_range"):
            msgspec.structs.replace(TOLD, **{name: wrong})
