"""One entry of `accepts`: what seals it, and who may have made it."""

from typing import Any

import msgspec
import pytest

from farthing import codec
from farthing.crypto.mac import mac
from farthing.wire.offers import Tender
from farthing.wire.x402_entry import entry_of, origin_of, promised, requirements
from tests.unit.wire.examples import KEY, OFFER, OLD_KEY, TENDER

ENTRY = entry_of(TENDER, OFFER, KEY)
BOUND = msgspec.structs.replace(TENDER, body_digest=b"d" * 32)


def is_ours(entry: Any, tender: Tender = TENDER) -> bool:
    made = promised(entry, tender, [KEY, OLD_KEY])
    assert made is None or made.until_s == TENDER.expires_at_s
    return made is not None


def test_the_seal_is_that_of_the_formula() -> None:
    plain = codec.canonical(requirements(TENDER, OFFER))
    derived = mac(32, KEY.secret, "farthing/wire/offer/1")
    code = mac(16, derived, "farthing/wire/offer/1", TENDER.expires_at_s, plain)[:12]
    assert ENTRY["extra"]["seal"] == f"{TENDER.expires_at_s}.{codec.b64u(code)}"


@pytest.mark.parametrize("key", [KEY, OLD_KEY])
@pytest.mark.parametrize("tender", [TENDER, BOUND])
def test_what_either_key_made_is_ours(key: Any, tender: Tender) -> None:
    assert is_ours(entry_of(tender, OFFER, key), tender)


def test_another_key_makes_nothing_of_ours() -> None:
    other = msgspec.structs.replace(KEY, secret=b"x" * 32)
    assert not is_ours(entry_of(TENDER, OFFER, other))


OTHERS: list[dict[str, Any]] = [
    {"scheme": "exact"},
    {"network": "farthing:another"},
    {"amount": "1"},
    {"asset": "microusd"},
    {"payTo": "mallory"},
    {"maxTimeoutSeconds": 10**6},
]
OTHER_EXTRAS: list[dict[str, Any]] = [
    {"method": "millicent"},
    {"broker": "https://evil.example"},
    {"settlement": "final"},
    {"redeemByS": 1},
    {"terms": {"unitMicro": 1, "maxSteps": 1000}},
    {"externalId": "other"},
    {"site": "https://mirror.example"},
    {"target": "GET /a/1094"},
    {"digest": "sha-256=:AAAA:"},
    {"seal": ""},
    {"seal": "0"},
    {"seal": "9" * 20 + ".8sskAz7GCNTvSAka"},
    {"seal": ENTRY["extra"]["seal"].replace("1", "2", 1)},
    {"seal": ENTRY["extra"]["seal"][:-1]},
]


@pytest.mark.parametrize("members", OTHERS)
def test_an_entry_that_was_changed_is_not_ours(members: dict[str, Any]) -> None:
    assert not is_ours({**ENTRY, **members})


@pytest.mark.parametrize("members", OTHER_EXTRAS)
def test_terms_that_were_changed_are_not_ours(members: dict[str, Any]) -> None:
    assert not is_ours({**ENTRY, "extra": {**ENTRY["extra"], **members}})


@pytest.mark.parametrize("junk", [None, [], {}, {"extra": {}}, {**ENTRY, "extra": None}])
def test_what_is_no_entry_is_not_ours(junk: Any) -> None:
    assert not is_ours(junk)


def test_an_offer_for_another_request_is_not_for_this_one() -> None:
    elsewhere = (
        msgspec.structs.replace(TENDER, target="GET /other"),
        msgspec.structs.replace(TENDER, url="https://mirror.example/a/1093"),
    )
    for tender in elsewhere:
        assert not is_ours(ENTRY, tender)


def test_what_a_payer_adds_does_not_count() -> None:
    assert is_ours({**ENTRY, "mine": 1, "extra": {**ENTRY["extra"], "mine": 1}})


def test_an_origin_is_scheme_host_and_port() -> None:
    assert origin_of("https://news.example:8443/a?b#c") == "https://news.example:8443"
