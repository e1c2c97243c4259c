import json
from typing import Any

import msgspec
import pytest
from hypothesis import given

from farthing.errors import (
    ROWS,
    Busy,
    Closed,
    Denied,
    Misconfigured,
    Overlimit,
    Refusal,
    Replayed,
    Undecided,
    Unpaid,
    Unsolicited,
    classes,
)
from farthing.schemes.coin.cashu import payment_request
from farthing.wire import mpp, problems, x402, x402_response
from farthing.wire.offers import Tender
from tests.unit.wire.examples import (
    CHALLENGE_ID,
    CHALLENGE_ID_WITH_HEADER,
    KEY,
    NONCE,
    NOW_S,
    OFFER,
    TENDER,
    TENDERS,
)

UNPAID = Unpaid("payment_required", "0.02 cent for /a/1093")
PLAIN = {
    b"content-type": b"application/problem+json",
    b"cache-control": b"no-store",
}


def required(tender: Tender = TENDER, refusal: Refusal = UNPAID, **given: Any) -> Any:
    headers, body = problems.payment_required(tender, refusal, key=KEY, nonce=NONCE, **given)
    return list(headers), json.loads(body)


def values(headers: list[tuple[bytes, bytes]], name: bytes) -> list[str]:
    return [value.decode() for key, value in headers if key == name]


# --- problems -----------------------------------------------------------------------------------


def test_replay_names_its_rule_and_carries_its_facts() -> None:
    refusal = Replayed("chain_index_not_above_last", "index 42 is used", lastIndex=42)
    status, headers, body = problems.problem(refusal)
    assert (status, dict(headers)) == (403, PLAIN)
    assert json.loads(body) == {
        "type": "https://paymentauth.org/problems/verification-failed",
        "title": "Verification Failed",
        "status": 403,
        "detail": "index 42 is used",
        "code": "chain_index_not_above_last",
        "fault": "payer",
        "retry": "never",
        "lastIndex": 42,
    }


@pytest.mark.parametrize("kind", classes())
def test_every_class_is_written_as_its_row_says(kind: type[Refusal]) -> None:
    row = ROWS[kind]
    status, headers, body = problems.problem(kind("some_rule"))
    problem = json.loads(body)
    assert status == problem["status"] == row.status
    assert (problem["retry"], problem["fault"], problem["code"]) == (
        row.retry,
        kind.fault,
        "some_rule",
    )
    waits = values(list(headers), b"retry-after")
    assert waits == ([str(row.retry_after_s)] if row.retry_after_s else [])


@pytest.mark.parametrize(
    ("refusal", "url", "title"),
    [
        (Busy("in_progress"), "https://farthing.example/problems/in-progress", "In Progress"),
        (Denied("no"), "https://farthing.example/problems/policy-denied", "Policy Denied"),
        (
            Closed("chain_closed"),
            "https://paymentauth.org/problems/session/channel-not-found",
            "Channel Not Found",
        ),
    ],
)
def test_own_types_stand_under_the_projects_url(refusal: Refusal, url: str, title: str) -> None:
    problem = json.loads(problems.problem(refusal)[2])
    assert (problem["type"], problem["title"]) == (url, title)


def test_refused_x402_payment_is_told_in_its_own_header() -> None:
    network = "farthing:demo-broker"
    refusal = Undecided("outcome_unknown", "ask again")
    status, headers, body = problems.problem(refusal, network=network, reference="pw:1")
    [told] = values(list(headers), b"payment-response")
    assert x402_response.read_response(told) == x402_response.Response(
        receipt=None,
        transaction="pw:1",
        network=network,
        reason="settlement_pending",
        code="outcome_unknown",
        detail="ask again",
    )
    assert (status, json.loads(body)["reference"]) == (503, "pw:1")


