import msgspec
from typer.testing import CliRunner

from farthing.cli import lab
from tests.kit.broken import BROKEN
from tests.kit.registered import registered

RUN = CliRunner()
FEW = ("--case", "replay-under-another-challenge", "--workers", "1")


def test_a_scheme_that_conforms_ends_with_0_and_names_its_cases() -> None:
    done = RUN.invoke(lab.app, ["conformance", "--scheme", "millicent", "--json", *FEW])
    assert done.exit_code == 0
    report = msgspec.json.decode(done.stdout)
    assert (report["passed"], report["failed"]) == (1, 0)
    assert report["schemes"]["millicent"]["passed"] == ["replay-under-another-challenge"]


def test_a_scheme_that_does_not_ends_with_1_and_how_to_repeat_it() -> None:
    broken = next(each for each in BROKEN if each.case == "replay-under-another-challenge")
    with registered(broken.scheme):
        done = RUN.invoke(lab.app, ["conformance", *FEW])
    assert done.exit_code == 1
    assert "FAILED  replay-under-another-challenge" in done.stdout
    assert "--case 'replay-under-another-challenge' --seed 1" in done.stdout


def test_cases_are_listed_with_their_rules() -> None:
    done = RUN.invoke(lab.app, ["conformance", "--list", "--case", "beginning"])
    assert done.stdout.startswith("beginning: An instrument of tomorrow")


def test_a_case_that_is_not_there_is_bad_usage() -> None:
    done = RUN.invoke(lab.app, ["conformance", "--case", "nonsense"])
    assert done.exit_code == 2


def test_schemes_are_named_as_for_simulated_worlds() -> None:
    done = RUN.invoke(lab.app, ["conformance", "--scheme", "millicent, payword", "--json", *FEW])
    assert list(msgspec.json.decode(done.stdout)["schemes"]) == ["millicent", "payword"]
    assert RUN.invoke(lab.app, ["conformance", "--scheme", "gold", *FEW]).exit_code == 2
