"""The mutator itself: what it alters, and that a test which cannot fail is found."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest

from tests.mutation.__main__ import _arguments, changed_lines
from tests.mutation.areas import AREAS, area_of
from tests.mutation.mutants import altered, mutants
from tests.mutation.runner import Verdict
from tests.mutation.score import interval, score

SOURCE = '''
LIMIT = 3


def largest(held: list[int], limit: int = LIMIT) -> int:
    """The largest."""
    if not held or len(held) > limit:
        raise ValueError("too many", 7)
    held[0] += 1
    return pick(held[0], held[-1])
'''


class Parent:
    def named(self, wanted: str) -> str:
        return wanted


def _codes_by_name(code: CodeType) -> Iterator[tuple[str, CodeType]]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant.co_qualname, constant
            yield from _codes_by_name(constant)


def made() -> dict[str, str]:
    return {
        f"{each.was} -> {each.became}": ast.unparse(altered(each, SOURCE))
        for each in mutants("m.py", SOURCE)
    }


@pytest.mark.parametrize(
    "change",
    [
        "not held -> held",
        "len(held) > limit -> len(held) >= limit",
        "not held or len(held) > limit -> not held and len(held) > limit",
        "raise ValueError('too many', 7) -> pass",
        "held[0] += 1 -> pass",
        "held[0] += 1 -> held[0] -= 1",
        "return pick(held[0], held[-1]) -> return None",
        "pick(held[0], held[-1]) -> pick(held[-1], held[0])",
        "0 -> 1",
    ],
)
def test_it_alters(change: str) -> None:
    was, _, became = change.partition(" -> ")
    assert made()[change] != ast.unparse(ast.parse(SOURCE))
    assert became in made()[change]
    assert was in ast.unparse(ast.parse(SOURCE))


def test_every_mutant_is_another_module_that_compiles() -> None:
    texts = [ast.unparse(altered(each, SOURCE)) for each in mutants("m.py", SOURCE)]
    assert len(set(texts)) == len(texts)
    assert ast.unparse(ast.parse(SOURCE)) not in texts
    for text in texts:
        compile(text, "m.py", "exec")


def test_the_words_of_a_refusal_and_the_constants_of_a_module_stay() -> None:
    for text in made().values():
        assert "LIMIT = 3" in text
        assert "too many', 8" not in text


def test_each_file_belongs_to_one_area_and_exists() -> None:
    files = [path for area in AREAS.values() for path in area.files()]
    assert len(set(files)) == len(files)
    for path in files:
        assert path.is_file()
        assert AREAS[area_of(str(path))].tests(path)


def test_the_score_counts_what_no_test_reaches_as_not_noticed() -> None:
    outcomes = ["killed", "hung", "survived", "unreached"]
    verdicts = [Verdict("m", outcome) for outcome in outcomes]
    assert score(verdicts) == 0.5
    low, high = interval(verdicts * 100)
    assert low == pytest.approx(0.451, abs=0.001)
    assert high == pytest.approx(0.549, abs=0.001)


def test_the_lines_since_a_commit_are_those_that_are_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@b.example"]
        subprocess.run(["git", *who, *arguments], check=True, capture_output=True)

    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").mkdir()
    changed, gone = tmp_path / "src/a.py", tmp_path / "src/b.py"
    changed.write_text("1\n2\n3\n")
    gone.write_text("1\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    changed.write_text("0\n1\n2\n4\n5\n")
    gone.unlink()
    assert changed_lines("HEAD") == {("src/a.py", line) for line in (1, 4, 5)}
    with pytest.raises(subprocess.CalledProcessError):
        changed_lines("HEAD~1")


class Child(Parent):
    def named(self, wanted: str) -> str:
        return super().named(wanted)


def test_a_method_without_its_super_still_takes_its_place() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    (lost,) = (
        each
        for each in mutants(__file__, source)
        if each.was == "return super().named(wanted)" and each.became == "return None"
    )
    codes = dict(_codes_by_name(compile(altered(lost, source), __file__, "exec")))
    named = codes["Child.named"]
    assert named.co_freevars == Child.named.__code__.co_freevars == ("__class__",)


def test_each_option_says_what_it_does() -> None:
    assert all(action.help for action in _arguments()._actions)


@pytest.mark.full
def test_an_unnoticed_change_is_told_and_a_noticed_one_is_counted() -> None:
    asked = [sys.executable, "-m", "tests.mutation", "--area", "ledger", "--sample", "12"]
    told = subprocess.run(
        [*asked, "--seed", "5", "--json"], capture_output=True, text=True, check=False
    )
    figures = json.loads(told.stdout[told.stdout.index("{") :])
    assert told.returncode == 0
    assert figures["mutants"] == 12
    assert figures["killed"] >= 6
    assert len(figures["left"]) == 12 - figures["killed"] - figures.get("hung", 0)
    assert Path("script/mutate").stat().st_mode & 0o100


@pytest.mark.full
def test_where_nothing_is_altered_nothing_is_noticed() -> None:
    asked = [sys.executable, "-m", "tests.mutation", "--area", "ledger", "--sample", "8"]
    told = subprocess.run(
        [*asked, "--unaltered", "--json"], capture_output=True, text=True, check=True
    )
    figures = json.loads(told.stdout[told.stdout.index("{") :])
    assert (figures["mutants"], figures["score"]) == (8, 0.0)
