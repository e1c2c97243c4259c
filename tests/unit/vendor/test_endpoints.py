"""The gate's own doors: outcomes for their owner, the vendor's mint, keys and prices."""

import hashlib
from typing import Any

import msgspec
import pytest

from farthing import codec, marks
from farthing.crypto import signing
from farthing.errors import Busy
from farthing.schemes.contract import Dialect, Json, Key
from farthing.vendor.commands import Answer, AskOrigin, refuse
from farthing.vendor.endpoints import (
    OUTCOME_TAG,
    SKEW_S,
)
from farthing.vendor.gate import RECEIPT_KEY
from farthing.wire import receipts
from farthing.wire.published import KEYS_TAG, PRICES_TAG
from tests.kit.parties import BROKER, VENDOR
from tests.kit.shop import (
    DIALECTS,
    PRICE_MICRO,
    ROUTE,
    SCHEMES,
    Buyer,
    Payment,
    Shop,
    code_of,
    receipt_in,
    status,
    value_of,
)

LEASE_S = 60

every_scheme = pytest.mark.parametrize("scheme", SCHEMES)
every_dialect = pytest.mark.parametrize("dialect", DIALECTS)


def question(buyer: Buyer, payment: Payment, **changed: Json) -> dict[str, Json]:
    """An owner's question; `changed` replaces what it says, after it was signed."""
    at_s = buyer.shop.clock.now_s
    payload_hash = hashlib.sha256(codec.canonical(payment.payload)).digest()
    statement = codec.enc(OUTCOME_TAG, VENDOR, payment.k, payload_hash, at_s)
    asked: dict[str, Json] = {
        "k": payment.k,
        "payloadHash": "sha256:" + codec.b64u(payload_hash),
        "atS": at_s,
        "proof": buyer.purse.prove(payment.paid.spent, statement),
    }
    return asked | changed


def said(answer: Answer) -> Any:
    assert value_of(answer, b"cache-control") == "no-store"
    body = msgspec.json.decode(answer.body or b"")
    assert body.get("status", answer.status) == answer.status or "state" in body
    return body


@every_scheme
@every_dialect
def test_a_confirmed_payment_comes_with_its_receipt_byte_for_byte(
    scheme: str, dialect: Dialect
) -> None:
    shop = Shop()
    buyer = Buyer(shop, scheme)
    payment = buyer.pay(dialect)
    paid = shop.get(payment.header)
    receipt = receipt_in(paid)
    assert receipt is not None
    answer = shop.outcome(question(buyer, payment))
    body = said(answer)
    assert (answer.status, body["state"], body["status"]) == (200, "confirmed", 200)
    assert body["receipt"] == receipts.to_json(receipt)
    shop.clock.now_s += 29 * 86_400
    assert shop.outcome(question(buyer, payment)).body == answer.body
    assert shop.earned_micro() == PRICE_MICRO


@every_scheme
def test_a_payment_that_never_came_is_absent(scheme: str) -> None:
    shop = Shop()
    buyer = Buyer(shop, scheme)
    answer = shop.outcome(question(buyer, buyer.pay()))
    assert (answer.status, code_of(answer)) == (404, "outcome_absent")


@every_scheme
def test_a_released_payment_says_so(scheme: str) -> None:
    shop = Shop()
    buyer = Buyer(shop, scheme)
    payment = buyer.pay()
    shop.origin = status(500)
    shop.get(payment.header)
    assert said(shop.outcome(question(buyer, payment))) == {"state": "released"}


@every_scheme
def test_a_running_payment_is_in_progress(scheme: str) -> None:
    shop = Shop()
    buyer = Buyer(shop, scheme)
    payment = buyer.pay()
    shop.start(payment.header).until(AskOrigin)
    answer = shop.outcome(question(buyer, payment))
    assert (answer.status, code_of(answer)) == (409, "in_progress")
    assert value_of(answer, b"retry-after")


