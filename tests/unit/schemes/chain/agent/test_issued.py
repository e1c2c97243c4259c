import msgspec
import pytest

from farthing.errors import Late
from farthing.schemes.chain.agent.issued import DELTA_S, Issued
from farthing.schemes.chain.times import DISPUTE_S, LAPSE_S, SKEW_S
from tests.kit.agent import Scene, certificate_of, tokens_of
from tests.kit.parties import DAY_S, NOW_S, PAYER

ISSUED = Issued(account=PAYER, expires_at_s=NOW_S + DAY_S, segment_micro=100, worth_micro=1000)


def test_what_comes_back_at_once_is_what_no_report_can_claim() -> None:
    opened = msgspec.structs.replace(ISSUED, opened_micro=300, claimed_micro=120)
    revoked = opened.revoked(NOW_S, opened=5)
    assert revoked.late_micro == 200 + 500 // 4, "two more are open, and a quarter of the rest"
    assert revoked.freed_micro() == 1000 - 300 - 325
    assert revoked.freed_micro() + revoked.late_micro + 300 == revoked.worth_micro


def test_who_knows_of_no_opening_still_leaves_a_reserve() -> None:
    assert ISSUED.revoked(NOW_S, opened=0).freed_micro() == 750
    assert ISSUED.revoked(NOW_S, opened=256).freed_micro() == 0


def test_reports_end_a_delta_after_the_revocation_and_never_after_the_expiry() -> None:
    assert ISSUED.reports_until_s == NOW_S + DAY_S + DAY_S + 120
    revoked = ISSUED.revoked(NOW_S, opened=0)
    assert revoked.reports_until_s == NOW_S + DELTA_S
    revoked.require_in_time(NOW_S + DELTA_S)
    with pytest.raises(Late, match="report_after_delta"):
        revoked.require_in_time(NOW_S + DELTA_S + 1)
    late = ISSUED.revoked(NOW_S + 2 * DAY_S, opened=0)
    assert late.reports_until_s == ISSUED.reports_until_s
    assert late.settles_at_s == late.reports_until_s + LAPSE_S


def test_a_certificate_is_remembered_until_it_is_settled_and_disputed() -> None:
    for one in (ISSUED, ISSUED.revoked(NOW_S, opened=0), ISSUED.revoked(NOW_S + DAY_S, opened=9)):
        assert one.put("t_1").until_s >= one.settles_at_s + DISPUTE_S - SKEW_S - LAPSE_S


def test_a_revoked_certificate_is_on_the_list_for_as_long_as_a_gate_would_take_it() -> None:
    last_s = ISSUED.expires_at_s + SKEW_S
    for at_s in (NOW_S - 29 * DAY_S, NOW_S, ISSUED.expires_at_s - 1):
        assert ISSUED.revoked(at_s, opened=0).revocation("t_1").until_s >= last_s


def test_issued_is_claimed_and_returned_and_expired_whenever_a_loss_is_told() -> None:
    for opened in (True, False):
        scene = Scene()
        left = scene.buy(40)
        worth_micro = certificate_of(left).worth_micro
        for name in ("news", "daily"):
            left = scene.spend(left, name, tokens=3)
        scene.clear("news")
        asked: dict[str, str | int] = {"serial": certificate_of(left).serial}
        if opened:
            asked["opened"] = tokens_of(left).free
        answer = scene.broker.run("take_back", asked, scene.payer.account).answer
        at_once_micro = answer["returnedMicro"]
        assert 0 < at_once_micro < worth_micro - 600
        assert scene.clear("daily") == 300, "a report in flight is settled"
        scene.pass_time(DELTA_S + LAPSE_S)
        assert scene.broker.balances == {
            f"payer/{PAYER}": -600, "outstanding/": 0, "vendor/news": 300, "vendor/daily": 300,
        }  # fmt: skip  # - all that there is
        scene.pass_time(90 * DAY_S)
        assert scene.broker.balances[f"payer/{PAYER}"] == -600, "it comes back once"


def test_what_nobody_claims_comes_back_when_it_has_expired() -> None:
    scene = Scene()
    left = scene.spend(scene.buy(40))
    scene.clear()
    scene.pass_time(30 * DAY_S + DAY_S)
    assert scene.broker.balances[f"payer/{PAYER}"] == -4000, "vendors may still report"
    scene.pass_time(DAY_S)
    assert scene.broker.balances == {f"payer/{PAYER}": -100, "outstanding/": 0, "vendor/news": 100}
    assert scene.give_back(left)["returnedMicro"] == 0