def test_no_402_after_value_moved() -> None:
    refusal = Overlimit("over_the_cap")
    assert problems.problem(refusal)[0] == 402
    status, headers, body = problems.problem(refusal, value_moved=True, network="farthing:b")
    assert (status, json.loads(body)["status"]) == (403, 403)
    [told] = values(list(headers), b"payment-response")
    assert x402_response.read_response(told).reason == "insufficient_funds"


def test_fact_cannot_take_the_place_of_a_member() -> None:
    refusal = Replayed("spent", status=200, type="about:blank", reference="x", challengeId="y")
    problem = json.loads(problems.problem(refusal, reference="pw:1", challenge_id="z")[2])
    assert problem["status"] == 403
    assert problem["type"] == "https://paymentauth.org/problems/verification-failed"
    assert (problem["reference"], problem["challengeId"]) == ("pw:1", "z")


def test_pending_transaction_may_come_as_a_fact_of_the_refusal() -> None:
    refusal = Undecided("outcome_unknown", reference="pw:1")
    _, headers, body = problems.problem(refusal, network="farthing:demo-broker")
    [told] = values(list(headers), b"payment-response")
    assert x402_response.read_response(told).transaction == json.loads(body)["reference"] == "pw:1"


# --- 402 ----------------------------------------------------------------------------------------


def test_worked_example_is_that_of_the_wire_format() -> None:
    headers, problem = required()
    assert problem == {
        "type": "https://paymentauth.org/problems/payment-required",
        "title": "Payment Required",
        "status": 402,
        "detail": "0.02 cent for /a/1093",
        "code": "payment_required",
        "fault": "payer",
        "retry": "new",
        "challengeId": CHALLENGE_ID,
    }
    assert headers == [
        (b"www-authenticate", mpp.challenge(TENDER, OFFER, key=KEY, nonce=NONCE).encode()),
        (b"payment-required", x402.required(TENDER, error="payment_required", key=KEY).encode()),
        *PLAIN.items(),
    ]


def test_credential_header_may_be_the_other_one() -> None:
    _, problem = required(use_header=True)
    assert problem["challengeId"] == CHALLENGE_ID_WITH_HEADER


def test_refused_x402_payment_gets_fresh_offers_and_a_response() -> None:
    refusal = Unsolicited("no_matching_requirements")
    headers, _ = required(refusal=refusal, of_payment=True)
    [told] = values(headers, b"payment-response")
    found = x402_response.read_response(told)
    assert (found.code, found.network) == ("no_matching_requirements", "farthing:demo-broker")
    assert not values(required(refusal=refusal)[0], b"payment-response")


def both(headers: list[tuple[bytes, bytes]]) -> tuple[list[int], list[int]]:
    """Prices of the offers as each dialect names them."""
    ours = mpp.read_challenges(values(headers, b"www-authenticate"))
    [twin] = values(headers, b"payment-required")
    theirs = x402.read_required(twin, now_s=NOW_S)
    return [item.offer.price_micro for item in ours], [item.offer.price_micro for item in theirs]


def tender_of(count: int, *, terms: dict[str, Any] | None = None) -> Tender:
    offers = tuple(
        msgspec.structs.replace(
            OFFER, price_micro=100 + index, description="", external_id="", terms=terms or {}
        )
        for index in range(count)
    )
    return msgspec.structs.replace(TENDER, offers=offers)


def test_offers_that_fill_the_headers_are_cut_from_the_end_in_both_dialects() -> None:
    for count in range(1, 12):
        headers, _ = required(tender_of(count))
        ours, theirs = both(headers)
        size_bytes = sum(
            len(name) + len(value)
            for name, value in headers
            if name in {b"www-authenticate", b"payment-required"}
        )
        assert size_bytes <= 7 * 1024
        assert ours == theirs == [100 + index for index in range(len(ours))]
        assert len(ours) == count or len(ours) == 8 or size_bytes > 6 * 1024
    kept = len(both(required(tender_of(11))[0])[0])
    assert 4 <= kept <= 8


