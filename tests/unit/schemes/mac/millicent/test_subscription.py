"""Subscriptions in scrip: bought with change, shown for nothing, ended by time."""

import msgspec
import pytest

from farthing import codec, props
from farthing.errors import (
    Denied,
    Expired,
    Forged,
    OutOfRange,
    Refusal,
    Underpaid,
    Unsupported,
    WrongPayer,
)
from farthing.marks import NOTHING
from farthing.schemes import subscriptions
from farthing.schemes.contract import Accepted, At, Instrument, Json, Offer, Paid
from farthing.schemes.mac.millicent import subscription
from farthing.schemes.mac.millicent.scrip import LICENSED_SERIES, SKEW_S, fresh_expiry_s, mint_scrip
from farthing.schemes.subscriptions import PLAN_PREFIX, Plan
from tests.kit.flips import bit_flips
from tests.kit.millicent import Scene, held
from tests.kit.parties import DAY_S, NOW_S, binding_of

MONTH = Plan(plan="month", days=30)
PLAN_MICRO = 9_000
PAGE_MICRO = 200


def selling(scene: Scene, price_micro: int = PLAN_MICRO) -> Offer:
    offer = scene.vendor.offer(price_micro)
    terms = subscriptions.terms_of(("month",), MONTH)
    return msgspec.structs.replace(offer, terms=offer.terms | terms)


def covered(scene: Scene, *plans: str) -> Offer:
    offer = scene.vendor.offer(PAGE_MICRO)
    terms = subscriptions.terms_of(plans or ("month",), None)
    return msgspec.structs.replace(offer, terms=offer.terms | terms)


def subscribed(scene: Scene, value_micro: int = 10_000) -> Instrument:
    piece, offer = scene.buy(value_micro), selling(scene)
    paid = scene.payer.pay(piece, offer)
    left = scene.payer.conclude(paid, scene.vendor.serve(paid.payload, offer))
    assert left is not None
    return left


def shown(scene: Scene, piece: Instrument) -> Paid:
    paid = scene.payer.pay(piece, covered(scene))
    assert paid.price_micro == 0
    return paid


def test_the_change_of_the_page_carries_the_plan() -> None:
    scene = Scene(props="student=true")
    left = subscribed(scene)
    scrip = held(left).scrip
    assert left.id.startswith(PLAN_PREFIX)
    assert left.worth_micro == 10_000 - PLAN_MICRO
    assert subscription.of(scrip) == ("month", NOW_S + 30 * DAY_S)
    assert scrip.expires_at_s >= NOW_S + 30 * DAY_S
    assert scene.clear() == PLAN_MICRO
    scene.audit()


def test_a_plan_bought_with_old_scrip_lives_as_long_as_it_says() -> None:
    scene = Scene()
    piece = scene.buy(10_000)
    scene.clock.now_s += 20 * DAY_S
    offer = selling(scene)
    paid = scene.payer.pay(piece, offer)
    left = scene.payer.conclude(paid, scene.vendor.serve(paid.payload, offer))
    assert left is not None
    assert left.expires_at_s == fresh_expiry_s(scene.clock.now_s) > piece.expires_at_s
    assert scene.clear() == PLAN_MICRO
    scene.clock.now_s += 30 * DAY_S + 1
    assert left.worth_micro == 1_000
    scene.cash_out(left)
    scene.audit()


def test_pages_of_the_plan_cost_nothing_and_use_nothing_up() -> None:
    scene = Scene()
    piece = subscribed(scene)
    scene.clear()
    before = len(scene.vendor.claims())
    for _ in range(20):
        paid = shown(scene, piece)
        served = scene.vendor.serve(paid.payload, covered(scene))
        assert served.taken.value_micro == 0
        assert served.change is None
        assert scene.payer.conclude(paid, served) == piece
    assert len(scene.vendor.claims()) == before
    scene.audit()


def test_a_request_that_was_seen_is_good_for_nobody_else() -> None:
    scene = Scene()
    paid = shown(scene, subscribed(scene))
    scene.vendor.serve(paid.payload, covered(scene))
    with pytest.raises(Refusal, match="already"):
        scene.vendor.serve(paid.payload, covered(scene))
    with pytest.raises(Forged, match="request_signature_wrong"):
        scene.vendor.serve(paid.payload, covered(scene), target="GET /articles/2")


def test_nobody_makes_a_charge_out_of_a_page_that_was_free() -> None:
    scene = Scene()
    paid = shown(scene, subscribed(scene, 20_000))
    charged = {name: value for name, value in paid.payload.items() if name != "plan"}
    with pytest.raises(Forged, match="request_signature_wrong"):
        scene.vendor.serve(charged, covered(scene))
    with pytest.raises(Forged, match="request_signature_wrong"):
        scene.vendor.serve(paid.payload | {"plan": "week"}, covered(scene))


