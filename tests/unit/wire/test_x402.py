import base64
import hashlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing import codec
from farthing.errors import (
    BadRequest,
    HeaderTooLarge,
    Malformed,
    Misconfigured,
    OtherNetwork,
    Refusal,
    Unsolicited,
    Unsupported,
)
from farthing.schemes.contract import Offer
from farthing.wire import x402
from farthing.wire.offers import CREDENTIAL_BYTES_MAX, Received, Tender
from tests.unit.wire.examples import (
    KEY,
    NOW_S,
    OBJECTS,
    OFFER,
    PAYLOAD,
    PAYMENT_ID,
    TENDER,
    TENDERS,
)

REQUIRED = x402.required(TENDER, error="payment_required", key=KEY)


def opened(value: str) -> Any:
    return json.loads(base64.b64decode(value, validate=True))


def sealed(message: object) -> str:
    return codec.b64(codec.canonical(message))


def received(value: str = REQUIRED) -> Received:
    [found] = x402.read_required(value, now_s=NOW_S)
    return found


PAYMENT = x402.payment(received(), PAYLOAD, PAYMENT_ID)


def payment_with(**members: object) -> str:
    return sealed({**opened(PAYMENT), **members})


def accepting(**members: object) -> str:
    return payment_with(accepted={**opened(PAYMENT)["accepted"], **members})


def accepting_extra(**members: object) -> str:
    return accepting(extra={**opened(PAYMENT)["accepted"]["extra"], **members})


def taken(value: str, tender: Tender = TENDER) -> Offer | None:
    return x402.matched(x402.read_payment(value), tender, [KEY]).offer


# --- offers -------------------------------------------------------------------------------------


def test_worked_example_is_that_of_the_wire_format_with_item_and_target() -> None:
    entry = {
        "scheme": "batch-settlement",
        "network": "farthing:demo-broker",
        "asset": "microeur",
        "amount": "200",
        "payTo": "vendor-7",
        "maxTimeoutSeconds": 300,
        "extra": {
            "method": "payword",
            "paymentFlow": "upfront",
            "decimals": 6,
            "displayCurrency": "EUR",
            "settlement": "deferred",
            "redeemByS": 1_795_305_600,
            "broker": "https://broker.example",
            "terms": {"unitMicro": 100, "maxSteps": 1000},
            "externalId": "art-1093",
            "site": "https://news.example",
            "target": "GET /a/1093",
            "seal": f"{TENDER.expires_at_s}.8sskAz7GCNTvSAka",
        },
    }
    assert opened(REQUIRED) == {
        "x402Version": 2,
        "error": "payment_required",
        "resource": {
            "url": "https://news.example/a/1093",
            "description": "Article 1093",
            "mimeType": "text/html",
        },
        "accepts": [entry],
        "extensions": {"payment-identifier": {"info": {"required": False}, "schema": {}}},
    }


@given(TENDERS)
def test_offer_reads_back(tender: Tender) -> None:
    found = received(x402.required(tender, error="payment_required", key=KEY))
    # What a dialect does not spell: the intent, and one description for each offer.
    offer = msgspec.structs.replace(
        tender.offers[0], intent="charge", description=tender.description
    )
    assert found.offer == offer
    assert (found.realm, found.target) == ("news.example", tender.target)
    assert found.expires_at_s == NOW_S + 300


def test_offers_of_others_are_left_out_and_eight_are_taken() -> None:
    message = opened(REQUIRED)
    [ours] = message["accepts"]
    foreign = [
        {**ours, "scheme": "exact"},
        {**ours, "network": "eip155:8453"},
        {**ours, "amount": 200},
        {**ours, "extra": {}},
        {**ours, "extra": {**ours["extra"], "method": "tempo"}},
        {**ours, "extra": {**ours["extra"], "externalId": "x" * 129}},
    ]
    message["accepts"] = [*foreign, ours, *foreign]
    assert len(x402.read_required(sealed(message), now_s=NOW_S)) == 1
    message["accepts"] = [ours] * 9
    assert len(x402.read_required(sealed(message), now_s=NOW_S)) == 8


