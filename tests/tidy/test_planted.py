"""Each tidy rule finds an offender planted for it, and finds nothing in a tree that is in order."""

from pathlib import Path

import pytest

from tests.tidy.rules import RULES
from tests.tidy.tree import Tree

# A tree in order: a pure module and its test, an exception with its reason, a narrow except.
CLEAN = {
    "src/farthing/__init__.py": '"""A package."""\n',
    "src/farthing/wire/offers.py": "import msgspec\nfrom urllib.parse import quote\n",
    "src/farthing/vendor/app.py": "import time\ntry:\n    time.time()\nexcept OSError:\n    pass\n",
    "tests/unit/wire/test_offers.py": "x = 1  # noqa: F841 - the rule asks for this name\n",
    "tests/unit/test_wire.py": "",
    "tests/unit/vendor/test_app.py": "y = f(1)  # type: ignore[arg-type]  # wrong on purpose\n",
    "README.md": "See ./work/ and https://farthing.example/home/ for more.\n",
}

# Rule -> (path, text) of offenders, each of which must be found on its own.
PLANTED: dict[str, list[tuple[str, str]]] = {
    "banned_names": [
        ("src/farthing/utils.py", ""),
        ("src/farthing/core/__init__.py", ""),
        ("tests/store_helpers.py", ""),
    ],
    "banned_words": [
        ("docs/install.md", "Run it from " + "/".join(["", "home", "ann", "farthing"])),
        ("requirements/run.txt", "--index-url https://" + ".".join(["pypi", "org"]) + "/simple"),
        ("CHANGELOG.md", "Written by a sub" + "agent."),
    ],
    "broad_excepts": [
        ("src/farthing/stores/offender.py", "try:\n    x()\nexcept Exception:\n    raise\n"),
        ("src/farthing/stores/offender.py", "try:\n    x()\nexcept:\n    raise\n"),
        (
            "src/farthing/rails/manual.py",
            "try:\n    x()\nexcept (OSError, BaseException):\n    1\n",
        ),
        ("bench/load.py", "with contextlib.suppress(Exception):\n    x()\n"),
    ],
    "impure_imports": [
        ("src/farthing/schemes/mac/millicent.py", "import time\n"),
        ("src/farthing/ledger/book.py", "def f() -> bytes:\n    from os import urandom\n"),
        ("src/farthing/crypto/vrf.py", "import secrets as s\n"),
        ("src/farthing/wire/mpp.py", "from urllib.request import urlopen\n"),
        ("src/farthing/wire/x402.py", "import httpx\n"),
        ("src/farthing/marks.py", "import apsw\n"),
        ("src/farthing/codec.py", "open('x')\n"),
    ],
    "lint_exceptions_without_reason": [
        ("src/farthing/ids.py", "import x  # noqa: F401\n"),
        ("src/farthing/ids.py", "import x  # noqa - not used here\n"),
        ("src/farthing/ids.py", "x = y  # type: ignore[assignment]\n"),
        ("tests/unit/test_ids.py", "x = y  # type: ignore # it is fine\n"),
        ("tests/unit/test_ids.py", "x = y  # type: ignore[misc]  # noqa: E741 - why\n"),
        ("bench/load.py", "def f(): pass  # pragma: no cover\n"),
    ],
    "long_files": [("src/farthing/money.py", "x = 1\n" * 401)],
    "long_functions": [
        ("tests/unit/test_money.py", "def test_x():\n" + "    x = 1\n" * 70),
        ("src/farthing/money.py", "class A:\n    async def f():\n" + "        x = 1\n" * 70),
    ],
    "long_lines": [("bench/load.py", f"x = '{'x' * 100}'\n")],
    "sources_without_test": [("src/farthing/stores/keys.py", "")],
    "tests_without_source": [("tests/unit/stores/test_keys.py", "")],
}


def plant(root: Path, files: dict[str, str]) -> Tree:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Tree(root=root)


def test_every_rule_has_a_planted_offender() -> None:
    assert set(PLANTED) == set(RULES)


@pytest.mark.parametrize("name", sorted(RULES))
def test_tree_in_order_has_no_finding(name: str, tmp_path: Path) -> None:
    assert list(RULES[name](plant(tmp_path, CLEAN))) == []


@pytest.mark.parametrize(
    ("name", "path", "text"),
    [
        pytest.param(name, *offender, id=f"{name}-{index}")
        for name, offenders in PLANTED.items()
        for index, offender in enumerate(offenders)
    ],
)
def test_planted_offender_is_found(name: str, path: str, text: str, tmp_path: Path) -> None:
    findings = list(RULES[name](plant(tmp_path, {**CLEAN, path: text})))
    assert len(findings) == 1, findings
    assert findings[0].startswith(f"{path}:")


@pytest.mark.parametrize("count", [70, 71])
def test_function_limit_is_exact(count: int, tmp_path: Path) -> None:
    text = "def f():\n" + "    x = 1\n" * (count - 1)
    findings = list(RULES["long_functions"](plant(tmp_path, {"src/a.py": text})))
    assert bool(findings) == (count > 70)


@pytest.mark.parametrize("count", [400, 401])
def test_file_limit_is_exact(count: int, tmp_path: Path) -> None:
    findings = list(RULES["long_files"](plant(tmp_path, {"src/a.py": "x = 1\n" * count})))
    assert bool(findings) == (count > 400)


@pytest.mark.parametrize("length", [100, 101])
def test_line_limit_is_exact(length: int, tmp_path: Path) -> None:
    findings = list(RULES["long_lines"](plant(tmp_path, {"src/a.py": "#" * length + "\n"})))
    assert bool(findings) == (length > 100)
