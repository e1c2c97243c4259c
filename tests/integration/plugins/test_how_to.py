"""The code of `docs/how-to/pay-with-stock-clients.md`, run as it stands on a site of our own."""

import re
from pathlib import Path

import pytest

from farthing.cli import servers
from tests.integration.plugins.conftest import Market

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "pay-with-stock-clients.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
SITE = "https://news.example"
PRICE_MICRO = 200


def test_there_is_code_for_every_client() -> None:
    assert len(BLOCKS) == 3
    for client in ("x402HttpxClient", "x402_requests", "Mpp"):
        assert sum(client + "(" in block for block in BLOCKS) == 1


@pytest.mark.parametrize("block", BLOCKS, ids=["x402-httpx", "x402-requests", "mpp"])
def test_code_of_the_page_buys_two_pages(market: Market, block: str) -> None:
    path = market.copy()
    assert SITE in block
    printed = servers.run_once(
        servers.python("-c", block.replace(SITE, market.gate_url)),
        env={"FARTHING_WALLET": str(path), "FARTHING_WALLET_PASSPHRASE": market.passphrase},
    )
    sizes = [len(market.original(f"/articles/{name}.html")) for name in ("farthing", "tokens")]
    assert printed.decode() == "".join(f"200 {size}\n" for size in sizes)
    with market.open(path, "millicent") as wallet:
        assert [entry.state for entry in wallet.history()] == ["done", "done"]
    market.owed_micro["millicent"] += 2 * PRICE_MICRO
