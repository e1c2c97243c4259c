"""What broker, vendor and both together learn, measured: docs/explanation/privacy.md has the table.

The watcher sees a day whole: every message, every answer and every row that the broker keeps, and
what the vendor is sent. It may not use times and amounts, which are the same for all payers here;
what those tell is on the page in words, and in `tests/unit/wallet/test_stocking.py` in figures.
"""

import asyncio
import re
from pathlib import Path

import httpx
import pytest

from farthing.broker.app import Broker, asgi_app
from farthing.schemes import registry
from tests.kit.turns import IS_CI, SEED, marks_of, schemes_in_turn
from tests.kit.watching import Watcher, watched

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "privacy.md"
ROW = re.compile(r"^\| `([a-z]+)` \|(.*)\|$", re.MULTILINE)
ADDRESS = "203.0.113.77"
_BLIND = [one.traits.name for one in registry.all_schemes() if one.purse.numbers]
BLIND = [pytest.param(name, marks=marks_of(at, len(_BLIND))) for at, name in enumerate(_BLIND)]
SIZE = {"payers": 3, "rounds": 1} if IS_CI else {"payers": 8, "rounds": 4}


def table() -> dict[str, tuple[bool, ...]]:
    """What the page says, by scheme: yes or no in each column."""
    rows = ROW.findall(PAGE.read_text())
    return {
        name: tuple(cell.strip().startswith("yes") for cell in cells.split("|"))
        for name, cells in rows
    }


def learned(seen: Watcher) -> tuple[bool, ...]:
    """In the order of the columns."""
    alone, together = seen.guesses("broker"), seen.guesses("broker", "vendor")
    for found in (alone, together):
        assert sum(found.values()), "something was paid"
        assert not found["wrong"], "who is named is the one"
    return (
        seen.sold_for(),
        alone["right"] > 0,
        seen.named(),
        seen.recognised(),
        together["right"] > 0,
    )


def test_the_page_has_every_scheme() -> None:
    assert list(table()) == [scheme.traits.name for scheme in registry.all_schemes()]


@pytest.mark.parametrize("scheme", schemes_in_turn())
def test_the_page_says_what_a_watcher_finds(scheme: str) -> None:
    assert learned(watched(scheme, seed=SEED)) == table()[scheme]


@pytest.mark.parametrize("scheme", BLIND)
def test_among_equal_withdrawals_nothing_tells_who_paid(scheme: str) -> None:
    seen = watched(scheme, seed=SEED, **SIZE)
    for where in (("broker",), ("broker", "vendor")):
        found = seen.guesses(*where)
        assert set(found) == {"nobody"}
        assert found["nobody"] >= SIZE["payers"] * SIZE["rounds"]


def test_a_broker_writes_no_network_address_down(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "broker"
    admin = Broker.init(folder, broker_id="b", currency="eur", url="http://127.0.0.1:1")
    broker = Broker.open(folder)

    async def asked() -> list[int]:
        transport = httpx.ASGITransport(asgi_app(broker), client=(ADDRESS, 4711))
        headers = {"x-forwarded-for": ADDRESS, "forwarded": f"for={ADDRESS}"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://b", headers=headers
        ) as client:
            found: list[int] = []
            for path, token, body in (
                ("/accounts", admin, {"id": "ann", "role": "payer"}),
                ("/issue/ecash", "", {"list": "current"}),
                ("/issue/ecash", "wrong", {"outputs": []}),
                ("/nowhere", "", {}),
            ):
                keys = {"idempotency-key": f"k{len(found)}", "authorization": f"Bearer {token}"}
                sent = keys if token else {"idempotency-key": f"k{len(found)}"}
                found.append((await client.post(path, json=body, headers=sent)).status_code)
            return found

    statuses = asyncio.run(asked())
    broker.close()
    assert statuses[:2] == [201, 200]
    assert all(status >= 400 for status in statuses[2:])
    kept = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    said = capfd.readouterr()
    assert kept
    assert not any(ADDRESS.encode() in raw for raw in kept)
    assert ADDRESS not in said.out + said.err + caplog.text
