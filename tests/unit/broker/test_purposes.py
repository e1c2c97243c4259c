from farthing.broker import purposes
from farthing.schemes.coin.cashu.keysets import KEYSET_KEY
from farthing.schemes.coin.ecash.keyset import KEYS


def test_each_purpose_is_named_once() -> None:
    every = [*purposes.SIGNING, *purposes.SEALING]
    assert len(every) == len(set(every))


def test_what_others_have_pinned_or_sealed_stays() -> None:
    assert set(purposes.ROTATING).isdisjoint({purposes.ROOT_KEY, purposes.VAULT_KEY})
    assert {KEYSET_KEY, KEYS} <= set(purposes.ROTATING), "what was stolen can be ended"
