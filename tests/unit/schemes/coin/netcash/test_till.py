"""The vendor: a coin of the price, in its own window, for this request."""

import pytest

from farthing import codec
from farthing.crypto import signing
from farthing.errors import (
    Expired,
    Forged,
    Malformed,
    OutOfRange,
    Refusal,
    Replayed,
    Unavailable,
    Underpaid,
    Unsupported,
    WrongVendor,
)
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes.coin.netcash import NETCASH
from farthing.schemes.coin.netcash.coin import SKEW_S
from farthing.schemes.contract import Charged
from farthing.schemes.proofs import write_proof
from tests.kit.flips import bit_flips
from tests.kit.netcash import PRICE_MICRO, Scene, coin_of, held_of
from tests.kit.parties import TARGET, VENDOR, Ring, Vendor


def test_a_vendor_sells_off_line_and_is_paid_by_the_sweep() -> None:
    scene = Scene()
    bound = scene.bound()
    before = scene.broker.snapshot()
    _, served = scene.pay(bound)
    assert scene.broker.snapshot() == before
    assert (served.taken.value_micro, served.taken.moment) == (PRICE_MICRO, "batch")
    assert scene.clear() == PRICE_MICRO == scene.micro("vendor", VENDOR)


def test_a_coin_pays_once() -> None:
    scene = Scene()
    bound = scene.bound()
    paid, _ = scene.pay(bound)
    with pytest.raises(Replayed):
        scene.vendor.serve(paid.payload, scene.vendor.offer(PRICE_MICRO))
    assert len(scene.vendor.claims()) == 1


def test_an_overheard_payment_buys_no_other_page() -> None:
    scene = Scene()
    offer = scene.vendor.offer(PRICE_MICRO)
    paid = scene.payer.pay(scene.bound(), offer)
    with pytest.raises(Forged, match="signature_wrong"):
        scene.vendor.serve(paid.payload, offer, target="GET /articles/2")
    scene.vendor.serve(paid.payload, offer, target=TARGET)


def test_a_coin_is_worth_nothing_at_another_vendor() -> None:
    scene = Scene()
    offer = scene.vendor.offer(PRICE_MICRO)
    paid = scene.payer.pay(scene.bound(), offer)
    with pytest.raises(WrongVendor):
        scene.other.serve(paid.payload, scene.other.offer(PRICE_MICRO))


@pytest.mark.parametrize(
    ("price_micro", "kind"), [(PRICE_MICRO + 1, Underpaid), (PRICE_MICRO - 1, OutOfRange)]
)
def test_a_coin_is_of_the_price(price_micro: int, kind: type[Refusal]) -> None:
    scene = Scene()
    paid = scene.payer.pay(scene.bound(), scene.vendor.offer(PRICE_MICRO))
    with pytest.raises(kind):
        scene.vendor.serve(paid.payload, scene.vendor.offer(price_micro))


def test_a_coin_pays_until_its_hour_is_over_and_the_skew() -> None:
    scene = Scene()
    bound = scene.bound()
    offer = scene.vendor.offer(PRICE_MICRO)
    paid = scene.payer.pay(bound, offer)
    scene.clock.now_s = coin_of(bound).pays_until_s + SKEW_S + 1
    with pytest.raises(Expired, match="coin_window_over"):
        scene.vendor.serve(paid.payload, offer)
    scene.clock.now_s -= 1
    scene.vendor.serve(paid.payload, offer)
    assert scene.clear() == PRICE_MICRO


def test_a_vendor_without_the_brokers_key_asks_for_it() -> None:
    scene = Scene()
    vendor = Vendor(NETCASH, Ring(), scene.clock)
    paid = scene.payer.pay(scene.bound(), vendor.offer(PRICE_MICRO))
    with pytest.raises(Unavailable, match="coin_key_unknown"):
        vendor.serve(paid.payload, vendor.offer(PRICE_MICRO))


def test_no_bit_of_a_payment_can_be_turned() -> None:
    scene = Scene()
    offer = scene.vendor.offer(PRICE_MICRO)
    paid = scene.payer.pay(scene.bound(), offer)
    before = scene.vendor.snapshot()
    for flipped in bit_flips(codec.canonical(paid.payload)):
        with pytest.raises(Refusal):
            scene.vendor.serve(flipped, offer)
    assert scene.vendor.snapshot() == before
    scene.vendor.serve(paid.payload, offer)


@pytest.mark.parametrize("price_micro", [0, PAYMENT_MICRO_MAX + 1])
def test_a_price_that_no_coin_has_is_not_offered(price_micro: int) -> None:
    with pytest.raises(OutOfRange):
        Scene(0).vendor.offer(price_micro)


def test_the_payers_key_asks_for_the_outcome_and_nobody_elses() -> None:
    scene = Scene()
    bound = scene.bound()
    till, owner = scene.vendor.till, coin_of(bound).public
    till.verify_owner(owner, b"said", scene.purse.prove(bound, b"said"))
    with pytest.raises(Forged):
        till.verify_owner(owner, b"other", scene.purse.prove(bound, b"said"))
    with pytest.raises(Malformed):
        till.verify_owner(owner, b"said", "mac:AAAA")
    secret = codec.unb64u(held_of(bound).secret)
    till.verify_owner(owner, b"said", write_proof("ed25519", signing.sign(secret, b"said")))


def test_a_coin_that_was_claimed_is_not_given_back() -> None:
    scene = Scene()
    _, served = scene.pay(scene.bound())
    taken = served.taken
    charged = Charged(
        reference=taken.reference, payer=taken.payer, value_micro=taken.value_micro, kept=b""
    )
    with pytest.raises(Unsupported):
        scene.vendor.till.refund_series(charged)
