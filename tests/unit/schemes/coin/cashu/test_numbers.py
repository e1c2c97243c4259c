from farthing.errors import Busy, Malformed, Replayed
from farthing.schemes.coin.cashu import numbers


def test_refusals_have_the_numbers_that_wallets_know() -> None:
    assert numbers.number_of(Replayed("coin_spent")) == 11_001
    assert numbers.number_of(Busy("mark_held")) == 11_002
    assert numbers.number_of(Malformed("anything_else")) == numbers.OTHER