def test_no_flipped_bit_opens_a_page() -> None:
    scene = Scene()
    paid = shown(scene, subscribed(scene))
    before = scene.vendor.snapshot()
    raw = codec.canonical(paid.payload)
    for flipped in bit_flips(raw):
        with pytest.raises(Refusal):
            scene.vendor.serve(flipped, covered(scene))
    assert scene.vendor.snapshot() == before


@pytest.mark.parametrize("plans", [("week",), ("month2", "mont")])
def test_a_page_of_another_plan_is_denied(plans: tuple[str, ...]) -> None:
    scene = Scene()
    piece = subscribed(scene)
    with pytest.raises(OutOfRange, match="scrip_kept_for_plan"):
        scene.payer.pay(piece, covered(scene, *plans))
    with pytest.raises(Denied, match="subscription_not_for_this"):
        scene.vendor.serve(shown(scene, piece).payload, covered(scene, *plans))


def test_an_ended_subscription_is_refused_by_name_and_its_rest_is_scrip() -> None:
    scene = Scene()
    piece = subscribed(scene)
    paid = shown(scene, piece)
    scene.clock.now_s = NOW_S + 30 * DAY_S + SKEW_S + 1
    with pytest.raises(Expired, match="subscription_ended"):
        scene.vendor.serve(paid.payload, covered(scene))
    scene.clock.now_s = NOW_S + 30 * DAY_S
    offer = covered(scene)
    paid = scene.payer.pay(piece, offer)
    assert paid.price_micro == PAGE_MICRO
    left = scene.payer.conclude(paid, scene.vendor.serve(paid.payload, offer))
    assert left is not None
    assert left.worth_micro == piece.worth_micro - PAGE_MICRO
    assert scene.clear() == PLAN_MICRO + PAGE_MICRO
    scene.audit()


def test_scrip_is_not_given_back_while_its_plan_runs() -> None:
    scene = Scene()
    piece = subscribed(scene)
    with pytest.raises(Denied, match="subscription_runs"):
        scene.payer.purse.give_back(piece, scene.clock.at())
    scene.clock.now_s = NOW_S + 30 * DAY_S
    scene.clear()
    scene.cash_out(piece)
    scene.audit()


def test_what_is_worth_no_more_than_the_plan_does_not_buy_it() -> None:
    scene = Scene()
    piece, offer = scene.buy(PLAN_MICRO), selling(scene)
    with pytest.raises(OutOfRange, match="scrip_without_change"):
        scene.payer.pay(piece, offer)
    plain = scene.payer.pay(piece, scene.vendor.offer(PLAN_MICRO))
    before = scene.vendor.snapshot()
    with pytest.raises(Underpaid, match="subscription_needs_change"):
        scene.vendor.serve(plain.payload, offer)
    assert scene.vendor.snapshot() == before


def test_a_running_plan_is_not_paid_for_twice() -> None:
    scene = Scene()
    piece = subscribed(scene, 30_000)
    assert scene.payer.pay(piece, selling(scene)).price_micro == 0
    other = scene.vendor.offer(PLAN_MICRO)
    with pytest.raises(OutOfRange, match="scrip_kept_for_plan"):
        scene.payer.pay(piece, other)
    with pytest.raises(Denied, match="subscription_runs"):
        subscription.begun(held(piece).scrip, MONTH, NOW_S)


def test_a_broker_sells_no_subscriptions_of_the_vendors() -> None:
    scene = Scene()
    secret = held(scene.buy(1_000))
    series = scene.vendor.ring.current(LICENSED_SERIES)
    text = f"sub=month;until={NOW_S + DAY_S}"
    fields = msgspec.structs.asdict(secret.scrip) | {"props": text}
    del fields["cert"]
    forged = msgspec.structs.replace(secret, scrip=mint_scrip(series.secret, **fields))
    for offer in (covered(scene), scene.vendor.offer(PAGE_MICRO)):
        payload: Json = subscription.payload(
            forged.scrip,
            codec.unb64u(forged.secret),
            covered(scene),
            binding_of(),
            scene.clock.at(),
        )
        with pytest.raises(Forged, match="subscription_not_ours"):
            scene.vendor.serve(payload, offer)


@pytest.mark.parametrize("changed", ["plan", "until", "expiry", "none"])
def test_a_wallet_takes_no_change_without_the_plan_that_it_bought(changed: str) -> None:
    scene = Scene()
    piece, offer = scene.buy(10_000), selling(scene)
    paid = scene.payer.pay(piece, offer)
    change = dict(scene.vendor.serve(paid.payload, offer).change)
    read = dict(props.read(change["props"]))
    if changed == "plan":
        change["props"] = props.write(read | {"sub": "day"})
    elif changed == "until":
        change["props"] = props.write(read | {"until": str(NOW_S + DAY_S)})
    elif changed == "expiry":
        change["expiresS"] = NOW_S + DAY_S
    else:
        del change["props"]
    with pytest.raises(Forged):
        scene.payer.purse.conclude(
            paid, Accepted(change=change, issued_at_s=NOW_S), scene.clock.at()
        )


