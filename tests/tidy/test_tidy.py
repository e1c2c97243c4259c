"""The source keeps the tidy rules, and every exemption from one is still needed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.tidy.exceptions import PROCESS_EDGE, broad_excepts
from tests.tidy.names import UNTESTED, sources_without_test
from tests.tidy.rules import RULES
from tests.tidy.tree import Exemptions, Tree

SOURCE = Tree(root=Path(__file__).resolve().parents[2])


@pytest.mark.parametrize("name", sorted(RULES))
def test_source_keeps(name: str) -> None:
    findings = list(RULES[name](SOURCE))
    assert not findings, "\n" + "\n".join(findings)


@pytest.mark.parametrize(
    ("rule", "exemptions"),
    [
        pytest.param(broad_excepts, PROCESS_EDGE, id="broad_excepts"),
        pytest.param(sources_without_test, UNTESTED, id="sources_without_test"),
    ],
)
def test_every_exemption_is_needed_and_has_its_reason(
    rule: Callable[[Tree, Exemptions], Iterator[str]], exemptions: Exemptions
) -> None:
    offenders = {finding.partition(":")[0] for finding in rule(SOURCE, {})}
    assert set(exemptions) <= offenders
    assert all(len(reason.split()) > 1 for reason in exemptions.values())
