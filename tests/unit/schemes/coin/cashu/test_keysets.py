from typing import Any

import pytest

from farthing.errors import Forged
from farthing.money import ACCOUNT_MICRO_MAX
from farthing.schemes.coin.cashu import keysets
from farthing.schemes.coin.cashu.keysets import Keyset
from tests.kit import cashu
from tests.kit.nuts import vectors


def keyset_of(vector: dict[str, Any]) -> Keyset:
    return Keyset(
        unit=vector.get("unit", "sat"),
        keys={int(amount): key for amount, key in vector["keys"].items()},
        input_fee_ppk=vector.get("input_fee_ppk") or 0,
        final_expiry=vector.get("final_expiry"),
    )


def test_ids_are_the_published_ones() -> None:
    old, new = vectors("nut02", "keyset_id_v1"), vectors("nut02", "keyset_id_v2")
    assert [keyset_of(vector).old_id for vector in old] == [one["keyset_id"] for one in old]
    assert [keyset_of(vector).id for vector in new] == [one["keyset_id"] for one in new]


def test_a_keyset_that_does_not_have_its_id_is_forged() -> None:
    found = cashu.mint_keys().public
    found.require_id(found.id)
    found.require_id(found.old_id)
    others = (
        cashu.mint_keys(name="other").public,
        cashu.mint_keys(unit="usd").public,
        cashu.mint_keys(final_expiry=2_000_000_000).public,
    )
    for other in others:
        with pytest.raises(Forged, match="keyset_id_wrong"):
            other.require_id(found.id)


def test_the_same_key_of_the_ring_makes_the_same_keys() -> None:
    assert cashu.mint_keys().id == cashu.mint_keys().id
    once, again = cashu.mint_keys("eur").public.keys, cashu.mint_keys("microeur").public.keys
    assert not set(once.values()) & set(again.values()), "each unit has keys of its own"


@pytest.mark.parametrize("unit", ["eur", "microeur"])
def test_there_is_a_key_for_each_power_of_two_that_an_account_can_hold(unit: str) -> None:
    keys = cashu.mint_keys(unit)
    largest = ACCOUNT_MICRO_MAX // keysets.unit_micro(unit)
    amounts = list(keys.public.keys)
    assert amounts == [1 << power for power in range(len(amounts))]
    assert amounts[-1] <= largest < 2 * amounts[-1]
    assert keys.find(3) is None
    assert keys.find(2 * amounts[-1]) is None


def test_a_broker_has_cents_only_where_stock_wallets_know_them() -> None:
    assert keysets.units_of("eur") == ("eur", "microeur")
    assert keysets.units_of("jpy") == ("microjpy",)
    assert (keysets.unit_micro("eur"), keysets.unit_micro("microeur")) == (10_000, 1)


@pytest.mark.parametrize("amount", [0, 1, 2, 3, 29, 352, 2**50 - 1])
def test_an_amount_is_the_sum_of_its_coins(amount: int) -> None:
    parts = keysets.amounts_of(amount)
    assert sum(parts) == amount
    assert len(set(parts)) == len(parts)
