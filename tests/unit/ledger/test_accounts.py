import pytest

from farthing.errors import OutOfRange
from farthing.ledger import accounts
from farthing.ledger.accounts import CHART, rule_of, shown_micro


@pytest.mark.parametrize(
    "name",
    [
        "asset/bank/manual",
        "asset/credit/alice",
        "asset/stock/millicent/0000000001",
        "liability/payer/alice.b-c",
        "liability/outstanding/coupon",
        "liability/outstanding/millicent/v7",
        "liability/hold/tx_abc-DEF_1",
        "income/commission",
        "equity/lottery",
    ],
)
def test_the_chart_has_it(name: str) -> None:
    assert rule_of(name).low_micro <= 0 <= rule_of(name).high_micro


@pytest.mark.parametrize(
    "name",
    [
        "",
        "asset",
        "asset/bank",
        "asset/bank/a/b",
        "liability/payer/",
        "liability/payer/a/b",
        "liability/payer/../x",
        "liability/payer/a b",
        "liability/payer/ä",
        "liability/payer/" + "a" * 65,
        "income/commission/x",
        "magic/money/tree",
        "liability/outstanding/a/b/c",
    ],
)
def test_the_chart_has_it_not(name: str) -> None:
    with pytest.raises(OutOfRange, match="account_not_in_chart"):
        rule_of(name)


def test_what_is_owed_and_earned_counts_up_for_people() -> None:
    assert shown_micro("asset/bank/manual", 5) == 5
    assert shown_micro("liability/payer/alice", -5) == 5
    assert shown_micro("income/commission", -5) == 5
    assert shown_micro("expense/rail", 5) == 5
    assert shown_micro("equity/lottery", 5) == -5


def test_no_debt_to_a_payer_or_vendor_turns_into_a_claim_on_it() -> None:
    for name in (accounts.payer("a"), accounts.vendor("a"), accounts.outstanding("s", "1")):
        assert rule_of(name).high_micro == 0
    assert rule_of(accounts.bank("manual")).low_micro == 0


def test_every_constructor_names_an_account_of_the_chart() -> None:
    made = (
        accounts.bank("manual"),
        accounts.clearing("manual"),
        accounts.receivable("a"),
        accounts.peer("b"),
        accounts.credit("a"),
        accounts.payer("a"),
        accounts.vendor("a"),
        accounts.hold("tx_1"),
        accounts.outstanding("s"),
        accounts.COMMISSION,
        accounts.BREAKAGE,
        accounts.LOTTERY,
    )
    assert {"/".join(name.split("/")[:2]) for name in made} <= CHART.keys()
    for name in made:
        rule_of(name)
