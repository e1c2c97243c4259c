import apsw
import msgspec
import pytest

from farthing.broker import store
from farthing.broker.store import Party, Payout
from farthing.errors import Denied, Reused, Unknown


def connection() -> apsw.Connection:
    made = apsw.Connection(":memory:")
    made.execute(store.SCHEMA)
    return made


PARTY = Party(id="v7", role="vendor", commission_e4=5, carry_e4=0, payout_to="DE", props="")
PAYOUT = Payout(
    id="po_1",
    party="v7",
    account="liability/vendor/v7",
    rail="manual",
    destination="DE",
    amount_micro=10_000,
    state="planned",
    at_s=1,
)


def test_a_party_is_found_as_it_was_added_and_changed() -> None:
    db = connection()
    store.add_party(db, PARTY)
    store.set_carry(db, "v7", 77)
    store.set_contract(db, msgspec.structs.replace(PARTY, commission_e4=9, payout_to="FR"))
    found = store.find_party(db, "v7")
    assert (found.commission_e4, found.carry_e4, found.payout_to) == (9, 77, "FR")
    with pytest.raises(Reused):
        store.add_party(db, PARTY)
    with pytest.raises(Unknown):
        store.find_party(db, "v8")


def test_a_token_is_found_by_its_hash_alone() -> None:
    db = connection()
    store.add_token(db, b"h" * 32, "v7", ("redeem", "pay"))
    caller = store.find_caller(db, b"h" * 32)
    assert (caller.party, caller.scopes) == ("v7", frozenset({"pay", "redeem"}))
    with pytest.raises(Denied):
        store.find_caller(db, b"g" * 32)


def test_a_payout_is_found_in_its_state() -> None:
    db = connection()
    store.add_payout(db, PAYOUT)
    assert store.find_payout(db, "po_1") == PAYOUT
    store.set_payout_state(db, "po_1", "exported")
    assert store.payouts_in(db, "planned") == []
    assert store.payouts_in(db, "exported")[0].id == "po_1"
    with pytest.raises(Unknown):
        store.find_payout(db, "po_2")


def test_settings_are_written_once_with_the_operators_token() -> None:
    db = connection()
    store.found(db, {"currency": "eur"}, b"h" * 32)
    assert store.settings(db) == {"currency": "eur"}
    assert store.find_caller(db, b"h" * 32).party == store.OPERATOR
    with pytest.raises(apsw.ConstraintError):
        store.found(db, {"currency": "usd"}, b"i" * 32)


def test_a_file_from_before_there_were_peers_gets_their_tables() -> None:
    db = connection()
    assert store.is_complete(db)
    db.execute("DROP TABLE errands; DROP TABLE peers")
    assert not store.is_complete(db)
    store.complete(db)
    assert store.is_complete(db)
