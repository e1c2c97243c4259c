"""The private door: what opens, what is refused outside of the seal, what inside."""

import msgspec
import pytest

from farthing import codec, marks
from farthing.errors import BadRequest, Busy, OriginFailed, Refusal, Unsupported
from farthing.schemes.contract import Instrument
from farthing.schemes.mac.millicent.scrip import PAYER_RANGE, payer_secret
from farthing.vendor.commands import Aborted, Answer, AskOrigin, OriginAnswered
from farthing.vendor.private import ADDED_BYTES
from farthing.wire import receipts, sealed
from farthing.wire.published import OUTCOME_PATH
from tests.kit import envelope
from tests.kit.envelope import Envelope
from tests.kit.flips import bit_flips
from tests.kit.millicent import Scene, held
from tests.kit.parties import VENDOR
from tests.kit.shop import (
    PAGE,
    PATH,
    PRICE_MICRO,
    ROUTE,
    WORTH_MICRO,
    Buyer,
    Payment,
    Shop,
    answering,
    asking,
    code_of,
    is_released,
    receipt_in,
    status,
)
from tests.unit.vendor.test_endpoints import question

BODY_BYTES_MAX = (sealed.PLAIN_BYTES_MAX - ADDED_BYTES) * 3 // 4  # about: base64, headers


@pytest.fixture
def shop() -> Shop:
    return Shop(ROUTE + 'methods = ["GET", "HEAD", "POST"]')


@pytest.fixture
def buyer(shop: Shop) -> Buyer:
    return Buyer(shop, "millicent")


def sealing(buyer: Buyer, plain: bytes, instrument: Instrument | None = None) -> Envelope:
    """Whatever a payer may say under the seal."""
    spent = instrument or buyer.instrument()
    return envelope.seal(buyer.purse, spent, plain, buyer.shop.clock.at())


def send(shop: Shop, sent: Envelope) -> Answer:
    """The answer as the payer reads it."""
    return sent.opened(shop.run(shop.sealed(sent.value, asking(method="POST", path="/private"))))


def bytes_of(shop: Shop, payment: Payment) -> Answer:
    """The answer as anybody sees it."""
    return shop.run(shop.sealed(payment.header[1], asking(method="POST", path="/private")))


def paid_at(buyer: Buyer, amount_micro: int, **changed: object) -> Envelope:
    """A payment of another amount, or with something in it changed."""
    spent, at = buyer.instrument(), buyer.shop.clock.at()
    offer = buyer.shop.gate.tills["millicent"].offer(amount_micro, at)
    made, paid = envelope.pay(buyer.purse, spent, offer, at, path=PATH)
    if not changed:
        return made
    plain = {
        "method": "GET",
        "pathQuery": PATH,
        "headers": [],
        "amount": str(amount_micro),
        "payload": paid.payload,
    } | changed
    return sealing(buyer, codec.canonical(plain), spent)


# --- outside of the seal ------------------------------------------------------------------------


def test_no_flipped_bit_of_an_envelope_opens_and_all_are_refused_alike(
    shop: Shop, buyer: Buyer
) -> None:
    raw = shop.envelopes[buyer.pay("private").header[1]].raw
    refused = set()
    for number, flipped in enumerate(bit_flips(raw)):
        if 120 * 8 < number < (len(raw) - 40) * 8 and number % 61:  # what is the same all along
            continue
        with pytest.raises(BadRequest) as wrong:
            shop.private.open(flipped)
        refused.add((wrong.value.code, wrong.value.detail, str(wrong.value.facts)))
    assert refused == {("envelope_refused", "this does not open", "{}")}


@pytest.mark.parametrize("payer", ["ffff000000000000", "0001000000000000", "00", "", "zz"])
def test_an_unknown_payer_is_refused_like_a_wrong_seal(
    shop: Shop, buyer: Buyer, payer: str
) -> None:
    inside = shop.envelopes[buyer.pay("private").header[1]].inside
    raw = codec.canonical({"payerId": payer, "sealed": codec.b64u(inside)})
    with pytest.raises(BadRequest, match="envelope_refused"):
        shop.private.open(raw)