@pytest.mark.parametrize(
    "value",
    [
        "",
        "e30",
        "e30=",
        base64.urlsafe_b64encode(b'{"a":"??>>"}').decode(),
        sealed([]),
        sealed({"x402Version": 1, "accepts": []}),
        sealed({"x402Version": 2}),
        sealed({"x402Version": 2, "accepts": [], "resource": {"url": "http://["}}),
    ],
)
def test_required_out_of_order_is_malformed(value: str) -> None:
    with pytest.raises(Malformed):
        x402.read_required(value, now_s=NOW_S)


def test_one_entry_by_itself_says_offer_site_and_request() -> None:
    whole = received()
    found = x402.read_entry(whole.echo["accepted"], now_s=NOW_S)
    assert found.offer == msgspec.structs.replace(whole.offer, description="")
    assert (found.site, found.realm) == ("https://news.example", "news.example")
    assert (found.target, found.expires_at_s) == ("GET /a/1093", NOW_S + 300)


def test_entry_of_another_scheme_or_a_broken_site_is_refused() -> None:
    entry = received().echo["accepted"]
    with pytest.raises(Unsupported, match="method_unsupported"):
        x402.read_entry({**entry, "scheme": "exact"}, now_s=NOW_S)
    with pytest.raises(Malformed, match="resource_url_malformed"):
        x402.read_entry({**entry, "extra": {**entry["extra"], "site": "http://["}}, now_s=NOW_S)
    deep: dict[str, object] = {}
    for _ in range(codec.JSON_DEPTH_MAX):
        deep = {"in": deep}
    for wrong in ({"more": deep}, {"more": "\ud800"}):
        with pytest.raises(Malformed, match="json_"):
            x402.read_entry({**entry, **wrong}, now_s=NOW_S)


def test_offer_over_a_limit_is_not_written() -> None:
    long = msgspec.structs.replace(OFFER, external_id="x" * 129)
    with pytest.raises(Misconfigured, match="external_id_too_long"):
        x402.required(
            msgspec.structs.replace(TENDER, offers=(long,)), error="payment_required", key=KEY
        )


# --- payments -----------------------------------------------------------------------------------


def test_worked_example_is_matched_to_its_offer() -> None:
    found = x402.matched(x402.read_payment(PAYMENT), TENDER, [KEY])
    assert found.offer is OFFER
    assert found.payload == codec.canonical(PAYLOAD)
    assert (found.k, found.dialect, found.wire_name) == (PAYMENT_ID, "x402", "payword")


@given(TENDERS, OBJECTS)
def test_payment_reads_back(tender: Tender, payload: dict[str, Any]) -> None:
    offered = received(x402.required(tender, error="payment_required", key=KEY))
    found = x402.matched(
        x402.read_payment(x402.payment(offered, payload, PAYMENT_ID)), tender, [KEY]
    )
    assert found.offer is tender.offers[0]
    assert found.payload == codec.canonical(payload)
    assert found.echo == offered.echo["accepted"]


def test_payment_without_identifier_is_known_by_its_payload() -> None:
    digest = codec.b64u(hashlib.sha256(codec.canonical(PAYLOAD)).digest())
    for extensions in ({}, {"payment-identifier": {"info": {"required": False}}}):
        assert x402.read_payment(payment_with(extensions=extensions)).k == "x402:" + digest
    reordered = json.dumps({**opened(PAYMENT), "extensions": {}}, indent=1).encode()
    assert x402.read_payment(codec.b64(reordered)).k == "x402:" + digest