@every_scheme
def test_once_released_is_said_the_slow_attempt_cannot_charge_any_more(scheme: str) -> None:
    shop = Shop()
    buyer = Buyer(shop, scheme)
    payment = buyer.pay()
    slow = shop.start(payment.header)
    slow.until(AskOrigin)
    shop.clock.now_s += LEASE_S
    assert said(shop.outcome(question(buyer, payment))) == {"state": "released"}
    late = slow.go()
    assert late is not None
    assert (late.status, code_of(late)) == (409, "hold_lost")
    assert shop.earned_micro() == 0


@every_scheme
def test_a_payload_stands_for_hash_and_proof(scheme: str) -> None:
    shop = Shop()
    buyer = Buyer(shop, scheme)
    payment = buyer.pay()
    shop.get(payment.header)
    shown = {"k": payment.k, "payload": payment.payload}
    assert said(shop.outcome(shown))["state"] == "confirmed"
    other = buyer.pay()
    answer = shop.outcome(shown | {"payload": other.payload})
    assert (answer.status, code_of(answer)) == (403, "outcome_proof_wrong")


@every_scheme
@pytest.mark.parametrize(
    "changed",
    [
        {"proof": "mac:AAAAAAAAAAAAAAAAAAAAAA"},
        {"proof": "ed25519:" + "A" * 86},
        {"proof": ""},
        {"proof": "mac:!"},
        {"proof": "rot13:aa"},
        {"payloadHash": "sha256:" + "A" * 43},
        {"payloadHash": ""},
    ],
)
def test_a_wrong_proof_is_refused_without_a_word_of_the_payment(
    scheme: str, changed: dict[str, Json]
) -> None:
    shop = Shop()
    buyer = Buyer(shop, scheme)
    payment = buyer.pay()
    shop.get(payment.header)
    answer = shop.outcome(question(buyer, payment, **changed))
    body = said(answer)
    assert (answer.status, body["status"], body["code"]) == (403, 403, "outcome_proof_wrong")
    assert body["type"].endswith("verification-failed")
    assert "receipt" not in body


@every_scheme
def test_a_proof_is_for_its_own_time_and_payment(scheme: str) -> None:
    shop = Shop()
    buyer = Buyer(shop, scheme)
    payment, other = buyer.pay(), buyer.pay()
    for one in (payment, other):
        shop.get(one.header)
    asked = question(buyer, payment)
    for moved in (asked["atS"] + 1, asked["atS"] - 1):
        assert shop.outcome(asked | {"atS": moved}).status == 403
    assert shop.outcome(asked | {"k": other.k}).status == 403
    shop.clock.now_s += SKEW_S
    assert shop.outcome(asked).status == 200
    shop.clock.now_s += 1
    old = shop.outcome(asked)
    assert (old.status, code_of(old)) == (403, "question_too_old")
    shop.clock.now_s -= 2 * SKEW_S + 2
    assert shop.outcome(asked).status == 403


MALFORMED = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b'{"k":1}',
    b'{"k":"a","atS":"1"}',
    b'{"k":"a","atS":1.5}',
    b'{"k":"a","more":1}',
    b'{"k":"a","k":"b"}',
    b"[" * 100,
    b"\xff",
]


@pytest.mark.parametrize("body", MALFORMED)
def test_what_is_no_question_is_a_bad_request(body: bytes) -> None:
    shop = Shop()
    answer = shop.run(shop.doors.outcome(body))
    assert (answer.status, code_of(answer)) == (400, "question_malformed")


def test_a_scheme_that_is_gone_has_nobody_to_check_a_proof() -> None:
    shop = Shop()
    buyer = Buyer(shop, "payword")
    payment = buyer.pay()
    shop.get(payment.header)
    asked = question(buyer, payment)
    shop.doors._gate.tills = {}
    assert (shop.outcome(asked).status, code_of(shop.outcome(asked))) == (400, "scheme_gone")


# --- the vendor's mint --------------------------------------------------------------------------


def burn(
    shop: Shop, message: Json, scheme: str = "millicent", operation: str = "take-back"
) -> Answer:
    return shop.run(shop.doors.mint(scheme, operation, codec.canonical(message)))


