"""Reduced prices and requirements: the first that a payer has decides, and terms are checked."""

from typing import Any

import msgspec
import pytest

from farthing.errors import Denied, Forged, Malformed, OutOfRange, Underpaid, Unfit
from farthing.schemes import conditions
from farthing.schemes.contract import Json, Need, Offer
from tests.kit.millicent import Scene, held

PLAIN = Offer(
    scheme="millicent",
    price_micro=200,
    currency="eur",
    vendor_id="news",
    broker_id="b",
    broker_url="http://127.0.0.1:1",
    settlement="final",
)


def with_terms(**terms: Any) -> Offer:
    return msgspec.structs.replace(PLAIN, terms=terms)


REDUCED = with_terms(
    **conditions.terms_of([("age=18;student=true", 50), ("student=true", 100)], "country=fr")
)


def test_terms_say_nothing_where_there_is_nothing() -> None:
    assert conditions.terms_of([], "") == {}
    assert conditions.due_micro(PLAIN, "student=true") == conditions.least_micro(PLAIN) == 200
    assert conditions.keys_of(PLAIN) == ()
    conditions.require_eligible(PLAIN, "")


@pytest.mark.parametrize(
    ("has", "due_micro"),
    [("", 200), ("student=true", 100), ("age=18;student=true", 50), ("age=18", 200),
     ("student=false", 200), ("age=18;country=fr;student=true", 50)],
)  # fmt: skip  # - one table
def test_the_first_reduction_that_fits_decides(has: str, due_micro: int) -> None:
    assert conditions.due_micro(REDUCED, has) == due_micro


def test_the_least_price_and_the_names_are_known_beforehand() -> None:
    assert conditions.least_micro(REDUCED) == 50
    assert conditions.keys_of(REDUCED) == ("age", "country", "student")


def test_who_lacks_a_required_property_is_denied() -> None:
    conditions.require_eligible(REDUCED, "country=fr")
    with pytest.raises(Denied, match="property_missing"):
        conditions.require_eligible(REDUCED, "country=de;student=true")


@pytest.mark.parametrize(
    "reduced",
    [["student=true"], [["student=true", "200"]], [["student=true", "0"]], [["", "100"]],
     [["student=true", "100", "1"]], [[1, "100"]], "student=true", 5, {"student=true": "100"}],
)  # fmt: skip  # - one list
def test_reductions_that_are_none_are_malformed(reduced: Any) -> None:
    with pytest.raises((Malformed, Unfit)):
        conditions.due_micro(with_terms(reduced=reduced), "")


# --- with a scheme that shows properties ----------------------------------------------------------


def conditional(scene: Scene, **terms: Json) -> Offer:
    """A page at 200, with conditions."""
    offer = scene.vendor.offer(200)
    return msgspec.structs.replace(offer, terms=offer.terms | terms)


@pytest.mark.parametrize(
    ("vouched", "due_micro"), [("age=30;student=true", 50), ("student=no", 200), ("", 200)]
)
def test_who_has_the_properties_pays_the_reduced_price(vouched: str, due_micro: int) -> None:
    scene = Scene(props=vouched)
    offer = conditional(scene, reduced=[["student=true", "50"]])
    piece = scene.buy_for(offer)
    assert "age" not in held(piece).scrip.props, "only what the offer names is revealed"
    paid = scene.payer.pay(piece, offer)
    assert paid.price_micro == due_micro
    left = scene.payer.conclude(paid, scene.vendor.serve(paid.payload, offer))
    assert left is not None
    assert left.worth_micro == 1000 - due_micro
    assert held(left).scrip.props == held(piece).scrip.props
    assert scene.clear() == due_micro
    scene.audit()


def test_who_lacks_a_required_property_is_denied_and_keeps_the_scrip() -> None:
    scene = Scene(props="country=de")
    offer = conditional(scene, requires="country=fr")
    piece = scene.buy_for(offer)
    before = scene.vendor.snapshot()
    with pytest.raises(Denied, match="property_missing"):
        scene.vendor.serve(scene.payer.pay(piece, offer).payload, offer)
    assert scene.vendor.snapshot() == before
    assert scene.payer.spend(scene.vendor, piece, 200) is not None


def test_a_reduced_payment_of_who_has_no_reduction_is_forged_or_underpaid() -> None:
    """Properties are under the certificate: nobody writes them in."""
    scene = Scene()
    offer = conditional(scene, reduced=[["student=true", "50"]])
    piece = scene.buy_for(offer, 50)
    with pytest.raises(OutOfRange, match="scrip_below_price"):
        scene.payer.pay(piece, offer)
    plain = scene.payer.pay(piece, scene.vendor.offer(50)).payload
    with pytest.raises(Underpaid):
        scene.vendor.serve(plain, offer)
    with pytest.raises(Forged):
        scene.vendor.serve(plain | {"scrip": plain["scrip"] | {"props": "student=true"}}, offer)


def test_a_broker_that_tells_more_than_was_asked_is_caught() -> None:
    scene = Scene(props="age=30;student=true")
    need = Need(amount_micro=1000, currency="eur", vendor_id="news")
    asked = scene.payer.purse.ask(need, scene.clock.at())
    sold = scene.broker.run("issue", asked.message | {"reveal": "age;student"}, scene.payer.account)
    with pytest.raises(Forged, match="scrip_not_as_ordered"):
        scene.payer.purse.receive(asked, sold.answer, scene.clock.at())


def test_a_reduced_price_may_be_a_single_micro_unit_and_names_what_it_is_for() -> None:
    assert conditions.least_micro(with_terms(reduced=[["student=true", "1"]])) == 1
    for wanted in ("student", "b=1;a=1"):
        with pytest.raises(Malformed):
            conditions.least_micro(with_terms(reduced=[[wanted, "100"]]))
