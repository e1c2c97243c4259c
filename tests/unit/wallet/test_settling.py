from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from farthing import codec
from farthing.crypto import signing
from farthing.errors import Forged, Mismatch
from farthing.schemes.contract import Dialect
from farthing.schemes.mac.millicent.purse import MillicentPurse
from farthing.vendor.booking import RECEIPT_KEY
from farthing.wallet.commands import Failed, Purchase, Request, Response
from farthing.wallet.flow import recover
from farthing.wallet.policy import DAY_S
from farthing.wallet.settling import (
    ABSENT_FINAL_S,
    Verdict,
    is_delivered,
    look_up,
    outcome_request,
    require_receipt,
    send,
)
from farthing.wire import mpp, receipts
from farthing.wire.offers import Receipt
from tests.kit.shop import PRICE_MICRO, WAYS, Buyer, Shop, receipt_in
from tests.unit.wallet.farside import SITE, VENDOR
from tests.unit.wallet.world import World, get, purchase_on

SECRET = b"k" * 32
KEYS_URL = SITE + "/.well-known/farthing-keys"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def taken(world: World, made: Purchase) -> Response:
    """The site's answer to a purchase."""
    answer = world.site.handle(get("/a").with_header(*made.credential))
    assert isinstance(answer, Response)
    return answer


def receipt_of(answer: Response) -> Receipt:
    return mpp.read_receipt(answer.value("payment-receipt"))


def answered_with(world: World, made: Purchase, *answers: Response | Failed) -> Verdict:
    """The verdict where the site answers the payment like this, and nothing to enquiries."""
    script = list(answers)

    def handle(request: Request) -> Response | Failed:
        if request.url.endswith("/outcome"):
            return Failed(reason="ConnectError")
        return script.pop(0)

    world.site.handle = handle
    _, verdict = world.run(send(world.guide(), made, get("/a")))
    assert script == []
    return verdict


def problem(status: int, retry: str, slug: str = "bad-request") -> Response:
    body = {"type": f"https://paymentauth.org/problems/{slug}", "code": "x", "retry": retry}
    return Response(status=status, url=SITE + "/a", body=codec.canonical(body))


@pytest.mark.parametrize(
    ("answers", "verdict", "states"),
    [
        ([problem(402, "new")], Verdict.ANEW, {"ready": 2_000}),
        ([Response(status=402, url=SITE)], Verdict.ANEW, {"ready": 2_000}),
        ([problem(400, "new")], Verdict.ANEW, {"ready": 2_000}),
        ([problem(402, "new", "verification-failed")], Verdict.ANEW, {"aside": 2_000}),
        ([problem(410, "new")], Verdict.ANEW, {"aside": 2_000}),
        ([problem(409, "same")] * 3, Verdict.UNDECIDED, {"offered": 2_000}),
        ([Failed(reason="ReadError")] * 3, Verdict.UNDECIDED, {"offered": 2_000}),
        ([problem(409, "never")], Verdict.UNDECIDED, {"offered": 2_000}),
        ([problem(403, "never", "verification-failed")], Verdict.RELEASED, {"aside": 2_000}),
        ([Response(status=200, url=SITE)], Verdict.UNDECIDED, {"offered": 2_000}),
        ([Response(status=500, url=SITE)], Verdict.UNDECIDED, {"offered": 2_000}),
        (
            [Response(status=500, url=SITE, headers=(("payment-outcome", "released"),))],
            Verdict.RELEASED,
            {"ready": 2_000},
        ),
    ],
)
def test_each_answer_leads_to_its_verdict(
    world: World, answers: list[Any], verdict: Verdict, states: dict[str, int]
) -> None:
    made = purchase_on(world)
    assert answered_with(world, made, *answers) is verdict
    assert {state: world.held_micro(state) for state in states} == states
    assert world.held_micro() == 2_000


def test_a_retry_after_is_waited_for_up_to_its_limit(world: World) -> None:
    made = purchase_on(world)
    busy = msgspec.structs.replace(problem(409, "same"), headers=(("retry-after", "3600"),))
    before_ms = world.now_ms
    answered_with(world, made, busy, busy, busy)
    assert 10_000 <= world.now_ms - before_ms < 12_000


def test_a_receipt_on_a_refusal_counts(world: World) -> None:
    made = purchase_on(world)
    paid = taken(world, made)
    late = msgspec.structs.replace(paid, status=403)
    assert answered_with(world, made, late) is Verdict.DONE
    assert world.held_micro("ready") == 1_800


@pytest.mark.parametrize(
    "changes",
    [
        {"amount_micro": 100},
        {"vendor_id": "vendor-8"},
        {"currency": "usd"},
        {"wire_name": "payword"},
        {"challenge_id": "another"},
        {"challenge_id": ""},
        {"receipt_id": receipts.id_of("another")},
    ],
)
def test_a_receipt_of_another_payment_is_no_receipt(
    world: World, changes: dict[str, object]
) -> None:
    made = purchase_on(world)
    purse = world.guide().purse("millicent", made.broker_id)
    receipt = receipt_of(taken(world, made))
    require_receipt(purse, made, receipt, ())
    key = purse.receipt_key(made.paid.spent)
    other = receipts.sign_mac(msgspec.structs.replace(receipt, **changes), key)
    with pytest.raises(Mismatch):
        require_receipt(purse, made, other, ())


