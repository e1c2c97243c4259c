"""The real edge of a gate: the clock of today, fresh randomness, a store on a disk."""

import time
from pathlib import Path

from farthing import marks
from farthing.vendor import edge


def test_the_real_edge_tells_the_time_and_repeats_no_randomness() -> None:
    first, second = edge.REAL.look(), edge.REAL.look()
    assert abs(first.now_s - time.time()) < 5
    assert first.entropy != second.entropy
    assert edge.REAL.entropy(16) != edge.REAL.entropy(16)


def test_the_store_is_a_gates(tmp_path: Path) -> None:
    store = edge.REAL.open_store(tmp_path / "marks.db")
    assert store.do_now(marks.Find(k="k")) is None
    store.close()
