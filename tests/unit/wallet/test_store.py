import threading
from pathlib import Path

import msgspec
import pytest

from farthing import codec
from farthing.schemes.contract import At, Instrument, Need
from farthing.wallet.book import Book
from farthing.wallet.commands import (
    Abandoned,
    Ask,
    FinishAsk,
    Nothing,
    OpenAsk,
    OverBudget,
    Purchase,
    Reserve,
    Spent,
    TakeOver,
    Unsettled,
    Wish,
)
from farthing.wallet.fetching import fetch
from farthing.wallet.file import open_file
from farthing.wallet.policy import Limits, Policy
from farthing.wallet.rows import AT_ONCE, LEASE_S, Rows
from farthing.wallet.store import REPEAT_S, Store
from tests.unit.wallet.farside import BROKER, CURRENCY, SITE, VENDOR
from tests.unit.wallet.world import PASSPHRASE, World, get, never, purchase_on, settled

WISH = Wish(
    scheme="millicent", broker_id=BROKER, vendor_id=VENDOR, currency=CURRENCY, price_micro=200
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def reserve(
    world: World, path: str, *, made: Purchase | None = None, limits: Limits | None = None
) -> Reserve:
    """A reservation that would write a copy of `made` for `path`."""
    policy = Policy(limits or Limits())

    def allow(wish: Wish, spent: Spent) -> None:
        policy.require(wish, SITE, spent)

    def pay(number: int, instrument: object, answer: object) -> Purchase | None:
        assert number == 0
        if made is None:
            return None
        return msgspec.structs.replace(made, id=f"w_{path}", url=SITE + path)

    return Reserve(
        request=get(path),
        site=SITE,
        wishes=(WISH,),
        now_s=world.now_s(),
        skip=frozenset(),
        allow=allow,
        patient=True,
        open=lambda number, instrument: (instrument, instrument),
        pay=pay,
    )


def ask_on(world: World, ask_id: str) -> Ask:
    purse = world.guide().purse("millicent", BROKER)
    need = Need(amount_micro=500, currency=CURRENCY, vendor_id=VENDOR)
    return Ask(
        id=ask_id,
        created_at_s=world.now_s(),
        broker_id=BROKER,
        scheme="millicent",
        vendor_id=VENDOR,
        site=SITE,
        amount_micro=500,
        asked=purse.ask(need, At(now_s=world.now_s())),
    )


def test_no_secret_stands_in_the_file_in_clear(world: World) -> None:
    world.fetch("/a?token=canary-in-url")
    made = purchase_on(world, "/b?token=canary-in-url")
    held = codec.read_json(made.paid.spent.body)
    assert isinstance(held, dict)
    secret = str(held["secret"])
    canaries = [
        PASSPHRASE.encode(),
        b"tok-alice",
        b"canary-in-url",
        secret.encode(),
        codec.unb64u(secret),
        str(held["scrip"]["cert"]).encode(),
        made.credential[1].encode(),
    ]
    files = [world.path, world.path.with_name("wallet.db-wal")]
    for raw in (each.read_bytes() for each in files if each.exists()):
        assert [canary for canary in canaries if canary in raw] == []
    assert b"millicent" in world.path.with_name("wallet.db-wal").read_bytes()


def test_a_purchase_is_on_the_disk_before_its_bytes_are_sent(world: World) -> None:
    made = purchase_on(world)
    other = Store(open_file(world.path, PASSPHRASE))
    rows = other.file.rows("SELECT id, state FROM purchases")
    held = other.file.rows("SELECT state, holder FROM instruments")
    assert rows == [(made.id, "sent")]
    assert held == [("offered", made.id)]
    other.close()


def test_an_offered_instrument_is_handed_out_to_nobody_else(world: World) -> None:
    made = purchase_on(world)
    assert world.store.do(reserve(world, "/b", made=made)) == Nothing(coming=True)


def test_only_instruments_that_can_pay_are_tried(world: World) -> None:
    made = purchase_on(world)
    small = msgspec.structs.replace(made.paid.spent, id="mc:small", worth_micro=199)
    exact = msgspec.structs.replace(made.paid.spent, id="mc:exact", worth_micro=200)
    ended = msgspec.structs.replace(made.paid.spent, id="mc:ended", expires_at_s=world.now_s())
    other = msgspec.structs.replace(made.paid.spent, id="mc:other", vendor_id="vendor-8")
    settled(world, made, state="done", instruments=(small, exact, ended, other))
    tried: list[str] = []

    def pay(number: int, instrument: Instrument, answer: object) -> None:
        tried.append(instrument.id)

    command = msgspec.structs.replace(reserve(world, "/b"), pay=pay)
    assert world.store.do(command) == Nothing(coming=False)
    assert tried == ["mc:exact"]


def general(world: World, made: Purchase) -> Instrument:
    """Puts an instrument that any vendor takes into the file."""
    card = msgspec.structs.replace(made.paid.spent, id="card", vendor_id="", worth_micro=9_000)
    settled(world, made, state="done", instruments=(card,))
    return card


def opening(world: World, path: str, made: Purchase) -> Reserve:
    """A reservation that opens a general instrument and pays from what it opened."""

    def open_one(number: int, card: Instrument) -> tuple[Instrument, Instrument]:
        less = msgspec.structs.replace(card, body=card.body + b" less")
        return less, msgspec.structs.replace(card, id=f"open_{path}", vendor_id=VENDOR)

    def pay(number: int, instrument: Instrument, answer: object) -> Purchase:
        paid = msgspec.structs.replace(made.paid, spent=instrument)
        return msgspec.structs.replace(made, id=f"w_{path}", paid=paid)

    return msgspec.structs.replace(
        reserve(world, path, made=made), open=open_one, pay=pay, patient=False
    )


def test_a_general_instrument_is_opened_and_stays(world: World) -> None:
    made = purchase_on(world)
    card = general(world, made)
    for path in ("/b", "/c"):
        got = world.store.do(opening(world, path, made))
        assert isinstance(got, Purchase)
        assert got.paid.spent.id == f"open_{path}"
    (held,) = Book(world.store.file).held()
    assert held.instrument.id == "card"
    assert held.instrument.body == card.body + b" less less"
    assert world.held_micro("offered") == 18_000


def test_a_patient_flow_opens_nothing_while_another_pays(world: World) -> None:
    made = purchase_on(world)
    general(world, made)
    world.store.do(opening(world, "/b", made))
    patient = msgspec.structs.replace(opening(world, "/c", made), patient=True)
    assert world.store.do(patient) == Nothing(coming=True)


def test_a_general_instrument_that_cannot_be_opened_is_passed_over(world: World) -> None:
    made = purchase_on(world)
    general(world, made)
    command = msgspec.structs.replace(
        opening(world, "/b", made), open=lambda number, instrument: None
    )
    assert world.store.do(command) == Nothing(coming=False)
    assert world.held_micro("ready") == 9_000


def test_many_that_are_used_up_do_not_hide_the_one_that_pays(world: World) -> None:
    made = purchase_on(world)
    card = general(world, made)
    used_up = [
        msgspec.structs.replace(card, id=f"used up {number}", expires_at_s=card.expires_at_s - 1)
        for number in range(2 * AT_ONCE)
    ]
    with world.store.file.write():
        for each in used_up:
            Rows(world.store.file).put_instrument(BROKER, SITE, each)
    whole = opening(world, "/b", made)
    command = msgspec.structs.replace(
        whole,
        open=lambda number, each: whole.open(number, each) if each.id == card.id else None,
    )
    got = world.store.do(command)
    assert isinstance(got, Purchase)
    assert got.paid.spent.id == "open_/b"


def test_an_instrument_for_any_vendor_with_nothing_to_open_is_offered_itself(world: World) -> None:
    made = purchase_on(world)
    general(world, made)
    command = opening(world, "/b", made)
    command = msgspec.structs.replace(
        command, open=lambda number, instrument: (instrument, instrument)
    )
    got = world.store.do(command)
    assert isinstance(got, Purchase)
    assert got.paid.spent.id == "card"
    assert world.held_micro("offered") == 9_000


def test_the_budget_is_checked_in_the_transaction_that_spends(world: World) -> None:
    made = purchase_on(world)
    settled(world, made, state="done", instruments=(made.paid.spent,))
    limits = Limits(per_day_micro=399)
    got = world.store.do(reserve(world, "/b", made=made, limits=limits))
    assert isinstance(got, OverBudget)
    assert got.refusal.code == "above_budget_per_day"


def test_a_budget_counts_what_this_payer_is_charged(world: World) -> None:
    made = purchase_on(world)
    settled(world, made, state="done", instruments=(made.paid.spent,))
    cheap = msgspec.structs.replace(made, price_micro=50)
    for day_micro, kind in ((249, OverBudget), (250, Purchase)):
        limits = Limits(per_day_micro=day_micro)
        assert isinstance(world.store.do(reserve(world, "/b", made=cheap, limits=limits)), kind)


def test_threads_that_reserve_at_once_get_one_instrument_each_once(world: World) -> None:
    made = purchase_on(world)
    settled(world, made, instruments=(made.paid.spent,))
    got: list[object] = []

    def take(number: int) -> None:
        got.append(world.store.do(reserve(world, f"/{number}", made=made)))

    threads = [threading.Thread(target=take, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(each, Purchase) for each in got) == 1
    assert got.count(Nothing(coming=True)) == 7


def test_a_purchase_let_go_is_found_by_the_same_request(world: World) -> None:
    made = purchase_on(world, "/a")
    world.store.let_go((made.id,))
    assert world.store.do(reserve(world, "/a")) == Unsettled(purchase=made, same=True)


def test_a_purchase_let_go_is_found_by_another_page_of_the_vendor(world: World) -> None:
    made = purchase_on(world, "/a")
    world.store.let_go((made.id,))
    assert world.store.do(reserve(world, "/b")) == Unsettled(purchase=made, same=False)


def test_another_body_or_method_is_another_request(world: World) -> None:
    made = purchase_on(world, "/a")
    world.store.let_go((made.id,))
    other = msgspec.structs.replace(
        reserve(world, "/a"), request=get("/a", method="POST", body=b"x")
    )
    assert world.store.do(other) == Unsettled(purchase=made, same=False)


def test_a_page_paid_and_not_delivered_is_the_same_purchase_for_an_hour(world: World) -> None:
    made = purchase_on(world, "/a")
    settled(world, made, state="done", instruments=(made.paid.spent,))
    world.store.let_go((made.id,))
    assert world.store.do(reserve(world, "/a")) == Unsettled(purchase=made, same=True)
    world.store.let_go((made.id,))
    world.now_ms += REPEAT_S * 1000
    assert world.store.do(reserve(world, "/a")) == Nothing(coming=False)


def test_an_ask_is_finished_once(world: World) -> None:
    ask = ask_on(world, "ask_1")
    assert world.store.do(OpenAsk(ask=ask, patient=True, now_s=world.now_s())) == ask
    instruments = (purchase_on(world).paid.spent,)
    finish = FinishAsk(ask=ask, instruments=instruments, now_s=world.now_s())
    assert world.store.do(finish) is True
    assert world.store.do(finish) is False


def test_a_patient_flow_leaves_the_asking_to_another(world: World) -> None:
    world.store.do(OpenAsk(ask=ask_on(world, "ask_1"), patient=True, now_s=world.now_s()))
    second = ask_on(world, "ask_2")
    opened = OpenAsk(ask=second, patient=True, now_s=world.now_s())
    assert world.store.do(opened) is None
    assert world.store.do(msgspec.structs.replace(opened, patient=False)) == second


def test_an_abandoned_ask_is_finished_before_a_new_one_is_made(world: World) -> None:
    first = ask_on(world, "ask_1")
    world.store.do(OpenAsk(ask=first, patient=True, now_s=world.now_s()))
    world.now_ms += LEASE_S * 1000
    opened = OpenAsk(ask=ask_on(world, "ask_2"), patient=False, now_s=world.now_s())
    assert world.store.do(opened) == first


def test_only_an_instrument_that_nobody_spends_is_given_back(world: World) -> None:
    made = purchase_on(world)
    ask = msgspec.structs.replace(ask_on(world, "ask_9"), instrument_id=made.paid.spent.id)
    opened = OpenAsk(ask=ask, patient=False, now_s=world.now_s())
    assert world.store.do(opened) is None
    settled(world, made, instruments=(made.paid.spent,))
    assert world.store.do(opened) == ask
    assert world.held_micro("offered") == 2_000


def test_what_is_held_by_a_living_flow_is_not_abandoned(world: World) -> None:
    purchase_on(world)
    found = Abandoned(now_s=world.now_s())
    assert world.store.do(found) == ((), (), ())
    world.crash()
    purchases, asks, releases = world.store.do(found)
    assert (len(purchases), len(asks), len(releases)) == (1, 0, 0)
    flow = fetch(world.guide(), get("/a"))
    flow.close()


def test_open_purchases_are_taken_over_by_vendor_or_all_together(world: World) -> None:
    made = purchase_on(world)
    all_of_them = TakeOver(now_s=world.now_s())
    elsewhere = TakeOver(broker_id=BROKER, vendor_id="another", now_s=world.now_s())
    there = TakeOver(broker_id=BROKER, vendor_id=VENDOR, now_s=world.now_s())
    assert world.store.do(all_of_them) == ()
    world.store.let_go((made.id,))
    assert world.store.do(elsewhere) == ()
    assert [found.id for found in world.store.do(there)] == [made.id]
    assert world.store.do(all_of_them) == ()
    world.store.let_go((made.id,))
    assert [found.id for found in world.store.do(all_of_them)] == [made.id]
    settled(world, made, instruments=(made.paid.spent,))
    world.store.let_go((made.id,))
    assert world.store.do(all_of_them) == ()


def test_a_refused_give_back_sets_the_instrument_aside(world: World) -> None:
    made = purchase_on(world)
    settled(world, made, instruments=(made.paid.spent,))
    ask = msgspec.structs.replace(ask_on(world, "ask_9"), instrument_id=made.paid.spent.id)
    world.store.do(OpenAsk(ask=ask, patient=False, now_s=world.now_s()))
    world.store.do(FinishAsk(ask=ask, refused="serial_already_used", now_s=world.now_s()))
    assert world.held_micro("aside") == 2_000


def test_a_delivered_page_keeps_no_credential(world: World) -> None:
    made = world.fetch("/a").purchase
    assert made is not None
    world.store.close()
    world.reopen()
    assert world.store.do(reserve(world, "/a")) == Nothing(coming=False)
    (sealed,) = world.store.file.rows("SELECT sealed FROM purchases")[0]
    plain = world.store.file.vault.open(sealed, "purchases", made.id)
    assert made.credential[1].encode() not in plain


def test_that_a_purchase_is_done_is_written_with_the_next_transaction(tmp_path: Path) -> None:
    world = World(tmp_path, soon=never)
    made = purchase_on(world)
    assert settled(world, made, state="done", instruments=(made.paid.spent,))
    world.store.deliver(made)
    state = "SELECT state, delivered FROM purchases WHERE id=?"
    assert world.store.file.rows(state, (made.id,)) == [("sent", 0)]
    with pytest.raises(ZeroDivisionError):
        world.store.do(msgspec.structs.replace(reserve(world, "/b"), pay=lambda *_: 1 // 0))
    assert world.store.file.rows(state, (made.id,)) == [("sent", 0)], "undone, and it waits on"
    taken = world.store.do(reserve(world, "/b", made=made))
    assert isinstance(taken, Purchase), "its instrument is free by then"
    assert world.store.file.rows(state, (made.id,)) == [("done", 1)]