def test_an_answer_of_ours_is_no_request(shop: Shop, buyer: Buyer) -> None:
    payment = buyer.pay("private")
    answer = sealed.read_sealed(bytes_of(shop, payment).body or b"")
    owner, _ = sealed.read_envelope(shop.envelopes[payment.header[1]].raw)
    with pytest.raises(BadRequest, match="envelope_refused"):
        shop.private.open(sealed.write_envelope(owner, answer))


@pytest.mark.parametrize("protocol", ["signed", "clear"])
def test_a_vendor_that_does_not_sell_in_private_says_so(protocol: str) -> None:
    shop = Shop()
    raw = shop.envelopes[Buyer(shop, "millicent").pay("private").header[1]].raw
    shop.restart(prices=ROUTE.replace('"private"', f'"{protocol}"'))
    with pytest.raises(Unsupported, match="private_unsupported"):
        shop.private.open(raw)


# --- inside -------------------------------------------------------------------------------------


def test_a_page_comes_sealed_with_its_receipt_and_change(shop: Shop, buyer: Buyer) -> None:
    payment = buyer.pay("private")
    answer = shop.get(payment.header)
    receipt = receipt_in(answer)
    assert (answer.status, answer.body, answer.charged_micro) == (200, b"the page", PRICE_MICRO)
    assert receipt is not None
    assert (receipt.amount_micro, receipt.challenge_id) == (PRICE_MICRO, "")
    assert receipt.change["valueMicro"] == WORTH_MICRO - PRICE_MICRO
    receipts.verify(receipt, mac_key=buyer.purse.receipt_key(payment.paid.spent))
    assert shop.earned_micro() == PRICE_MICRO


def test_a_repeat_is_sealed_anew_over_the_same_outcome(shop: Shop, buyer: Buyer) -> None:
    payment = buyer.pay("private")
    one, two = bytes_of(shop, payment), bytes_of(shop, payment)
    assert one.body != two.body
    sent = shop.envelopes[payment.header[1]]
    assert sent.opened(one).headers == sent.opened(two).headers
    assert shop.earned_micro() == PRICE_MICRO
    assert [dict(visit.add).get(b"x-pay-replay") for visit in shop.visits] == [None, b"true"]


def test_whatever_happens_looks_the_same(shop: Shop, buyer: Buyer) -> None:
    """Article, refusal, failure: one status, one length, one set of headers."""
    piece = buyer.instrument()
    answers = [bytes_of(shop, buyer.pay("private", path=path)) for path in (PATH, "/articles/22")]
    for code in (404, 500):
        shop.origin = status(code)
        answers.append(bytes_of(shop, buyer.pay("private", instrument=piece)))
    shop.origin = lambda _: OriginFailed("origin_timed_out")
    answers.append(bytes_of(shop, buyer.pay("private", instrument=piece)))
    shop.origin = answering(PAGE)
    answers += [bytes_of(shop, buyer.pay("private", instrument=piece)) for _ in range(2)]
    for plain in (b"", b"{}", codec.canonical({"method": "GET"})):
        sent = sealing(buyer, plain)
        answers.append(shop.run(shop.sealed(sent.value, asking())))
    assert shop.earned_micro() == 3 * PRICE_MICRO
    shapes = {(answer.status, answer.headers, len(answer.body or b"")) for answer in answers}
    assert len(shapes) == 1


def test_a_refusal_travels_sealed(shop: Shop, buyer: Buyer) -> None:
    piece = buyer.instrument()
    first, other = (buyer.pay("private", instrument=piece) for _ in range(2))
    assert shop.get(first.header).status == 200
    replayed = shop.get(other.header)
    assert (replayed.status, code_of(replayed)) == (403, "instrument_already_spent")
    assert isinstance(buyer.scene, Scene)
    small = buyer.scene.buy(PRICE_MICRO - 1)
    short = sealing(buyer, short_of(buyer, small), small)
    underpaid = send(shop, short)
    assert (underpaid.status, code_of(underpaid)) == (402, "amount_below_price")
    late = buyer.pay("private")
    shop.clock.now_s += 40 * 86_400
    expired = shop.get(late.header)
    assert (expired.status, code_of(expired)) == (402, "scrip_expired")
    seen = [bytes_of(shop, payment) for payment in (other, late)]
    seen.append(shop.run(shop.sealed(short.value, asking())))
    seen.append(shop.run(shop.sealed(sealing(buyer, b"nonsense").value, asking())))
    assert len({(each.status, each.headers, len(each.body or b"")) for each in seen}) == 1
    for answer in (replayed, underpaid, expired):
        names = {name for name, _ in answer.headers}
        assert names.isdisjoint({b"www-authenticate", b"payment-required"})
    assert shop.earned_micro() == PRICE_MICRO


