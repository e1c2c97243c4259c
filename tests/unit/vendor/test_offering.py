"""What a gate offers, what it may promise, and how it says no."""

import re
from typing import Any

import msgspec
import pytest

from farthing import codec, errors
from farthing.errors import Misconfigured, OutOfRange, Refusal, row_of
from farthing.schemes.contract import Dialect, Json
from farthing.vendor.gate import Gate
from farthing.vendor.offering import URL_CHARS_MAX, Offering, setting_for
from farthing.vendor.prices import Priced, Route
from farthing.vendor.reserving import ORIGIN_TIMEOUT_S_MAX
from farthing.wire.offers import CHALLENGE_LIFE_S
from tests.kit.parties import VENDOR, setting_of
from tests.kit.shop import (
    DIALECTS,
    HOST,
    PATH,
    PRICE_MICRO,
    ROUTE,
    SCHEMES,
    Buyer,
    Shop,
    asking,
    code_of,
    gate_ring,
    received_in,
    value_of,
)

every_scheme = pytest.mark.parametrize("scheme", SCHEMES)
every_dialect = pytest.mark.parametrize("dialect", DIALECTS)
REFUSALS = [kind for kind in errors.classes() if kind is not errors.Unpaid]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_scheme_of_the_route_is_offered_in_its_order(dialect: Dialect) -> None:
    shop = Shop(ROUTE + 'description = "Article 1"\nexternal_id = "art-1"')
    offers = [received.offer for received in received_in(shop.get(), dialect)]
    assert [offer.scheme for offer in offers] == list(SCHEMES)
    for offer in offers:
        assert (offer.price_micro, offer.vendor_id) == (PRICE_MICRO, VENDOR)
        assert (offer.description, offer.external_id) == ("Article 1", "art-1")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_offer_is_for_one_request(dialect: Dialect) -> None:
    received = received_in(Shop().get(), dialect)[0]
    assert received.target == f"GET {PATH}"
    assert received.realm == HOST


def test_two_challenges_never_collide() -> None:
    shop = Shop()
    ids = [received.echo["id"] for _ in range(20) for received in received_in(shop.get(), "mpp")]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("length", [URL_CHARS_MAX, 4000, 20_000])
def test_a_url_that_is_too_long_to_show_is_cut(length: int) -> None:
    shop = Shop(ROUTE.replace("/articles/*", "/**"))
    for path in (PATH + "?" + "q" * length, "/" + "p" * length):
        assert received_in(shop.get(path=path), "x402")[0].realm == HOST


def test_a_login_of_the_sites_own_keeps_its_header() -> None:
    shop = Shop()
    plain = value_of(shop.get(), b"www-authenticate")
    beside = value_of(shop.get(("Authorization", "Basic eDp5")), b"www-authenticate")
    assert "header=" not in plain
    assert 'header="Payment-Authorization"' in beside


