"""Tickets: what is under the MAC, and what follows from their keys."""

import msgspec
import pytest

from farthing import codec
from farthing.crypto import chain
from farthing.crypto.mac import mac
from farthing.errors import Forged, Malformed, Unfit, WrongVendor
from farthing.schemes.chain.fairchain.ticket import (
    RECEIPT_TAG,
    SEED_TAG,
    UNITS_MAX,
    Ticket,
    day_end_s,
    is_release,
    outcome_key,
    payer_key,
    receipt_key,
    seed_of,
    word_at,
)
from farthing.schemes.chain.times import DAY_S
from tests.kit.canaries import canary
from tests.kit.fairchain import Scene, held_of, vendor_key
from tests.kit.parties import NOW_S, VENDOR

K_VB = vendor_key().secret
OTHER = {"broker": "other", "currency": "usd", "first_micro": 1, "payer": "p_", "units": 3}


def made() -> Ticket:
    return held_of(Scene().ticket()).ticket


def test_every_field_is_under_the_mac() -> None:
    ticket = made()
    ticket.verify(K_VB, VENDOR)
    fields = {**OTHER, "ends_at_s": 1, "unit_micro": 1, "root": "A" * 22, "id": "A" * 22}
    for name, value in fields.items():
        with pytest.raises(Forged, match="ticket_forged"):
            msgspec.structs.replace(ticket, **{name: value}).verify(K_VB, VENDOR)
    assert {*fields, "vendor", "tau"} == set(Ticket.__struct_fields__)


def test_a_ticket_is_for_one_vendor_under_its_own_key() -> None:
    ticket = made()
    with pytest.raises(WrongVendor, match="ticket_for_another_vendor"):
        ticket.verify(K_VB, "daily")
    with pytest.raises(Forged, match="ticket_forged"):
        ticket.verify(vendor_key("daily").secret, VENDOR)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("units", 0),
        ("units", UNITS_MAX + 1),
        ("unit_micro", 0),
        ("first_micro", -1),
        ("ends_at_s", 0),
    ],
)
def test_a_ticket_out_of_range_cannot_exist(field: str, value: object) -> None:
    with pytest.raises(Unfit):
        msgspec.structs.replace(made(), **{field: value})


@pytest.mark.parametrize("wrong", ["A" * 21, "A" * 23])
def test_a_ticket_has_an_id_of_22_characters(wrong: str) -> None:
    with pytest.raises(Malformed, match="id"):
        codec.Reader(Ticket).convert(msgspec.to_builtins(made()) | {"id": wrong})


def test_the_chain_is_as_long_as_two_links_a_unit_and_follows_from_the_formulas() -> None:
    ticket, key = made(), canary("k-pb-of-one", 32)
    fields = (ticket.id, ticket.vendor, ticket.first_micro, ticket.unit_micro, ticket.units)
    seed = seed_of(key, ticket)
    assert seed == mac(16, key, SEED_TAG, *fields)
    assert ticket.length == 2 * ticket.units
    assert word_at(ticket, seed, ticket.length) == seed
    salt = codec.unb64u(ticket.id)
    assert word_at(ticket, seed, 0) == chain.root_of(salt, seed, ticket.length)


def test_no_two_tickets_and_no_two_escrows_share_a_chain() -> None:
    key, ticket = canary("k-pb-of-one", 32), made()
    other = msgspec.structs.replace(ticket, id="B" * 21 + "A")
    assert seed_of(key, ticket) != seed_of(key, other)
    assert payer_key(key, "n_1") != payer_key(key, "n_2")


def test_each_purpose_has_a_key_of_its_own() -> None:
    key = receipt_key(K_VB, "id")
    assert key == mac(32, K_VB, RECEIPT_TAG, "id")
    assert len({key, outcome_key(key), K_VB}) == 3


def test_even_links_release_and_tickets_end_with_the_day() -> None:
    assert [is_release(index) for index in range(1, 5)] == [False, True, False, True]
    assert day_end_s(NOW_S) % DAY_S == 0
    assert 0 < day_end_s(NOW_S) - NOW_S <= DAY_S
    assert made().ends_at_s == day_end_s(NOW_S)


def test_a_repr_shows_no_secret() -> None:
    scene = Scene()
    ticket = scene.ticket()
    assert repr(held_of(ticket).ticket) == f"Ticket({VENDOR}, 12 x 200)"
