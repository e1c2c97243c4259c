import msgspec
import pytest

from farthing.errors import (
    Malformed,
    Misconfigured,
    OtherNetwork,
    OutOfRange,
    Refusal,
    Unsupported,
)
from farthing.schemes.contract import Offer
from farthing.wire.shapes import (
    DESCRIPTION_BYTES_MAX,
    EXTERNAL_ID_BYTES_MAX,
    Stated,
    currency_of,
    digest_of,
    digest_text,
    offer_of,
    require_short,
    variant_of,
)
from tests.unit.wire.examples import OFFER

STATED = Stated(
    broker="https://broker.example",
    decimals=6,
    display_currency="EUR",
    settlement="deferred",
    redeem_by_s=1_795_305_600,
    terms={"unitMicro": 100, "maxSteps": 1000},
)


def spelled(
    stated: Stated = STATED,
    *,
    wire: str = "payword",
    amount: str = "200",
    asset: str = "microeur",
    network: str = "farthing:demo-broker",
) -> Offer:
    return offer_of(
        stated,
        wire=wire,
        intent="charge",
        amount=amount,
        asset=asset,
        recipient="vendor-7",
        network=network,
        description="Article 1093, 0.02 cent",
        external_id="art-1093",
    )


def test_worked_example_is_the_offer() -> None:
    assert spelled() == OFFER


def test_asset_is_read_in_any_case() -> None:
    assert spelled(asset="MicroEUR") == OFFER


@pytest.mark.parametrize(
    ("changed", "kind", "code"),
    [
        ({"wire": "tempo"}, Unsupported, "method_unsupported"),
        ({"network": "eip155:8453"}, OtherNetwork, "network_unsupported"),
        ({"network": "farthing:a b"}, OutOfRange, "broker_id_malformed"),
        ({"asset": "eur"}, Unsupported, "asset_unsupported"),
        ({"asset": "microeuro"}, OutOfRange, "currency_malformed"),
        ({"amount": "0200"}, OutOfRange, "amount_unreadable"),
        ({"amount": "-1"}, OutOfRange, "amount_unreadable"),
        ({"amount": "2e2"}, OutOfRange, "amount_unreadable"),
        ({"amount": str(2**53)}, OutOfRange, "amount_out_of_range"),
    ],
)
def test_offer_that_is_not_ours_is_refused(
    changed: dict[str, str], kind: type[Refusal], code: str
) -> None:
    with pytest.raises(kind, match=code):
        spelled(**changed)  # type: ignore[arg-type]  # mypy takes it for the struct as well


def test_other_decimals_are_refused() -> None:
    with pytest.raises(Unsupported, match="asset_unsupported"):
        spelled(msgspec.structs.replace(STATED, decimals=2))


def test_largest_amount_and_free_offers_are_read() -> None:
    assert spelled(amount=str(2**53 - 1)).price_micro == 2**53 - 1
    assert spelled(amount="0").price_micro == 0


def test_limits_count_utf8_bytes() -> None:
    for name, limit in (
        ("description", DESCRIPTION_BYTES_MAX),
        ("external_id", EXTERNAL_ID_BYTES_MAX),
    ):
        require_short(msgspec.structs.replace(OFFER, **{name: "é" * (limit // 2)}))
        with pytest.raises(Misconfigured, match=f"{name}_too_long"):
            require_short(msgspec.structs.replace(OFFER, **{name: "é" * (limit // 2) + "x"}))


def test_currency_without_its_label_is_refused() -> None:
    assert currency_of("microusd") == "usd"
    with pytest.raises(Unsupported, match="asset_unsupported"):
        currency_of("usd")


@pytest.mark.parametrize("text", ["sha-256=:", "sha-256=::", "sha-256=:AAAA:", "md5=:AAAA:"])
def test_digest_is_all_of_a_sha_256(text: str) -> None:
    with pytest.raises(Malformed):
        digest_of(text)
    assert digest_of(digest_text(bytes(32))) == bytes(32)


@pytest.mark.parametrize("terms", [None, [], {}, {"variant": 2}, "variant"])
def test_terms_without_a_variant_have_the_empty_one(terms: object) -> None:
    assert variant_of(terms) == ""


def test_variant_comes_out_of_the_terms() -> None:
    assert variant_of({"variant": "mr2"}) == "mr2"