@pytest.mark.parametrize("kind", REFUSALS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_refusal_has_the_status_of_its_row(
    kind: type[Refusal],
    moved: bool,  # noqa: FBT001 - a row of a table
    dialect: Dialect,
) -> None:
    shop = Shop()
    header = ("PAYMENT-SIGNATURE", "x") if dialect == "x402" else ("Authorization", "Payment x")
    request, refusal = asking(header), kind("some_rule", "what to do")
    priced = shop.book.find("GET", PATH)
    answer = shop.gate.refuse(request, refusal, shop.clock.at(), priced=priced, value_moved=moved)
    row = row_of(refusal, value_moved=moved)
    assert answer.status == row.status
    assert code_of(answer) == "some_rule"
    assert bool(value_of(answer, b"www-authenticate")) == (row.status == 402)
    assert bool(value_of(answer, b"payment-response")) == (dialect == "x402")
    assert value_of(answer, b"retry-after") == (str(row.retry_after_s) if row.retry_after_s else "")
    assert value_of(answer, b"cache-control") == "no-store"
    assert not (moved and answer.status == 402)


def test_a_realm_that_no_host_can_be_is_refused_at_the_start() -> None:
    setting = setting_of(gate_ring(), vendor_id=VENDOR)
    for realm in ("a|b", "news example", "néws", "x" * 256):
        with pytest.raises(Misconfigured, match="realm_malformed"):
            Offering(setting, schemes=SCHEMES, realm=realm)


def priced(price_micro: int = 200, **changed: Any) -> Priced:
    """A route at this price; `changed` are fields of the route, `conditions` those beside it."""
    conditions = changed.pop("conditions", {})
    route = Route(path="/**", price=f"{price_micro}u", **changed)
    return Priced(
        route=route, price_micro=price_micro, accept=(), matches=re.compile(".*"), **conditions
    )


def test_a_price_that_a_scheme_cannot_express_is_out_of_range() -> None:
    gate = Shop().gate
    gate.verify_route("millicent", priced(250))
    gate.verify_route("payword", priced(200))
    with pytest.raises(OutOfRange):
        gate.verify_route("payword", priced(250))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_clears_at_any_moment(scheme: str) -> None:
    gate = Shop().gate
    for clearing in (None, "before", "during", "batch"):
        gate.verify_route(scheme, priced(clearing=clearing))


def test_a_scheme_that_is_never_settled_cannot_clear_before() -> None:
    gate = Shop().gate
    till: Any = gate.tills["payword"]
    till.traits = msgspec.structs.replace(till.traits, moments=("batch",))
    for clearing in ("before", "during"):
        with pytest.raises(Misconfigured, match="clearing_unsupported"):
            gate.verify_route("payword", priced(clearing=clearing))


def test_what_clears_before_is_held_and_its_site_answers_while_it_is_reserved() -> None:
    gate = Shop().gate
    with pytest.raises(Misconfigured, match="hold_needed"):
        gate.verify_route("millicent", priced(clearing="before", hold=False))
    slow = priced(clearing="before", origin_timeout_s=ORIGIN_TIMEOUT_S_MAX + 1)
    with pytest.raises(Misconfigured, match="origin_timeout_too_long"):
        gate.verify_route("millicent", slow)
    gate.verify_route("millicent", priced(origin_timeout_s=600))
    quick = priced(clearing="before", origin_timeout_s=ORIGIN_TIMEOUT_S_MAX)
    gate.verify_route("millicent", quick)


def test_a_till_of_which_one_payment_cannot_wait_is_held() -> None:
    gate = Shop().gate
    setting = msgspec.structs.replace(gate.setting, options={"netcard": {"auth": "online"}})
    strict = Gate(setting, schemes=["netcard"])
    with pytest.raises(Misconfigured, match="hold_needed"):
        strict.verify_route("netcard", priced(hold=False))
    strict.verify_route("netcard", priced())
    Gate(gate.setting, schemes=["netcard"]).verify_route("netcard", priced(hold=False))


def test_options_are_those_of_the_scheme() -> None:
    setting = setting_of(gate_ring(), vendor_id=VENDOR, payword={"unit_micro": 50})
    assert setting_for(setting, "payword").options == {"unit_micro": 50}
    assert setting_for(setting, "millicent").options == {}
    assert (
        Offering(setting, schemes=["payword"])
        .tills["payword"]
        .offer(50, Shop().clock.at())
        .terms["unitMicro"]
        == 50
    )


@pytest.mark.parametrize(
    ("scheme", "option"),
    [
        ("millicent", {"protocol": "open"}),
        ("millicent", {"protocol": 1}),
        ("millicent", {"protocoll": "signed"}),
        ("payword", {"protocol": "signed"}),
        ("payword", {"unit_micro": 0}),
    ],
)
def test_an_option_that_a_scheme_does_not_have_is_refused_by_name(
    scheme: str, option: dict[str, Json]
) -> None:
    with pytest.raises(Misconfigured) as refused:
        Offering(setting_of(gate_ring(), vendor_id=VENDOR, **{scheme: option}), schemes=SCHEMES)
    assert refused.value.facts["option"] == next(iter(option))


# --- prices that change -------------------------------------------------------------------------


@every_scheme
@every_dialect
@pytest.mark.parametrize("price", ["100u", "400u"])
def test_an_offer_stands_for_its_life_whatever_the_prices_say_by_then(
    scheme: str, dialect: Dialect, price: str
) -> None:
    shop = Shop()
    buyer = Buyer(shop, scheme)
    payment, other, late = (buyer.pay(dialect) for _ in range(3))
    shop.restart(prices=ROUTE.replace("200u", price))
    shop.clock.now_s += CHALLENGE_LIFE_S - 1
    answer = shop.get(payment.header)
    assert (answer.status, answer.charged_micro) == (200, PRICE_MICRO)
    shop.restart(prices=ROUTE.replace("200u", "300u"))
    assert shop.get(other.header).charged_micro == PRICE_MICRO, "after two changes as well"
    shop.clock.now_s += 1
    over = shop.get(late.header)
    assert (over.status, code_of(over)) == (402, "challenge_expired")
    assert received_in(over, dialect)[0].offer.price_micro == 300
    assert shop.earned_micro() == 2 * PRICE_MICRO


def test_an_offer_that_the_gate_still_makes_needs_no_seal() -> None:
    """A first request may come with a payment, and no 402 before it."""
    shop = Shop()
    payment = Buyer(shop, "millicent").pay("x402")
    message = codec.read_json(codec.unb64(payment.header[1]))
    assert isinstance(message, dict)
    del message["accepted"]["extra"]["seal"]
    unsealed = ("PAYMENT-SIGNATURE", codec.b64(codec.canonical(message)))
    shop.clock.now_s += CHALLENGE_LIFE_S + 1
    assert shop.get(unsealed).status == 200


def test_an_old_price_without_its_seal_is_not_offered_here() -> None:
    shop = Shop()
    payment = Buyer(shop, "millicent").pay("x402")
    shop.restart(prices=ROUTE.replace("200u", "400u"))
    message = codec.read_json(codec.unb64(payment.header[1]))
    assert isinstance(message, dict)
    for seal in ("", message["accepted"]["extra"]["seal"][:-1] + "A"):
        message["accepted"]["extra"]["seal"] = seal
        answer = shop.get(("PAYMENT-SIGNATURE", codec.b64(codec.canonical(message))))
        assert (answer.status, code_of(answer)) == (402, "no_matching_requirements")
    assert shop.earned_micro() == 0


@pytest.mark.parametrize("dialect", DIALECTS)
def test_conditions_stand_in_the_offers_of_schemes_that_show_properties(dialect: Dialect) -> None:
    reduced = '\n[[route.reduced]]\nprice = "100u"\nprops.student = true\n'
    offers = [found.offer for found in received_in(Shop(ROUTE + reduced).get(), dialect)]
    by_name = {offer.scheme: offer.terms for offer in offers}
    assert by_name["millicent"]["reduced"] == [["student=true", "100"]]
    assert "reduced" not in by_name["payword"]


def test_a_reduced_price_matters_to_schemes_that_show_properties() -> None:
    gate = Shop().gate
    for scheme, price_micro in (("millicent", 0), ("millicent", -1)):
        with pytest.raises(OutOfRange):
            gate.verify_route(
                scheme, priced(conditions={"reduced": (("student=true", price_micro),)})
            )
    gate.verify_route("payword", priced(conditions={"reduced": (("student=true", 150),)}))


def test_a_scheme_that_shows_no_properties_cannot_require_any() -> None:
    gate = Shop().gate
    for_some = priced(conditions={"requires": "country=fr"})
    gate.verify_route("millicent", for_some)
    with pytest.raises(OutOfRange, match="props_not_shown"):
        gate.verify_route("payword", for_some)