def short_of(buyer: Buyer, piece: Instrument) -> bytes:
    """A request that pays the price with a piece that is not worth it."""
    scrip = msgspec.to_builtins(held(piece).scrip)
    return sealed.write_request(
        method="GET",
        path_query=PATH,
        amount_micro=PRICE_MICRO,
        payload={"nonce": "n", "scrip": scrip},
    )


@pytest.mark.parametrize("amount_micro", [PRICE_MICRO - 1, PRICE_MICRO + 1])
def test_another_price_than_the_payer_saw_is_not_charged(
    shop: Shop, buyer: Buyer, amount_micro: int
) -> None:
    answer = send(shop, paid_at(buyer, amount_micro))
    assert (answer.status, code_of(answer)) == (402, "price_changed")
    assert shop.earned_micro() == 0
    assert shop.said == ["Look", "Find", "Look"]


def test_scrip_of_another_payer_buys_nothing(shop: Shop, buyer: Buyer) -> None:
    """Who has copied scrip, and has a secret of its own, cannot spend it under its own seal."""
    stolen, thief = buyer.instrument(), Buyer(shop, "millicent")
    thiefs = msgspec.structs.replace(held(thief.instrument()).scrip, payer="0001" + "ab" * 6)
    key = shop.ring.find(PAYER_RANGE, "0001")
    assert key is not None
    secret = payer_secret(key.secret, VENDOR, thiefs.payer)
    own = msgspec.structs.replace(
        stolen,
        body=codec.canonical({"scrip": msgspec.to_builtins(thiefs), "secret": codec.b64u(secret)}),
    )
    answer = send(shop, sealing(buyer, short_of(buyer, stolen), own))
    assert (answer.status, code_of(answer)) == (402, "scrip_of_another_payer")
    assert shop.earned_micro() == 0


def test_a_free_page_is_fetched_in_the_open(shop: Shop, buyer: Buyer) -> None:
    answer = send(shop, paid_at(buyer, PRICE_MICRO, pathQuery="/about"))
    assert (answer.status, code_of(answer)) == (400, "page_is_free")
    assert shop.visits == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"method": "CONNECT"}, "private_request_malformed"),
        ({"headers": [["x-forwarded-for", "::1"]]}, "private_header_unsupported"),
        ({"payload": {"scrip": 1}}, "payload_malformed"),
        ({"payload": None}, "payment_missing"),
        ({"payload": None, "pathQuery": OUTCOME_PATH}, "payment_missing"),
    ],
)
def test_nonsense_under_a_seal_is_refused_under_a_seal(
    shop: Shop, buyer: Buyer, change: dict[str, object], code: str
) -> None:
    answer = send(shop, paid_at(buyer, PRICE_MICRO, **change))
    assert code_of(answer) == code
    assert answer.status in {400, 402}
    assert shop.earned_micro() == 0


def test_the_same_payment_for_another_page_is_reused(shop: Shop, buyer: Buyer) -> None:
    spent, at = buyer.instrument(), shop.clock.at()
    offer = shop.gate.tills["millicent"].offer(PRICE_MICRO, at)
    first, paid = envelope.pay(buyer.purse, spent, offer, at, path=PATH, method="POST", body=b"1")
    assert send(shop, first).status == 200
    for method, path, body in (
        ("POST", PATH, b"2"),
        ("POST", PATH, b""),
        ("POST", PATH + "0", b"1"),
        ("GET", PATH, b"1"),
    ):
        plain = sealed.write_request(
            method=method,
            path_query=path,
            body=body,
            amount_micro=PRICE_MICRO,
            payload=paid.payload,
        )
        answer = send(shop, sealing(buyer, plain, spent))
        assert (answer.status, code_of(answer)) == (409, "idempotency_conflict")
    assert send(shop, first).status == 200
    assert shop.earned_micro() == PRICE_MICRO