@pytest.mark.parametrize(("scheme", "dialect"), WAYS)
def test_a_receipt_of_another_payment_of_that_price_settles_none(
    scheme: str, dialect: Dialect
) -> None:
    shop, made = Shop(), []
    buyer = Buyer(shop, scheme)
    for _ in range(2):
        payment = buyer.pay(dialect)
        receipt = receipt_in(shop.get(payment.header))
        assert receipt is not None
        made.append((payment, receipt))
    publics = tuple(key.public for key in shop.ring.live(RECEIPT_KEY))
    for payment, own in made:
        purchase: Any = SimpleNamespace(
            vendor_id=own.vendor_id, currency="eur", price_micro=PRICE_MICRO, paid=payment.paid,
            k=payment.k, received=SimpleNamespace(dialect=dialect, echo={"id": payment.k}),
        )  # fmt: skip  # - what is looked at of a purchase
        for _, receipt in made:
            if receipt is own:
                require_receipt(buyer.purse, purchase, receipt, publics)
            else:
                with pytest.raises(Mismatch, match="receipt_for_another_payment"):
                    require_receipt(buyer.purse, purchase, receipt, publics)


def test_a_receipt_with_altered_change_is_forged(world: World) -> None:
    made = purchase_on(world)
    purse = world.guide().purse("millicent", made.broker_id)
    receipt = receipt_of(taken(world, made))
    other = msgspec.structs.replace(receipt, change={**receipt.change, "valueMicro": 1_799})
    with pytest.raises(Forged):
        require_receipt(purse, made, other, ())


def test_change_that_is_not_right_leaves_the_purchase_undecided(world: World) -> None:
    made = purchase_on(world)
    paid = taken(world, made)
    purse = world.guide().purse("millicent", made.broker_id)
    receipt = msgspec.structs.replace(receipt_of(paid), change=None)
    signed = receipts.sign_mac(receipt, purse.receipt_key(made.paid.spent))
    headers = (("payment-receipt", mpp.receipt_header(signed)),)
    cheat = msgspec.structs.replace(paid, headers=headers)
    assert answered_with(world, made, cheat) is Verdict.UNDECIDED
    assert world.held_micro("offered") == 2_000


