import msgspec
import pytest

from farthing.errors import Denied, Misconfigured, OutOfRange, Overlimit, Unsupported
from farthing.wallet.commands import Spent, Wish
from farthing.wallet.policy import Limits, Policy, question_of, read_limits

WISH = Wish(
    scheme="millicent", broker_id="b", vendor_id="vendor-7", currency="eur", price_micro=200
)
SITE = "https://news.example"
NOTHING_SPENT = Spent(site_micro=0, total_micro=0)


@pytest.mark.parametrize(
    ("typed", "host"),
    [
        ("News.example", "news.example"),
        ("http://127.0.0.1:8402/", "127.0.0.1"),
        ("https://news.example/page?a=1", "news.example"),
        ("127.0.0.1:8402", "127.0.0.1"),
        ("[::1]:8402", "::1"),
        ("::1", "::1"),
    ],
)
def test_a_site_is_kept_as_its_host(typed: str, host: str) -> None:
    limits = read_limits(Limits(), currency="eur", sites=(typed,))
    assert limits.sites == (host,)
    Policy(limits).require_site(host)


@pytest.mark.parametrize("typed", ["", "http://", "a b", "http://[x", "/page"])
def test_a_site_that_is_no_host_is_refused(typed: str) -> None:
    with pytest.raises(Misconfigured, match="site_malformed"):
        read_limits(Limits(), currency="eur", sites=(typed,))


def test_what_is_paid_by_is_what_there_is() -> None:
    limits = read_limits(Limits(), currency="", schemes=("ecash", "payword"))
    assert limits.schemes == ("ecash", "payword")
    assert read_limits(limits, currency="", schemes=()).schemes == ()
    with pytest.raises(Unsupported, match="scheme_unknown"):
        read_limits(limits, currency="", schemes=("gold",))


@pytest.mark.parametrize(
    ("limits", "spent", "code"),
    [
        (Limits(per_payment_micro=199), NOTHING_SPENT, "above_budget_per_payment"),
        (
            Limits(per_site_day_micro=500),
            Spent(site_micro=301, total_micro=301),
            "above_budget_per_site_day",
        ),
        (Limits(per_day_micro=500), Spent(site_micro=0, total_micro=301), "above_budget_per_day"),
    ],
)
def test_each_budget_refuses_by_its_own_name(limits: Limits, spent: Spent, code: str) -> None:
    with pytest.raises(Overlimit, match=code) as refused:
        Policy(limits).require(WISH, SITE, spent)
    option = code.removeprefix("above_budget").replace("_", "-")
    assert refused.value.detail.endswith(f"raise it: farthing wallet budget -{option} 1c")


def test_a_budget_of_a_program_is_called_its_own_and_raised_there() -> None:
    limits = Limits(per_payment_micro=199, per_day_micro=500)
    policy = Policy(limits, programs=frozenset({"per_payment_micro"})).within(None)
    with pytest.raises(Overlimit) as refused:
        policy.require(WISH, SITE, NOTHING_SPENT)
    told = 'that this program has set for itself; raise it there: max_per_payment="1c"'
    assert refused.value.detail.endswith(told)
    approved = frozenset({question_of(WISH, SITE, "above_budget_per_payment")})
    with pytest.raises(Overlimit) as refused:
        policy.require(WISH, SITE, Spent(site_micro=0, total_micro=301), approved)
    assert refused.value.detail.endswith("raise it: farthing wallet budget --per-day 1c")


def test_a_payment_that_fills_a_budget_exactly_is_made() -> None:
    limits = Limits(per_payment_micro=200, per_site_day_micro=500, per_day_micro=500)
    Policy(limits).require(WISH, SITE, Spent(site_micro=300, total_micro=300))


def test_an_approval_counts_for_one_amount_asset_recipient_and_origin() -> None:
    policy = Policy(Limits(per_payment_micro=100))
    approved = frozenset({question_of(WISH, SITE, "above_budget_per_payment")})
    policy.require(WISH, SITE, NOTHING_SPENT, approved)
    dearer = Wish(
        scheme="millicent", broker_id="b", vendor_id="vendor-7", currency="eur", price_micro=201
    )
    elsewhere = Wish(
        scheme="millicent", broker_id="b", vendor_id="vendor-8", currency="eur", price_micro=200
    )
    other_asset = Wish(
        scheme="millicent", broker_id="b", vendor_id="vendor-7", currency="usd", price_micro=200
    )
    for wish, site in [
        (dearer, SITE),
        (elsewhere, SITE),
        (other_asset, SITE),
        (WISH, "https://other.example"),
    ]:
        with pytest.raises(Overlimit):
            policy.require(wish, site, NOTHING_SPENT, approved)


def test_approving_one_payment_does_not_lift_the_days_budget() -> None:
    policy = Policy(Limits(per_payment_micro=100, per_day_micro=100))
    approved = frozenset({question_of(WISH, SITE, "above_budget_per_payment")})
    with pytest.raises(Overlimit, match="above_budget_per_day"):
        policy.require(WISH, SITE, NOTHING_SPENT, approved)


def test_a_list_of_sites_keeps_the_others_out() -> None:
    policy = Policy(Limits(sites=("news.example",)))
    policy.require_site("news.example")
    with pytest.raises(Denied, match="site_not_allowed"):
        policy.require_site("evil.example")
    Policy(Limits()).require_site("evil.example")


def test_one_currency_may_be_the_only_one_that_is_paid_in() -> None:
    policy = Policy(Limits(currency="eur"))
    policy.require_currency("eur")
    with pytest.raises(Denied, match=r"currency_not_allowed.*sold in jpy.*paid in eur alone"):
        policy.require_currency("jpy")
    Policy(Limits()).require_currency("jpy")
    assert b"currency" not in msgspec.json.encode(Limits()), "a wallet's own budgets have none"


def test_what_is_typed_replaces_one_budget_and_leaves_the_others() -> None:
    limits = read_limits(Limits(), currency="eur", max_per_day="5c")
    assert limits == Limits(per_day_micro=50_000)


def test_a_budget_in_another_currency_is_refused() -> None:
    with pytest.raises(Misconfigured, match="budget_in_other_currency"):
        read_limits(Limits(), currency="eur", max_per_day="0.05usd")


def test_an_unreadable_budget_is_refused() -> None:
    with pytest.raises(OutOfRange):
        read_limits(Limits(), currency="eur", max_per_day="a lot")


def test_what_costs_nothing_is_within_every_budget() -> None:
    spent = Spent(site_micro=10**9, total_micro=10**9)
    covered, priced = (
        Wish(scheme="s", broker_id="b", vendor_id="v", currency="eur", price_micro=micro)
        for micro in (0, 1)
    )
    Policy(Limits()).require(covered, SITE, spent)
    with pytest.raises(Overlimit):
        Policy(Limits()).require(priced, SITE, spent)
