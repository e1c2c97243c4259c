"""What a scrape of a gate shows, and to whom."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from farthing.cli import vendor as vendor_cli
from farthing.vendor import metrics
from tests.kit.folder import PRICE_MICRO, Folder
from tests.kit.site import Site, with_site

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "vendor")


def token_for(folder: Folder, tmp_path: Path) -> dict[str, str]:
    path = tmp_path / "prometheus.token"
    arguments = ["metrics", "--token-file", str(path), "--data", str(folder.path)]
    done = CliRunner().invoke(vendor_cli.app, arguments)
    assert done.exit_code == 0, done.output
    assert path.read_text() not in done.output + (folder.path / metrics.HASH_FILE).read_text()
    return {"authorization": f"Bearer {path.read_text()}"}


def test_without_a_token_there_is_no_such_door(folder: Folder) -> None:
    async def talk(site: Site) -> None:
        async with site.client() as opened:
            answer = await opened.get(metrics.PATH)
        assert answer.content == b"the page", "the path is the site's"

    with_site(folder, talk)


def test_figures_are_for_who_has_the_token(folder: Folder, tmp_path: Path) -> None:
    bearer = token_for(folder, tmp_path)

    async def talk(site: Site) -> None:
        async with site.client() as opened:
            assert (await opened.get(metrics.PATH)).status_code == 403
            wrong = {"authorization": bearer["authorization"][:-1] + "!"}
            assert (await opened.get(metrics.PATH, headers=wrong)).status_code == 403
            await site.buy(opened)
            await site.buy(opened)
            answer = await opened.get(metrics.PATH, headers=bearer)
        page = answer.text
        assert answer.headers["cache-control"] == "no-store"
        assert 'status="200"} 2.0' in page
        assert 'status="402"} 2.0' in page
        assert f'farthing_gate_earned_micro{{scheme="millicent"}} {2 * PRICE_MICRO}.0' in page
        assert f'farthing_gate_pending_micro{{scheme="millicent"}} {2 * PRICE_MICRO}.0' in page
        assert "farthing_gate_prices_refused 0.0" in page
        assert site.folder.key("farthing/millicent/burn/1").secret.hex() not in page
        assert "0001" + "00" * 6 not in page, "no payer is named"

    with_site(folder, talk)


def test_every_figure_is_documented() -> None:
    reference = (ROOT / "docs" / "reference" / "metrics.md").read_text()
    body = metrics.page({200: 1}, (), prices_refused=True).body
    assert body is not None
    names = [line.split()[2] for line in body.decode().splitlines() if line.startswith("# HELP")]
    assert len(names) > 3
    for name in names:
        assert f"`{name}`" in reference, name
