from itertools import product

from farthing.schemes.coin.deriving import SEED, Maker, maker_of
from tests.kit.blind import Scene


def test_each_secret_is_another_one_and_the_same_each_time() -> None:
    fields = list(product((b"s" * 32, b"t" * 32), ("b1", "b2"), (0, 1)))
    found = {
        Maker(*of).secret(tag, keyset, counter)
        for of in fields
        for tag in ("a", "b")
        for keyset in (b"k", b"l")
        for counter in (0, 1)
    }
    assert len(found) == 8 * len(fields)
    assert Maker(*fields[0]).secret("a", b"k", 0) in found
    assert len(Maker(*fields[0]).secret("a", b"k", 0, 48)) == 48


def test_a_maker_has_its_wallets_seed_and_does_not_show_it() -> None:
    ring = Scene().payer.purse.setting.ring
    maker = maker_of(ring, "broker", 3)
    assert maker.seed == ring.current(SEED).secret
    assert maker.seed.hex() not in repr(maker)
    assert repr(maker.seed) not in repr(maker)
