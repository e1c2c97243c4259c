"""Every setting is documented, and every command that the docs show exists."""

import re
from pathlib import Path

import pytest

from farthing.schemes import registry
from farthing.vendor.founding import Config
from farthing.vendor.prices import File, Route

ROOT = Path(__file__).parents[2]
SETTINGS = (ROOT / "docs" / "reference" / "settings.md").read_text()
VARIABLE = re.compile(r"\bFARTHING_[A-Z_]+\b")


@pytest.mark.parametrize("kind", [File, Route, Config])
def test_every_key_of_a_file_is_documented(kind: type) -> None:
    for name in kind.__struct_fields__:  # type: ignore[attr-defined]  # a msgspec struct
        if name != "route":
            assert f"`{name}`" in SETTINGS, f"{kind.__name__}.{name} is not documented"


def test_every_option_of_a_scheme_is_documented() -> None:
    for scheme in registry.all_schemes():
        for name in scheme.options:
            row = f"| `[{scheme.traits.name}]` `{name}` |"
            assert row in SETTINGS, f"{scheme.traits.name}: {name} is not documented"


def test_every_variable_of_the_environment_is_documented() -> None:
    read = {
        found
        for path in (ROOT / "src").rglob("*.py")
        for found in VARIABLE.findall(path.read_text())
    }
    assert read
    for name in sorted(read):
        assert f"`{name}`" in SETTINGS, f"{name} is not documented"


def test_links_in_the_docs_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_page_is_in_the_table_of_contents() -> None:
    docs = ROOT / "docs"
    listed = re.findall(r"\]\(([^)#]+)", (docs / "README.md").read_text())
    found = {str(page.relative_to(docs)) for page in docs.rglob("*.md")}
    of_a_list = {name for name in found if name.startswith(("decisions/", "reference/schemes/"))}
    missing = found - of_a_list - set(listed) - {"README.md"}
    assert not missing, "name it in docs/README.md"


def test_files_that_the_docs_name_are_there() -> None:
    """Decisions are left out: they say what was, on their day."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        if page.parent.name == "decisions" or page.name == "CHANGELOG.md":
            continue
        for named in re.findall(r"`((?:script|src|tests|docs|bench)/[\w./-]+)`", page.read_text()):
            assert (ROOT / named).exists(), f"{page.name} names {named}"