def test_a_piece_is_burned_once_and_the_same_order_gets_the_same_receipt() -> None:
    shop = Shop()
    buyer = Buyer(shop, "millicent")
    asked = buyer.purse.give_back(buyer.instrument(), shop.clock.at())
    first = burn(shop, asked.message)
    assert first.status == 200
    shop.clock.now_s += 90 * 86_400
    assert burn(shop, asked.message).body == first.body


def test_another_order_for_a_burned_piece_is_replayed() -> None:
    shop = Shop()
    buyer = Buyer(shop, "millicent")
    piece = buyer.instrument()
    orders = [buyer.purse.give_back(piece, shop.clock.at()).message for _ in range(2)]
    assert burn(shop, orders[0]).status == 200
    answer = burn(shop, orders[1])
    assert (answer.status, code_of(answer)) == (403, "instrument_already_spent")


def test_a_burned_piece_pays_no_more() -> None:
    shop = Shop()
    buyer = Buyer(shop, "millicent")
    piece = buyer.instrument()
    payment = buyer.pay(instrument=piece)
    burn(shop, buyer.purse.give_back(piece, shop.clock.at()).message)
    answer = shop.get(payment.header)
    assert (answer.status, code_of(answer)) == (403, "instrument_already_spent")
    assert shop.earned_micro() == 0


def test_a_spent_piece_is_not_burned() -> None:
    shop = Shop()
    buyer = Buyer(shop, "millicent")
    piece = buyer.instrument()
    order = buyer.purse.give_back(piece, shop.clock.at()).message
    assert shop.get(buyer.pay(instrument=piece).header).status == 200
    answer = burn(shop, order)
    assert (answer.status, code_of(answer)) == (403, "instrument_already_spent")


def test_a_piece_that_is_being_spent_is_busy() -> None:
    shop = Shop()
    buyer = Buyer(shop, "millicent")
    piece = buyer.instrument()
    slow = shop.start(buyer.pay(instrument=piece).header)
    slow.until(AskOrigin)
    answer = burn(shop, buyer.purse.give_back(piece, shop.clock.at()).message)
    assert (answer.status, code_of(answer)) == (409, "mark_held")


def test_a_forged_order_burns_nothing() -> None:
    shop = Shop()
    buyer = Buyer(shop, "millicent")
    piece = buyer.instrument()
    order = buyer.purse.give_back(piece, shop.clock.at()).message
    answer = burn(shop, order | {"sig": "0" * 32})
    assert (answer.status, code_of(answer)) == (403, "burn_signature_wrong")
    assert shop.get(buyer.pay(instrument=piece).header).status == 200


@pytest.mark.parametrize(
    ("scheme", "operation"),
    [("payword", "take-back"), ("millicent", "grant"), ("", ""), ("x" * 999, "take-back")],
)
def test_a_door_that_is_none_is_unsupported(scheme: str, operation: str) -> None:
    shop = Shop()
    answer = burn(shop, {}, scheme, operation)
    assert (answer.status, code_of(answer)) == (400, "operation_unsupported")


def test_a_mark_that_moves_meanwhile_is_busy() -> None:
    shop = Shop()
    buyer = Buyer(shop, "millicent")
    message = buyer.purse.give_back(buyer.instrument(), shop.clock.at()).message
    walk = shop.doors.mint("millicent", "take-back", codec.canonical(message))
    command = next(walk)
    while not isinstance(command, marks.Take):
        command = walk.send(shop.carry_out(command))
    with pytest.raises(StopIteration) as ended:
        walk.throw(marks.Stale())
    assert code_of(ended.value.value) == "mark_contended"


def test_what_a_mint_burned_is_nobodys_payment() -> None:
    shop = Shop()
    buyer = Buyer(shop, "millicent")
    message = buyer.purse.give_back(buyer.instrument(), shop.clock.at()).message
    burn(shop, message)
    k = f"take-back/millicent/{codec.b64u(codec.digest(message))}"
    assert shop.find(k) is not None
    assert shop.outcome({"k": k, "payload": message}).status == 404


