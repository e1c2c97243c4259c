"""The store under test, one for each row of `mark_stores.STORES`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.stores.mark_stores import STORES, Bench


@pytest.fixture(params=STORES, ids=lambda row: row.name)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(request.param, tmp_path)
    yield bench
    bench.store.close()