def test_limit_of_the_headers_is_exact() -> None:
    tender = tender_of(1, terms={"x": "y" * 1900})
    size_bytes = sum(len(name) + len(value) for name, value in required(tender)[0][:2])
    longer = "n" * (7 * 1024 - size_bytes)
    fits = msgspec.structs.replace(tender, realm=tender.realm + longer)
    headers, _ = required(fits)
    assert sum(len(name) + len(value) for name, value in headers[:2]) == 7 * 1024
    with pytest.raises(Misconfigured, match="offer_too_large"):
        required(msgspec.structs.replace(fits, realm=fits.realm + "n"))


def test_eight_small_offers_go_out_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problems, "OFFER_HEADERS_BYTES_MAX", 8 * 1024)
    small = msgspec.structs.replace(OFFER, vendor_id="", broker_url="", broker_id="b", terms={})
    small = msgspec.structs.replace(small, description="", external_id="", redeem_by_s=0)
    tender = msgspec.structs.replace(TENDER, offers=(small,) * 9, realm="a", target="GET /")
    headers, _ = required(tender)
    assert [len(prices) for prices in both(headers)] == [8, 8]


def test_a_page_that_takes_cashu_coins_asks_for_them_too() -> None:
    coins = msgspec.structs.replace(OFFER, scheme="cashu", terms={})
    stream = msgspec.structs.replace(coins, intent="session")
    for offers, count in (((OFFER, coins), 1), ((OFFER,), 0), ((coins, coins), 1), ((stream,), 0)):
        headers, _ = required(msgspec.structs.replace(TENDER, offers=offers))
        found = values(headers, b"x-cashu")
        assert len(found) == count
        assert all(payment_request.read(value).a == 1 for value in found)


def test_what_is_asked_in_coins_counts_among_the_headers() -> None:
    coins = msgspec.structs.replace(OFFER, scheme="cashu", terms={"x": "y" * 1700})
    plain = msgspec.structs.replace(TENDER, offers=(coins,))
    offered = [pair for pair in required(plain)[0] if pair[0] not in PLAIN]
    assert offered[-1][0] == b"x-cashu"
    rest = 7 * 1024 - sum(len(name) + len(value) for name, value in offered)
    fits = msgspec.structs.replace(plain, realm=plain.realm + "n" * rest)
    assert values(required(fits)[0], b"x-cashu")
    with pytest.raises(Misconfigured, match="offer_too_large"):
        required(msgspec.structs.replace(fits, realm=fits.realm + "n"))
    second = msgspec.structs.replace(fits, offers=(OFFER, coins))
    assert not values(required(second)[0], b"x-cashu"), "its offer was dropped"


def test_offer_that_fits_nowhere_is_our_mistake() -> None:
    with pytest.raises(Misconfigured, match="offer_too_large"):
        required(tender_of(1, terms={"x": "y" * 2900}))


def test_offers_stand_in_the_payers_order() -> None:
    cheap = msgspec.structs.replace(OFFER, scheme="millicent", price_micro=100, terms={})
    tender = msgspec.structs.replace(TENDER, offers=(cheap, OFFER))
    assert both(required(tender)[0]) == ([100, 200], [100, 200])
    preferring = "payword/charge, millicent/charge;q=0.5"
    headers, problem = required(tender, accept_payment=preferring)
    assert both(headers) == ([200, 100], [200, 100])
    assert problem["challengeId"] == CHALLENGE_ID
    assert both(required(tender, accept_payment="millicent/charge")[0]) == ([100], [100])
    assert both(required(tender, accept_payment="tempo/charge")[0]) == ([100, 200], [100, 200])


@given(TENDERS)
def test_every_402_has_a_challenge_and_its_twin_if_it_is_for_a_page(tender: Tender) -> None:
    headers, problem = required(tender)
    if tender.offers[0].intent == "charge":
        assert both(headers) == ([tender.offers[0].price_micro],) * 2
    else:
        assert len(values(headers, b"www-authenticate")) == 1
        assert not values(headers, b"payment-required")
    assert problem["status"] == 402