def test_a_receipt_without_a_shared_key_is_checked_with_the_vendors(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = purchase_on(world)
    purse = world.guide().purse("millicent", made.broker_id)
    signed = receipts.sign(receipt_of(taken(world, made)), lambda body: signing.sign(SECRET, body))
    monkeypatch.setattr(MillicentPurse, "receipt_key", lambda *_: b"")
    require_receipt(purse, made, signed, (b"x" * 32, signing.public_of(SECRET)))
    with pytest.raises(Forged, match="receipt_forged"):
        require_receipt(purse, made, signed, (b"x" * 32,))
    with pytest.raises(Forged, match="receipt_forged"):
        require_receipt(purse, made, signed, ())


@pytest.mark.parametrize(("vendor", "known"), [(VENDOR, True), ("vendor-8", False)])
def test_the_vendors_keys_are_read_at_the_origin_that_was_paid(
    world: World, monkeypatch: pytest.MonkeyPatch, vendor: str, *, known: bool
) -> None:
    made = purchase_on(world)
    paid = taken(world, made)
    signed = receipts.sign(receipt_of(paid), lambda body: signing.sign(SECRET, body))
    monkeypatch.setattr(MillicentPurse, "receipt_key", lambda *_: b"")
    document = {
        "vendor": vendor,
        "keys": [
            {
                "purpose": "farthing/vendor/receipt/1",
                "id": "1",
                "ed25519": codec.b64u(signing.public_of(SECRET)),
            }
        ],
    }
    keys = Response(status=200, url=KEYS_URL, body=codec.canonical(document))
    headers = (("payment-receipt", mpp.receipt_header(signed)),)
    page = msgspec.structs.replace(paid, headers=headers)

    def handle(request: Request) -> Response | Failed:
        if request.url.endswith("/outcome"):
            return Failed(reason="ConnectError")
        return keys if request.url == KEYS_URL else page

    world.site.handle = handle
    _, verdict = world.run(send(world.guide(), made, get("/a")))
    assert verdict is (Verdict.DONE if known else Verdict.UNDECIDED)


def test_a_receipt_under_a_key_made_since_is_checked_with_the_newest_keys(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = purchase_on(world)
    paid = taken(world, made)
    signed = receipts.sign(receipt_of(paid), lambda body: signing.sign(SECRET, body))
    monkeypatch.setattr(MillicentPurse, "receipt_key", lambda *_: b"")
    headers = (("payment-receipt", mpp.receipt_header(signed)),)
    page = msgspec.structs.replace(paid, headers=headers)
    asked: list[str] = []

    def handle(request: Request) -> Response:
        if request.url != KEYS_URL:
            return page
        asked.append(str(request.headers))
        secret = SECRET if "no-cache" in asked[-1] else bytes(32)
        key = {
            "purpose": "farthing/vendor/receipt/1",
            "id": "1",
            "ed25519": codec.b64u(signing.public_of(secret)),
        }
        document = codec.canonical({"vendor": VENDOR, "keys": [key]})
        return Response(status=200, url=KEYS_URL, body=document)

    world.site.handle = handle
    _, verdict = world.run(send(world.guide(), made, get("/a")))
    assert verdict is Verdict.DONE
    assert len(asked) == 2


def test_an_enquiry_proves_who_asks_and_shows_no_payment(world: World) -> None:
    made = purchase_on(world)
    purse = world.guide().purse("millicent", made.broker_id)
    request = outcome_request(purse, made, world.now_s())
    question = msgspec.json.decode(request.body)
    assert sorted(question) == ["atS", "k", "payloadHash", "proof"]
    assert request.url == SITE + "/.well-known/farthing/outcome"
    taken(world, made)
    assert world.run(look_up(world.guide(), made)) is Verdict.DONE


def test_an_instrument_without_a_key_shows_its_payload(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = purchase_on(world)
    monkeypatch.setattr(MillicentPurse, "prove", lambda *_: "")
    purse = world.guide().purse("millicent", made.broker_id)
    question = msgspec.json.decode(outcome_request(purse, made, world.now_s()).body)
    assert question == {"k": made.k, "payload": made.paid.payload}


@pytest.mark.parametrize(
    "answer",
    [
        Response(status=200, url=SITE, body=b"{"),
        Response(status=200, url=SITE, body=b'{"state":"perhaps"}'),
        Response(status=200, url=SITE, body=b'{"state":"confirmed","receipt":{}}'),
        Response(status=404, url=SITE),
        Response(status=403, url=SITE),
        Response(status=302, url=SITE),
    ],
)
def test_an_answer_that_says_nothing_decides_nothing(world: World, answer: Response) -> None:
    made = purchase_on(world)
    world.now_ms += 10**7
    world.site.handle = lambda request: answer
    assert world.run(look_up(world.guide(), made)) is Verdict.UNDECIDED
    assert world.held_micro("offered") == 2_000


def test_two_who_settle_one_purchase_adopt_its_change_once(world: World) -> None:
    made = purchase_on(world)
    taken(world, made)
    assert world.run(look_up(world.guide(), made)) is Verdict.DONE
    assert world.run(look_up(world.guide(), made)) is Verdict.DONE
    world.run(recover(world.guide()))
    assert world.held_micro() == 1_800
    world.require_conserved()


@pytest.mark.parametrize(
    ("verdict", "status", "delivered"),
    [
        (Verdict.DONE, 200, True),
        (Verdict.DONE, 403, True),  # the receipt alone: the time for the page is over
        (Verdict.DONE, 409, False),  # it was still being served, and confirmed after that
        (Verdict.DONE, 503, False),
        (Verdict.UNDECIDED, 200, False),
    ],
)
def test_a_page_that_was_paid_and_did_not_come_is_asked_for_with_the_same_payment(
    verdict: Verdict, status: int, *, delivered: bool
) -> None:
    assert is_delivered(verdict, status) is delivered


def given_up(world: World, path: str = "/a") -> Purchase:
    """A purchase whose payment has not come to its vendor yet; the wallet took it as released."""
    world.site.faults = ["lost"] * 3
    late = world.fetch(path).purchase
    assert late is not None
    world.now_ms += ABSENT_FINAL_S * 1000
    assert world.run(recover(world.guide())).released == 1
    return late


def enquiries(world: World) -> int:
    """How many go out in one recovery."""
    world.said.clear()
    world.run(recover(world.guide()))
    return world.said.count("SendRequest:outcome")


def test_a_payment_taken_after_it_was_given_up_is_found_without_another(world: World) -> None:
    late = given_up(world)
    taken(world, late)
    world.now_ms += 20 * 3_600_000  # its vendor's clock was set back by as much
    assert world.run(recover(world.guide())).done == 1
    assert world.held_micro("ready") == 1_800
    world.require_conserved()
    assert enquiries(world) == 0


def test_what_was_released_is_asked_about_until_its_vendor_could_not_take_it(world: World) -> None:
    given_up(world)
    world.now_ms += DAY_S * 1000
    assert [enquiries(world) for _ in range(2)] == [1, 1]
    world.now_ms += 4 * DAY_S * 1000
    assert [enquiries(world) for _ in range(2)] == [1, 0]


def test_a_vendor_that_says_nothing_is_asked_another_time(world: World) -> None:
    given_up(world)
    given_up(world, "/b")
    world.now_ms += 5 * DAY_S * 1000
    handle, world.site.handle = world.site.handle, lambda request: Failed(reason="ConnectError")
    assert [enquiries(world) for _ in range(2)] == [1, 1]
    world.site.handle = handle
    assert [enquiries(world) for _ in range(2)] == [2, 0]


def test_what_was_released_at_a_broker_that_was_left_is_passed_over(world: World) -> None:
    given_up(world)
    strangers = msgspec.structs.replace(world.guide(), brokers={})
    assert world.run(recover(strangers)).done == 0
