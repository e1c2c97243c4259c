"""What files are called, and which test file belongs to which source file."""

from collections.abc import Iterator
from pathlib import Path

from tests.tidy.tree import Exemptions, Tree

SOURCE = Path("src/farthing")
UNIT_TESTS = Path("tests/unit")

# A file is named after its concept; these name a drawer.
BANNED_NAMES = frozenset(
    {"base", "common", "core", "helper", "helpers", "manager", "misc", "util", "utils"}
)

# Source files without a unit test file of their own, each with the reason. (`__init__` needs none.)
UNTESTED: Exemptions = {
    "src/farthing/cli/__main__.py": "two lines, run by every test that starts a command",
    "src/farthing/cli/gate_worker.py": "two lines, run by every test that starts a gate",
}


def banned_names(tree: Tree) -> Iterator[str]:
    for path in tree.python_files():
        for part in (*path.parts[:-1], path.stem):
            for word in part.split("_"):
                if word in BANNED_NAMES:
                    yield f"{path}: '{word}' says nothing; name the concept"


def sources_without_test(tree: Tree, exempt: Exemptions = UNTESTED) -> Iterator[str]:
    for path in tree.python_files(str(SOURCE)):
        if path.stem == "__init__" or str(path) in exempt:
            continue
        inner = path.relative_to(SOURCE)
        test = UNIT_TESTS / inner.with_name(f"test_{inner.name}")
        if not (tree.root / test).is_file():
            yield f"{path}: has no {test}"


def tests_without_source(tree: Tree) -> Iterator[str]:
    for path in tree.python_files(str(UNIT_TESTS)):
        if not path.name.startswith("test_"):
            continue
        inner = path.relative_to(UNIT_TESTS)
        source = SOURCE / inner.with_name(inner.name.removeprefix("test_"))
        # A package may have a test file too, for what its `__init__` or its data promise.
        if not (tree.root / source).is_file() and not (tree.root / source.with_suffix("")).is_dir():
            yield f"{path}: tests no {source}"
