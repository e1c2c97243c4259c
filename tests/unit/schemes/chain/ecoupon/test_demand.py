import msgspec
import pytest

from farthing.errors import Misconfigured, OutOfRange
from farthing.schemes.chain.ecoupon import ECOUPON
from farthing.schemes.chain.ecoupon.demand import DELAY_MAX, UNVERIFIED_MICRO_MAX
from farthing.schemes.contract import Json
from tests.kit.ecoupon import Scene, vendor_ring
from tests.kit.parties import Vendor, setting_of


def test_a_page_that_could_never_be_paid_is_not_offered() -> None:
    scene = Scene(authentication="tesla", unverified_micro_max=1_000)
    assert scene.vendor.offer(1_000).price_micro == 1_000
    with pytest.raises(OutOfRange, match="price_above_unverified_max"):
        scene.vendor.offer(1_000 + 100)
    Scene(unverified_micro_max=1_000).vendor.offer(1_000 + 100)


def test_two_cents_may_be_unproved_where_nothing_is_said() -> None:
    vendor = Scene(authentication="tesla").vendor
    assert vendor.offer(UNVERIFIED_MICRO_MAX).price_micro == UNVERIFIED_MICRO_MAX == 20_000
    with pytest.raises(OutOfRange, match="price_above_unverified_max"):
        vendor.offer(UNVERIFIED_MICRO_MAX + 100)


@pytest.mark.parametrize("theirs", ["mac", "tesla"])
def test_a_start_of_the_other_kind_is_refused(theirs: str) -> None:
    asking = Scene(authentication=theirs)
    other = Vendor(
        ECOUPON, vendor_ring(), asking.clock, authentication="mac" if theirs == "tesla" else "tesla"
    )
    payload = asking.payload(asking.open())
    with pytest.raises(OutOfRange, match="authentication_not_as_offered"):
        other.serve(payload, other.offer(100))


def test_a_start_with_other_times_is_refused() -> None:
    scene = Scene(authentication="tesla")
    opened, offer = scene.open(), scene.vendor.offer(100)
    terms = offer.terms | {"tesla": {"intervalS": 60, "delay": 7}}
    payload = scene.owner.pay(opened, msgspec.structs.replace(offer, terms=terms)).payload
    with pytest.raises(OutOfRange, match="authentication_not_as_offered"):
        scene.vendor.serve(payload, offer)


@pytest.mark.parametrize(
    "terms",
    [
        7,
        {},
        {"intervalS": 60},
        {"intervalS": "60", "delay": 6},
        {"intervalS": 59, "delay": 6},
        {"intervalS": 601, "delay": 6},
        {"intervalS": 60, "delay": DELAY_MAX + 1},
        {"intervalS": 60, "delay": 4},
        {"intervalS": 600, "delay": 1},
    ],
)
def test_a_wallet_makes_no_keys_that_are_shown_too_soon(terms: Json) -> None:
    scene = Scene(authentication="tesla")
    opened, offer = scene.open(), scene.vendor.offer(100)
    with pytest.raises(OutOfRange, match="offer_without_times"):
        scene.owner.pay(
            opened, msgspec.structs.replace(offer, terms=offer.terms | {"tesla": terms})
        )


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"authentication": "none"}, "authentication_unknown"),
        ({"authentication": 1}, "authentication_unknown"),
        ({"tesla_interval_s": 59}, "option_out_of_range"),
        ({"tesla_interval_s": 601}, "option_out_of_range"),
        ({"tesla_interval_s": True}, "option_out_of_range"),
        ({"tesla_delay": 1}, "option_out_of_range"),
        ({"tesla_delay": 17}, "option_out_of_range"),
        ({"tesla_delay": "6"}, "option_out_of_range"),
        ({"tesla_delay": 4}, "tesla_delay_too_short"),
        ({"tesla_interval_s": 239, "tesla_delay": 2}, "tesla_delay_too_short"),
        ({"unverified_micro_max": 0}, "option_out_of_range"),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, Json], code: str) -> None:
    with pytest.raises(Misconfigured, match=code):
        ECOUPON.till(setting_of(vendor_ring(), vendor_id="news", **options))
