"""Keys and prices as a vendor publishes them, and as a wallet believes them."""

from typing import Any

import msgspec
import pytest

from farthing import codec
from farthing.crypto import signing
from farthing.errors import Forged, Malformed, OutOfRange, Refusal
from farthing.wire.published import (
    KEYS_TAG,
    PRICES_TAG,
    RECEIPT_PURPOSE,
    ROUTES_MAX,
    Listed,
    PriceList,
    read_keys,
    read_prices,
    sign,
)
from tests.kit.canaries import canary
from tests.kit.flips import bit_flips

SECRET = canary("receipt")
PUBLIC = signing.public_of(SECRET)
LIST = PriceList(
    vendor="news",
    broker="test-broker",
    currency="eur",
    free=("/about",),
    private=("millicent",),
    routes=(
        Listed(path="/articles/*", methods=("GET", "HEAD"), amount="200", accept=("millicent",)),
        Listed(path="/**", methods=("*",), amount="9", accept=("payword",), description="rest"),
    ),
)


def signed(document: object, tag: str = PRICES_TAG, secret: bytes = SECRET) -> bytes:
    return codec.canonical(sign(tag, document, lambda body: signing.sign(secret, body)))


def test_a_price_list_is_read_as_it_was_written() -> None:
    assert read_prices(signed(LIST), (PUBLIC,)) == LIST
    assert read_prices(signed(LIST), (signing.public_of(canary("old")), PUBLIC)) == LIST


def test_what_a_later_version_adds_is_signed_too() -> None:
    later: dict[str, Any] = msgspec.to_builtins(LIST) | {"updated": 5}
    assert read_prices(signed(later), (PUBLIC,)) == LIST
    with pytest.raises(Forged, match="price_list_forged"):
        read_prices(signed(later).replace(b'"updated":5', b'"updated":6'), (PUBLIC,))


def test_nobody_else_can_have_written_it() -> None:
    for raw in (signed(LIST, KEYS_TAG), signed(LIST, secret=canary("other"))):
        with pytest.raises(Forged, match="price_list_forged"):
            read_prices(raw, (PUBLIC,))
    with pytest.raises(Forged, match="price_list_forged"):
        read_prices(signed(LIST), ())
    with pytest.raises(Forged, match="price_list_forged"):
        read_prices(codec.canonical(LIST), (PUBLIC,))


def test_no_bit_of_it_can_be_turned() -> None:
    raw = signed(LIST)
    for flipped in bit_flips(raw):
        try:
            assert read_prices(flipped, (PUBLIC,)) == LIST  # a space where another may stand
        except Refusal as refused:
            assert isinstance(refused, Forged | Malformed)  # noqa: PT017 - one of both
        else:
            assert msgspec.json.decode(flipped) == msgspec.json.decode(raw)


def test_a_list_that_is_too_long_is_none() -> None:
    many = msgspec.structs.replace(LIST, routes=LIST.routes[:1] * (ROUTES_MAX + 1))
    with pytest.raises(Malformed, match="price_list_too_long"):
        read_prices(signed(many), (PUBLIC,))


@pytest.mark.parametrize(
    ("method", "path", "amount"),
    [
        ("GET", "/articles/1", "200"),
        ("POST", "/articles/1", "9"),
        ("OPTIONS", "/articles/1", None),
        ("GET", "/about", None),
        ("GET", "/x/../about", "9"),
    ],
)
def test_a_request_finds_its_price(method: str, path: str, amount: str | None) -> None:
    found = LIST.find(method, path)
    assert (found.amount if found is not None else None) == amount


def test_a_price_that_is_none_and_a_glob_that_is_too_wide_are_refused() -> None:
    wrong = Listed(path="/**a**b**", methods=("*",), amount="-1", accept=())
    with pytest.raises(OutOfRange):
        _ = wrong.price_micro
    with pytest.raises(OutOfRange, match="glob_too_wide"):
        msgspec.structs.replace(LIST, routes=(wrong,)).find("GET", "/a")


def test_keys_are_those_of_receipts() -> None:
    keys = [
        {"purpose": RECEIPT_PURPOSE, "id": "2", "ed25519": codec.b64u(PUBLIC)},
        {"purpose": "farthing/other/1", "id": "1", "ed25519": "AA"},
    ]
    document = {"vendor": "news", "broker": "test-broker", "keys": keys}
    assert read_keys(signed(document, KEYS_TAG)) == ("news", (PUBLIC,))
    keys[0]["ed25519"] = "AA"
    with pytest.raises(Malformed):
        read_keys(signed(document, KEYS_TAG))
