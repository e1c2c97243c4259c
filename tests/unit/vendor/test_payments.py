"""When two payments are the same one, and what goes to the origin and comes from it."""

import itertools

import msgspec
import pytest

from farthing import marks
from farthing.vendor import gate
from farthing.vendor.booking import hold_of
from farthing.vendor.payments import Paying, passed_on, payment_digest, target_hash
from tests.kit.shop import PAGE, Buyer, Shop, asking

REQUESTS = [
    asking(),
    asking(path="/articles/2"),
    asking(path="/articles/1?q"),
    asking(method="HEAD"),
    asking(host="mirror.example"),
    asking(body=b"a body"),
]


def test_another_target_is_another_hash() -> None:
    hashes = [target_hash(request) for request in REQUESTS]
    assert len(set(hashes)) == len(hashes)
    assert target_hash(asking(("X-Other", "header"))) == hashes[0]


def test_two_payments_are_the_same_if_all_three_are() -> None:
    parts = list(itertools.product(["k", "l"], [b"p" * 32, b"q" * 32], [b"t" * 32, b"u" * 32]))
    digests = [payment_digest(k, payload, target) for k, payload, target in parts]
    assert len(set(digests)) == len(parts)
    assert {len(digest) for digest in digests} == {32}


@pytest.mark.parametrize("body", [b"sorry", None])
def test_a_failure_is_passed_on_with_word_of_it(body: bytes | None) -> None:
    failed = msgspec.structs.replace(PAGE, status=500, body=body)
    answer = passed_on(failed)
    assert (answer.status, answer.body, answer.charged_micro) == (500, body, 0)
    assert (b"payment-outcome", b"released") in answer.headers
    assert (b"content-type", b"text/html") in answer.headers


def test_a_payment_under_way_shows_no_payload(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Paying] = []

    def spy(paying: Paying) -> marks.Hold:
        seen.append(paying)
        return hold_of(paying)

    monkeypatch.setattr(gate, "hold_of", spy)
    shop = Shop()
    payment = Buyer(shop, "millicent").pay()
    shop.get(payment.header)
    assert payment.payload["sig"] not in repr(seen[0])
    assert payment.payload["scrip"]["cert"] not in repr(seen[0])
    assert "mc:" in repr(seen[0])


@pytest.mark.parametrize(
    "name",
    [b"cdn-cache-control", b"surrogate-control", b"expires", b"x-accel-expires", b"pragma"],
)
def test_no_shared_cache_is_told_to_keep_a_page(name: bytes) -> None:
    told = msgspec.structs.replace(PAGE, headers=(*PAGE.headers, (name, b"max-age=3600")))
    assert name not in dict(passed_on(told).headers)