# --- answers that do not fit --------------------------------------------------------------------


def long_page(size_bytes: int | None, headers: int = 0) -> OriginAnswered:
    body = None if size_bytes is None else b"x" * size_bytes
    return OriginAnswered(status=200, headers=((b"x-long", b"h" * 900),) * headers, body=body)


@pytest.mark.parametrize("page", [long_page(None), long_page(900_000), long_page(0, 2_000)])
def test_a_stream_and_a_page_that_is_too_long_are_not_charged(
    shop: Shop, buyer: Buyer, page: OriginAnswered
) -> None:
    shop.origin = answering(page)
    payment = buyer.pay("private")
    answer = shop.get(payment.header)
    assert (answer.status, code_of(answer)) == (413, "private_answer_too_large")
    assert is_released(answer)
    assert shop.earned_micro() == 0
    shop.origin = answering(PAGE)
    assert shop.get(payment.header).status == 200


def test_the_longest_page_that_fits_comes_with_its_receipt(shop: Shop, buyer: Buyer) -> None:
    shop.origin = answering(long_page(BODY_BYTES_MAX - 200))
    answer = shop.get(buyer.pay("private").header)
    assert answer.status == 200
    assert receipt_in(answer) is not None


def test_what_was_charged_before_the_site_answered_keeps_its_receipt() -> None:
    shop = Shop(ROUTE + "hold = false")
    shop.origin = answering(long_page(None))
    answer = shop.get(Buyer(shop, "millicent").pay("private").header)
    assert (answer.status, code_of(answer)) == (413, "private_answer_too_large")
    assert receipt_in(answer) is not None
    assert not is_released(answer)
    assert shop.earned_micro() == PRICE_MICRO


# --- enquiries ----------------------------------------------------------------------------------


def test_what_became_of_a_payment_is_told_under_a_seal(shop: Shop, buyer: Buyer) -> None:
    payment = buyer.pay("private")

    def ask() -> Answer:
        plain = sealed.write_request(
            method="POST",
            path_query=OUTCOME_PATH,
            body=codec.canonical(question(buyer, payment)),
        )
        return send(shop, sealing(buyer, plain, payment.paid.spent))

    assert (ask().status, code_of(ask())) == (404, "outcome_absent")
    page = shop.get(payment.header)
    told = msgspec.json.decode(ask().body or b"")
    receipt = receipt_in(page)
    assert receipt is not None
    assert (told["state"], told["receipt"]) == ("confirmed", receipts.to_json(receipt))


def test_a_refusal_of_the_store_is_told_under_a_seal(shop: Shop, buyer: Buyer) -> None:
    walking = shop.start(buyer.pay("private").header)
    walking.until(marks.Hold)
    answer = walking.throw(Busy("in_progress"))
    assert answer is not None
    assert (answer.status, code_of(answer)) == (409, "in_progress")


def test_a_payer_who_leaves_is_not_charged(shop: Shop, buyer: Buyer) -> None:
    payment = buyer.pay("private")
    walking = shop.start(payment.header)
    walking.until(AskOrigin)
    with pytest.raises(Aborted):
        walking.throw(Aborted())
    found = shop.find(payment.k)
    assert found is not None
    assert found.state == "released"


def test_nothing_shows_what_is_sealed(shop: Shop, buyer: Buyer) -> None:
    payment = buyer.pay("private")
    opened = shop.private.open(codec.unb64u(payment.header[1]))
    for each in (opened, opened.asked):
        assert "articles" not in repr(each)
        assert payment.payload["scrip"]["cert"] not in repr(each)
    with pytest.raises(Refusal) as refused:
        shop.private.open(b"x" + codec.unb64u(payment.header[1]))
    assert refused.value.detail == "this does not open"