@pytest.mark.parametrize("ahead_s", [-DAY_S, DAY_S])
def test_a_plan_is_as_long_as_it_is_whatever_the_payers_clock_shows(ahead_s: int) -> None:
    scene = Scene()
    piece, offer = scene.buy(10_000), selling(scene)
    payer, vendor = scene.payer, scene.vendor
    wrong = At(now_s=NOW_S + ahead_s, entropy=bytes(512))
    paid = payer.purse.pay(piece, offer, binding_of(), wrong)
    assert isinstance(paid, Paid)
    accepted = Accepted(change=vendor.serve(paid.payload, offer).change, issued_at_s=NOW_S)
    (change,) = payer.purse.conclude(paid, accepted, wrong).instruments
    assert change.worth_micro == 10_000 - PLAN_MICRO


def test_in_clear_nothing_is_subscribed_to() -> None:
    scene, clear = Scene(), Scene(protocol="clear")
    assert scene.vendor.till.subscribes
    assert not clear.vendor.till.subscribes
    paid = shown(scene, subscribed(scene))
    with pytest.raises(Unsupported, match="plan_needs_signature"):
        clear.vendor.serve(paid.payload, covered(clear))
    with pytest.raises(Unsupported, match="plan_needs_signature"):
        scene.payer.pay(subscribed(scene), covered(clear))


def test_required_properties_are_required_of_subscribers_too() -> None:
    scene = Scene()
    piece, offer = subscribed(scene), covered(scene)
    strict = msgspec.structs.replace(offer, terms=offer.terms | {"requires": "student=true"})
    with pytest.raises(Denied, match="property_missing"):
        scene.payer.pay(piece, strict)
    with pytest.raises(Denied, match="property_missing"):
        scene.vendor.serve(shown(scene, piece).payload, strict)


def test_a_plan_pays_until_its_last_second_and_the_skew_of_clocks() -> None:
    scene = Scene()
    piece = subscribed(scene)
    offer, payload = covered(scene), shown(scene, piece).payload
    scene.clock.now_s = NOW_S + 30 * DAY_S + SKEW_S
    scene.vendor.serve(payload, offer)
    scene.clock.now_s += 1
    with pytest.raises(Expired, match="subscription_ended"):
        scene.vendor.serve(payload, offer)


def test_a_plan_shown_is_remembered_for_as_long_as_it_would_be_taken() -> None:
    scrip = held(subscribed(Scene())).scrip
    mark = subscription.mark_of(scrip, codec.b64u(bytes(subscription.NONCE_BYTES)), NOW_S)
    assert mark.until_s > NOW_S + SKEW_S


def test_a_plan_is_its_name_with_its_end() -> None:
    scrip = held(subscribed(Scene())).scrip
    for partly in ("sub=month", "until=9", "sub=month;until=soon", ""):
        assert subscription.of(msgspec.structs.replace(scrip, props=partly)) is None


def test_scrip_without_a_plan_pays_for_no_page_of_one() -> None:
    scene = Scene()
    offer = covered(scene)
    paid = shown(scene, subscribed(scene)).payload
    plain = msgspec.to_builtins(held(scene.buy()).scrip)
    with pytest.raises(Denied, match="subscription_missing"):
        subscription.require_covered(held(scene.buy()).scrip, "month", offer, NOW_S)
    with pytest.raises(Denied, match="subscription_missing"):
        subscription.require_covered(held(subscribed(scene)).scrip, "week", offer, NOW_S)
    with pytest.raises(Refusal):
        scene.vendor.serve(paid | {"scrip": plain}, offer)


def test_in_private_a_plan_is_shown_by_its_owner_without_a_signature() -> None:
    scene = Scene(protocol="private")
    piece, offer = subscribed(scene), covered(scene)
    owner = bytes.fromhex(held(piece).scrip.payer)
    sealed = msgspec.structs.replace(binding_of(), dialect="private", owner=owner)
    paid = scene.payer.purse.pay(piece, offer, sealed, scene.clock.at())
    assert isinstance(paid, Paid)
    assert "sig" not in paid.payload
    till = scene.vendor.till
    payment = till.read(codec.canonical(paid.payload))
    assert till.take(payment, offer, sealed, NOTHING, scene.clock.at()).value_micro == 0
    other = msgspec.structs.replace(sealed, owner=bytes(8))
    with pytest.raises(WrongPayer, match="scrip_of_another_payer"):
        till.take(payment, offer, other, NOTHING, scene.clock.at())