def test_identifier_goes_out_only_where_it_was_offered_and_the_key_follows() -> None:
    message = opened(REQUIRED)
    del message["extensions"]
    without = received(sealed(message))
    assert "extensions" not in opened(x402.payment(without, PAYLOAD, PAYMENT_ID))
    for offered in (received(), without):
        value = x402.payment(offered, PAYLOAD, PAYMENT_ID)
        assert x402.read_payment(value).k == x402.key_of(offered, PAYLOAD, PAYMENT_ID)


def test_identified_payload_is_known_by_its_identifier_once_the_client_has_moved_it() -> None:
    made = x402.identified(PAYLOAD, PAYMENT_ID)
    extensions = made.pop("__extensions")
    assert made == PAYLOAD
    found = x402.read_payment(payment_with(payload=made, extensions=extensions))
    entry = received().echo["accepted"]
    assert found.k == PAYMENT_ID
    assert x402.key_of(x402.read_entry(entry, now_s=NOW_S), PAYLOAD, PAYMENT_ID) == PAYMENT_ID


@pytest.mark.parametrize(
    ("given_id", "is_read"),
    [("x" * 15, False), ("x" * 16, True), ("x" * 128, True), ("x" * 129, False)],
)
def test_limits_of_the_identifier_are_exact(given_id: str, *, is_read: bool) -> None:
    value = payment_with(extensions={"payment-identifier": {"info": {"id": given_id}}})
    if is_read:
        assert x402.read_payment(value).k == given_id
    else:
        with pytest.raises(BadRequest, match="payment_identifier_malformed"):
            x402.read_payment(value)


@pytest.mark.parametrize("given_id", ["a b" * 8, "é" * 20, 7, None, [], "x" * 16 + "\n"])
def test_identifier_of_other_characters_is_a_bad_request(given_id: object) -> None:
    with pytest.raises(BadRequest, match="payment_identifier_malformed"):
        x402.read_payment(
            payment_with(extensions={"payment-identifier": {"info": {"id": given_id}}})
        )


@pytest.mark.parametrize(
    ("value", "kind", "code"),
    [
        ("", Malformed, "credential_malformed"),
        ("e30", Malformed, "credential_malformed"),
        (sealed([]), Malformed, "credential_malformed"),
        (sealed({}), Malformed, "credential_malformed"),
        (codec.b64(b"[" * 12_000), Malformed, "credential_malformed"),
        (payment_with(accepted=[]), Malformed, "credential_malformed"),
        (payment_with(extensions=[]), Malformed, "credential_malformed"),
        (payment_with(x402Version="2"), Malformed, "credential_malformed"),
        (payment_with(x402Version=1), Malformed, "x402_version_unsupported"),
        (payment_with(payload=[]), Malformed, "json_not_object"),
        (payment_with(payload={"a": 0.5}), Malformed, "json_number_not_integer"),
        (accepting(scheme="exact"), Unsupported, "method_unsupported"),
        (accepting(network="eip155:8453"), OtherNetwork, "network_unsupported"),
        (accepting(network=None), OtherNetwork, "network_unsupported"),
        (accepting(extra=[]), Malformed, "credential_malformed"),
        (accepting_extra(method=1), Malformed, "credential_malformed"),
    ],
)
def test_payment_out_of_order_is_refused(value: str, kind: type[Refusal], code: str) -> None:
    with pytest.raises(Refusal) as refused:
        x402.read_payment(value)
    assert (type(refused.value), refused.value.code) == (kind, code)


@pytest.mark.parametrize(
    "value",
    [
        accepting(amount="100"),
        accepting(amount=200),
        accepting(network="farthing:other"),
        accepting(asset="microusd"),
        accepting(asset=None),
        accepting(payTo="vendor-8"),
        accepting(maxTimeoutSeconds=301),
        accepting_extra(method="millicent"),
        accepting_extra(method="tempo"),
        accepting_extra(site="https://other.example"),
        accepting_extra(target="GET /a/1094"),
        accepting_extra(terms={"unitMicro": 100}),
        accepting_extra(terms={"unitMicro": 100, "maxSteps": 1000, "variant": "x"}),
        accepting_extra(broker="https://other.example"),
        accepting_extra(settlement="final"),
        accepting_extra(externalId="art-1"),
    ],
)
def test_payment_for_what_is_not_offered_is_unsolicited(value: str) -> None:
    with pytest.raises(Unsolicited, match="no_matching_requirements"):
        taken(value)


