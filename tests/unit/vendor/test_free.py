"""Payments that come for free pages: nothing is charged, and that is said where it is true."""

from pathlib import Path

import pytest

from farthing.vendor import app as apps
from tests.kit.folder import PRICE_MICRO, Folder
from tests.kit.site import Site, with_site


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "vendor")


def test_a_payment_for_a_free_page_is_told_that_nothing_was_charged(folder: Folder) -> None:
    async def talk(site: Site) -> None:
        async with site.client() as opened:
            asked = await opened.get("/sold/page")
            paid = folder.pay(asked.headers["www-authenticate"], "/sold/page")
            free = await opened.get("/free", headers=[paid])
            assert (free.text, free.headers["payment-outcome"]) == ("the page", "released")
            assert free.headers.get_list("cache-control") == ["no-store"]
            assert "payment-outcome" not in (await opened.get("/free")).headers
            # And nothing was: the same payment buys what it was made for.
            assert (await opened.get("/sold/page", headers=[paid])).status_code == 200

    with_site(folder, talk)
    assert folder.earned_micro() == PRICE_MICRO


def test_a_page_that_was_paid_for_and_is_free_by_now_is_not_said_to_cost_nothing(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apps, "LOOK_EVERY_S", 0)

    async def talk(site: Site) -> None:
        async with site.client() as opened:
            asked = await opened.get("/sold/page")
            paid = folder.pay(asked.headers["www-authenticate"], "/sold/page")
            assert (await opened.get("/sold/page", headers=[paid])).status_code == 200
            prices = folder.path / "prices.toml"
            prices.write_text(prices.read_text().replace("/sold/", "/other/"))
            again = await opened.get("/sold/page", headers=[paid])
            assert again.status_code == 200
            assert "payment-outcome" not in again.headers

    with_site(folder, talk)
    assert folder.earned_micro() == PRICE_MICRO
