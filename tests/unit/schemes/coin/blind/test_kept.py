import pytest

from farthing import codec
from farthing.errors import Malformed
from farthing.schemes.coin.blind.kept import Errand
from farthing.schemes.coin.blind.restoring import Search
from farthing.schemes.coin.ecash.purse import EcashPurse
from tests.kit.blind import Scene, pocket_of

READERS = EcashPurse.readers


def test_errands_and_searches_are_told_apart() -> None:
    pocket = pocket_of(Scene().withdraw(3))
    for kept in (
        Errand(step="return", pocket=pocket, token={"coins": ["A"]}),
        Search(number=3, lists=(1, "current"), keysets=pocket.keysets, found=pocket.coins),
    ):
        assert READERS.kept.read(codec.canonical(kept)) == kept


def test_what_was_kept_of_something_else_is_malformed() -> None:
    for raw in (b"{}", b'{"type":"Errand"}', b'{"type":"Other","step":"list"}'):
        with pytest.raises(Malformed):
            READERS.kept.read(raw)
