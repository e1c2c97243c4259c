"""The real edge of a broker: the clock of today, fresh randomness, books on a disk."""

import time
from pathlib import Path

from farthing.broker import edge, store


def test_the_real_edge_tells_the_time_and_repeats_no_randomness() -> None:
    assert abs(edge.REAL.now_s() - time.time()) < 5
    assert edge.REAL.entropy(16) != edge.REAL.entropy(16)


def test_books_are_opened_with_a_brokers_tables(tmp_path: Path) -> None:
    books = edge.REAL.open_books(tmp_path / "broker.db")
    assert books.read(store.settings) == {}
    books.close()
