import msgspec
import pytest

from farthing.errors import Misconfigured
from farthing.lab.conformance import runner
from farthing.lab.conformance.cases import Result, State
from farthing.schemes.chain.payword import PAYWORD
from farthing.schemes.contract import Scheme, Till
from tests.kit.broken import BROKEN
from tests.kit.registered import registered


def result(case: str, state: State, why: str = "") -> Result:
    return Result(scheme="payword", case=case, state=state, why=why)


def test_a_report_counts_names_and_says_how_to_repeat_a_failure() -> None:
    found = [result("beginning", "failed", "too long"), result("change", "passed")]
    report = runner.report_of([*found, result("refund", "skipped", "none")], 7)
    assert (report.passed, report.failed, report.skipped) == (1, 1, 1)
    told = report.schemes["payword"]
    assert told.passed == ("change",)
    assert told.failed[0].why == "too long"
    assert told.failed[0].replay == (
        "farthing lab conformance --scheme payword --case 'beginning' --seed 7"
    )
    assert told.skipped[0].why == "none"


def test_a_case_is_tried_with_each_value_of_each_option_too() -> None:
    jobs = runner.jobs_of(["payword"], "beginning", seed=1)
    assert [job.name for job in jobs] == ["beginning"]
    jobs = runner.jobs_of(["payword"], "beginning*", seed=1)
    assert [job.name for job in jobs] == [
        "beginning",
        "beginning @unit_micro=200",
        "beginning @unit_micro=1",
        "beginning @unit_micro=20",
    ]
    assert runner.run_job(jobs[3]).case == "beginning @unit_micro=20"


def test_several_workers_find_what_one_finds() -> None:
    jobs = runner.jobs_of(["millicent", "payword"], "re*", seed=3)[:6]
    alone = {(one.scheme, one.case, one.state) for one in runner.run(jobs)}
    shared = {(one.scheme, one.case, one.state) for one in runner.run(jobs, workers=2)}
    assert alone == shared
    assert len(alone) == 6


@pytest.mark.parametrize("name", ["till crashes", "traits promise credit"])
def test_whatever_a_scheme_raises_is_a_failure_with_its_place(name: str) -> None:
    broken = next(each for each in BROKEN if each.name == name)
    scheme: Scheme = broken.scheme
    with registered(scheme):
        job = runner.Job(scheme=scheme.traits.name, case=broken.case, seed=1)
        found = runner.run_job(job)
    assert found.state == "failed"
    assert ".py:" in found.why


def test_a_part_that_only_some_schemes_need_is_named_where_it_is_not_written() -> None:
    till = type(
        "Unfinished",
        (PAYWORD.till,),
        {"recall": lambda till, payment: Till.refund(till, payment, payment)},
    )
    with registered(msgspec.structs.replace(PAYWORD, till=till)):
        found = runner.run_job(runner.Job(scheme="payword", case="round-trip[200]", seed=1))
    assert found.state == "failed"
    assert found.why.startswith("Till.refund is not written yet; in refund (till.py:")


def test_nothing_is_tried_where_two_schemes_name_one_key() -> None:
    mint = type("Second", (PAYWORD.mint,), {})
    traits = msgspec.structs.replace(PAYWORD.traits, name="second", variant="second")
    second = msgspec.structs.replace(PAYWORD, traits=traits, mint=mint)
    with registered(second), pytest.raises(Misconfigured, match="second and payword both name"):
        runner.jobs_of(["second"], seed=1)
