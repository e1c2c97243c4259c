"""Each part of the benchmark measures something, with sizes that take seconds."""

import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from bench import (
    audit,
    broker,
    ecash,
    marks,
    moments,
    paywall,
    programs,
    redemptions,
    sizes,
    streams,
    swaps,
    till,
    worlds,
)
from bench.figures import Figure
from farthing.schemes import registry
from tests.kit.turns import in_turn

SHORT_S = 0.1
PARTS = 10  # that take seconds: a commit tries one of them
ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.serial


def needs(*names: str) -> None:
    """Skip, and say so, where a program is missing: a test installs nothing."""
    for name in names:
        try:
            programs.find(name)
        except programs.Missing as missing:
            pytest.skip(f"NOT TESTED: {missing}")


def require_figures(part: str, found: Sequence[Figure]) -> None:
    assert found
    assert {figure.part for figure in found} == {part}
    assert len({figure.name for figure in found}) == len(found)
    assert all(figure.value > 0 for figure in found)


@pytest.fixture(autouse=True)
def one_round(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (paywall, broker, swaps):
        monkeypatch.setattr(module, "ROUNDS", 1)


@in_turn(5, of=PARTS)
def test_till_measures_every_contestant() -> None:
    found = till.measure(SHORT_S, batch=50)
    require_figures("till", found)
    targets = {figure.name for figure in found if figure.target}
    assert {"MilliCent signed", "MilliCent clear", "PayWord", "scrip minted"} < targets


@in_turn(0, of=PARTS)
def test_paywall_measures_gate_and_proxy_beside_the_plain_site() -> None:
    needs("wrk")
    require_figures("paywall", paywall.measure(SHORT_S))


@in_turn(1, of=PARTS)
def test_broker_measures_transfers_beside_pgbench() -> None:
    needs("wrk", "initdb", "pg_ctl", "pgbench")
    require_figures("broker", broker.measure(SHORT_S, payers=20, scale=1))


@in_turn(2, of=PARTS)
def test_marks_are_filled_and_survive_the_gate() -> None:
    needs("wrk")
    found = marks.measure(SHORT_S, many=2_000, few=10)
    require_figures("marks", found)


@in_turn(7, of=PARTS)
def test_swaps_measure_our_mint() -> None:
    needs("wrk")
    require_figures("swaps", swaps.measure(SHORT_S))


@in_turn(6, of=PARTS)
def test_redemptions_measures_links_and_claims() -> None:
    found = redemptions.measure(SHORT_S)
    require_figures("redemptions", found)
    assert [figure.target for figure in found[:2]] == [1_800_000, 5_000_000]


def test_bytes_are_within_the_targets() -> None:
    found = sizes.measure()
    require_figures("bytes", found)
    assert all(figure.met for figure in found if figure.target is not None)


@in_turn(8, of=PARTS)
def test_ecash_measures_signatures_and_deposits() -> None:
    found = ecash.measure(SHORT_S, payments=2, batches=2)
    require_figures("ecash", found)
    assert [figure.target for figure in found] == [800, 20_000, 10_000]


@in_turn(4, of=PARTS)
def test_worlds_measure_every_scheme_in_every_weather() -> None:
    # Elsewhere: Litestar leaves the thread of its log behind, and a later test here forks.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other:
        found = other.submit(worlds.measure, 20).result()
    require_figures("worlds", found)
    assert len(found) == len(registry.all_schemes()) * len(worlds.PARTS)


def test_command_prints_one_json_object() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "bytes", "--json"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    shown = json.loads(done.stdout)
    assert set(shown) == {"machine", "figures"}
    assert {"part", "name", "value", "unit", "target", "met"} <= set(shown["figures"][0])


@in_turn(9, of=PARTS)
def test_streams_measure_paid_beside_unpaid() -> None:
    require_figures("streams", streams.measure(500_000, rounds=1))


@in_turn(3, of=PARTS)
def test_moments_measures_every_scheme_at_every_moment() -> None:
    found = moments.measure(SHORT_S)
    require_figures("moments", found)
    assert len(found) == len(moments.SCHEMES) * len(moments.MOMENTS)


def test_audit_reads_a_journal_without_a_finding() -> None:
    found = audit.measure(entries=2_500)
    require_figures("audit", found)
    assert found[0].value > 0