def test_extra_may_say_more_and_the_asset_may_be_in_capitals() -> None:
    assert taken(accepting_extra(more=1)) is OFFER
    assert taken(accepting(asset="MicroEUR")) is OFFER


def test_offer_of_yesterday_still_matches_today() -> None:
    assert taken(accepting_extra(redeemByS=OFFER.redeem_by_s - 86_400)) is OFFER


@given(TENDERS, st.binary(min_size=32, max_size=32))
def test_an_offer_readdressed_is_what_the_gate_offers_there(tender: Tender, digest: bytes) -> None:
    tender = msgspec.structs.replace(tender, target="GET /this/page")
    found = received(x402.required(tender, error="payment_required", key=KEY))
    target = "GET /another/page"
    other = x402.readdressed(found, target, digest)
    digest = digest if tender.body_digest else b""
    assert (other.target, other.body_digest) == (target, digest)
    there = msgspec.structs.replace(tender, target=target, body_digest=digest)
    made = x402.payment(other, {"some": "payload"}, "w_7f3a0c1e5b9d2246")
    assert taken(made, there) == tender.offers[0]
    # No seal vouches for it: where it is not offered it is no promise of an earlier price.
    dearer = msgspec.structs.replace(tender.offers[0], price_micro=tender.offers[0].price_micro ^ 1)
    with pytest.raises(Unsolicited):
        taken(made, msgspec.structs.replace(there, offers=(dearer,)))
    with pytest.raises(Unsolicited):
        taken(made, tender)


def test_the_offer_accepted_is_found_among_several() -> None:
    others = (
        msgspec.structs.replace(OFFER, scheme="millicent", terms={"protocol": "signed"}),
        msgspec.structs.replace(OFFER, price_micro=300),
    )
    assert taken(PAYMENT, msgspec.structs.replace(TENDER, offers=(*others, OFFER))) is OFFER


def test_payment_of_the_largest_size_is_read() -> None:
    raw = base64.b64decode(PAYMENT)
    padded = codec.b64(raw[:1] + b" " * (CREDENTIAL_BYTES_MAX * 3 // 4 - len(raw)) + raw[1:])
    assert len(padded) == CREDENTIAL_BYTES_MAX
    assert taken(padded) is OFFER
    with pytest.raises(HeaderTooLarge, match="too_large"):
        x402.read_payment(padded + "AAAA")


def test_every_flipped_bit_is_refused_or_is_another_payment() -> None:
    good = x402.matched(x402.read_payment(PAYMENT), TENDER, [KEY])
    for index in range(len(PAYMENT)):
        for bit in range(8):
            flipped = PAYMENT[:index] + chr(ord(PAYMENT[index]) ^ 1 << bit) + PAYMENT[index + 1 :]
            try:
                found = x402.matched(x402.read_payment(flipped), TENDER, [KEY])
            except Refusal:
                continue
            echo = {**found.echo, "asset": found.echo["asset"].lower()}
            free = ("redeemByS", "seal")  # nobody needs a seal for an offer of now
            echo["extra"] |= {name: good.echo["extra"][name] for name in free}
            echo["extra"] = {name: echo["extra"][name] for name in good.echo["extra"]}
            assert echo == good.echo
            assert (found.offer, found.wire_name) == (OFFER, "payword")


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_as_malformed(raw: bytes) -> None:
    for value in (codec.b64(raw), raw.decode("latin-1")):
        with pytest.raises(Malformed, match="credential_malformed"):
            x402.read_payment(value)
