"""A broker that cheats another costs it part of its deposit, and the payers of that one nothing."""

import pytest

from farthing.lab.bounds import Measured
from farthing.lab.twins import tricks
from farthing.schemes import registry

RESOLD = [scheme.traits.name for scheme in registry.all_schemes() if scheme.traits.resold]


def losses(scheme: str, trick: str) -> list[Measured]:
    played = tricks.play(scheme, 4, [trick])
    assert played.findings == ()
    return [one for one in played.losses if one.worst_micro]


@pytest.mark.parametrize(
    ("scheme", "trick"),
    [
        ("millicent", "deny-what-was-bought"),
        ("netcash", "deny-what-was-bought"),
        ("millicent", "keep-what-came-back"),
    ],
)
def test_what_is_denied_or_kept_the_other_broker_loses(scheme: str, trick: str) -> None:
    (lost,) = losses(scheme, trick)
    assert (lost.role, lost.by, lost.of) == ("broker", "peer", "deposit")
    assert 0 < lost.worst_micro < lost.bound_micro


@pytest.mark.parametrize("scheme", RESOLD)
def test_who_books_an_order_twice_under_another_key_gets_it_once(scheme: str) -> None:
    assert losses(scheme, "charge-twice") == []


def test_what_is_sold_again_costs_payers_no_more_than_they_got_of_it() -> None:
    (lost,) = losses("millicent", "sell-the-same-again")
    assert (lost.role, lost.by, lost.of) == ("payer", "broker", "float")
    assert 0 < lost.worst_micro <= lost.bound_micro


def test_coins_that_nobody_wanted_are_not_taken_for_those_that_were() -> None:
    assert losses("netcash", "sell-the-same-again") == []


def test_only_what_is_resold_is_cheated_with() -> None:
    by_peer = [trick for trick in tricks.TRICKS.values() if trick.by == "peer"]
    able = {one.traits.name for one in registry.all_schemes() if by_peer[0].is_for(one)}
    assert able == set(RESOLD)