# --- keys and prices ----------------------------------------------------------------------------


def require_signed(document: dict[str, Any], tag: str, public: bytes) -> None:
    kind, _, sig = document.pop("sig").partition(":")
    assert kind == "ed25519"
    signing.verify(public, codec.enc(tag, codec.canonical(document)), codec.unb64u(sig))


def test_the_key_document_is_signed_by_the_key_it_shows_first() -> None:
    shop = Shop()
    document = said(shop.doors.keys())
    assert (document["vendor"], document["broker"]) == (VENDOR, "test-broker")
    public = codec.unb64u(document["keys"][0]["ed25519"])
    assert public == shop.ring.current(RECEIPT_KEY).public
    require_signed(document, KEYS_TAG, public)


def test_a_key_that_was_rotated_out_is_still_shown() -> None:
    """Receipts are documents: they are checked long after their key was replaced, and again."""
    shop = Shop()
    for number in ("2", "3"):
        secret = f"receipt key {number}, of 32 bytes in all".encode()[:32]
        key = Key(id=number, purpose=RECEIPT_KEY, secret=secret, public=signing.public_of(secret))
        shop.ring.add(key)
    document = said(shop.doors.keys())
    assert [key["id"] for key in document["keys"]] == ["3", "2", "1"]
    require_signed(document, KEYS_TAG, shop.ring.current(RECEIPT_KEY).public)


def test_the_price_list_names_every_route_and_is_signed() -> None:
    shop = Shop()
    reduced = '[[route.reduced]]\nprice = "100u"\nprops.student = true\n'
    shop.restart(prices='free = ["/about"]\n' + ROUTE + 'requires.country = "fr"\n' + reduced)
    answer = shop.doors.price_list(shop.book)
    assert value_of(answer, b"cache-control") == "max-age=60"
    assert shop.doors.price_list(shop.book) is answer
    document = msgspec.json.decode(answer.body or b"")
    assert (document["vendor"], document["broker"]) == (VENDOR, BROKER)
    assert (document["currency"], document["free"]) == ("eur", ["/about"])
    assert document["private"] == ["millicent"]
    assert document["routes"] == [
        {
            "path": "/articles/*",
            "methods": ["*"],
            "amount": str(PRICE_MICRO),
            "accept": ["millicent"],
            "reduced": [["student=true", "100"]],
            "requires": "country=fr",
        }
    ]
    require_signed(document, PRICES_TAG, shop.ring.current(RECEIPT_KEY).public)
    shop.restart(prices=ROUTE.replace('"private"', '"signed"'))
    answer = shop.doors.price_list(shop.book)
    assert msgspec.json.decode(answer.body or b"")["private"] == []
    old = shop.ring.current(RECEIPT_KEY)
    shop.ring.add(msgspec.structs.replace(old, id="2"))
    assert shop.doors.price_list(shop.book) is not answer, "signed with the current key"


def test_nothing_is_sold_at_the_doors_so_nothing_is_402() -> None:
    answer = refuse(Busy("in_progress"))
    assert (answer.status, said(answer)["status"]) == (409, 409)


def test_scrip_that_was_renewed_before_costs_no_serial() -> None:
    shop = Shop()
    buyer = Buyer(shop, "millicent")
    piece = buyer.instrument()
    shop.clock.now_s = piece.expires_at_s + 1
    one, other = (
        codec.canonical(buyer.purse.give_back(piece, shop.clock.at()).message) for _ in range(2)
    )
    assert shop.run(shop.doors.mint("millicent", "issue", one)).status == 200
    again = shop.run(shop.doors.mint("millicent", "issue", one))
    refused = shop.run(shop.doors.mint("millicent", "issue", other))
    assert (again.status, refused.status) == (200, 403)
    assert shop.said.count("TakeSerial") == len(shop.spared) + 1 == 2
