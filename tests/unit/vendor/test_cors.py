"""Who may pay by script from another site's page: nobody, unless the vendor names the page."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from farthing.errors import Misconfigured
from farthing.vendor.cors import ORIGINS_MAX, Cors
from farthing.vendor.prices import read
from tests.kit.folder import PRICE_MICRO, PRICES, Folder
from tests.kit.site import Site, with_site

READER, OTHER = "https://reader.example", "https://other.example"
NAMED = f'cors_origins = ["{READER}", "http://localhost:3000"]\n' + PRICES
KEYS, OUTCOME = "/.well-known/farthing-keys", "/.well-known/farthing/outcome"


def cors_headers(answer: httpx.Response) -> dict[str, str]:
    return {k: v for k, v in answer.headers.items() if k.startswith("access-control-")}


def talked(path: Path, prices: str, talk: Any) -> Folder:
    folder = Folder(path / "vendor", prices=prices)
    with_site(folder, talk)
    return folder


def test_a_named_page_reads_offers_and_receipts_and_refusals(tmp_path: Path) -> None:
    async def talk(site: Site) -> None:
        async with site.client() as opened:
            opened.headers["origin"] = READER
            asked = await opened.get("/sold/page")
            paid = await site.buy(opened)
            wrong = await opened.get("/sold/page", headers={"authorization": "Payment !"})
            keys = await opened.get(KEYS)
            absent = await opened.post(OUTCOME, json={"k": "none"})
        answers = (asked, paid, wrong, keys, absent)
        assert [answer.status_code for answer in answers] == [402, 200, 402, 200, 404]
        for answer in answers:
            assert answer.headers["access-control-allow-origin"] == READER
            assert answer.headers["vary"] == "Origin"
            told = answer.headers["access-control-expose-headers"]
            names = {name.strip().lower() for name in told.split(",")}
            assert {name for name in answer.headers if name.startswith("payment")} <= names
            assert {"www-authenticate", "x-cashu", "retry-after"} <= names
            assert {"farthing-reply", "farthing-change"} <= names
            assert "access-control-allow-credentials" not in answer.headers

    folder = talked(tmp_path, NAMED, talk)
    assert folder.earned_micro() == PRICE_MICRO


@pytest.mark.parametrize(
    ("prices", "origin"),
    [(NAMED, OTHER), (NAMED, "null"), (NAMED, READER + ".evil.example"), (PRICES, READER)],
)
def test_nobody_else_is_told_anything(tmp_path: Path, prices: str, origin: str) -> None:
    async def talk(site: Site) -> None:
        async with site.client() as opened:
            opened.headers["origin"] = origin
            answers = [await opened.get("/sold/page"), await site.buy(opened)]
            preflight = {"access-control-request-method": "GET"}
            answers.append(await opened.options("/sold/page", headers=preflight))
            answers.append(await opened.get(KEYS))
        assert [cors_headers(answer) for answer in answers] == [{}] * 4
        assert site.seen[-1]["method"] == "OPTIONS", "the site answers what is not ours"

    talked(tmp_path, prices, talk)


@pytest.mark.parametrize(
    ("path", "method"), [("/sold/page", "GET"), ("/sold/page", "POST"), (OUTCOME, "POST")]
)
def test_a_preflight_is_answered_without_the_site(tmp_path: Path, path: str, method: str) -> None:
    async def talk(site: Site) -> None:
        async with site.client() as opened:
            asking = {
                "origin": READER,
                "access-control-request-method": method,
                "access-control-request-headers": "authorization,idempotency-key",
            }
            answer = await opened.options(path, headers=asking)
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["access-control-allow-origin"] == READER
        assert answer.headers["access-control-allow-methods"] == method
        names = answer.headers["access-control-allow-headers"].lower()
        for name in ("authorization", "payment-authorization", "payment-signature", "content-type"):
            assert name in names
        assert "idempotency-key" in names
        assert answer.headers["access-control-max-age"] == "600"
        assert site.seen == []

    talked(tmp_path, NAMED, talk)


def test_a_free_page_says_of_origins_what_its_site_says(tmp_path: Path) -> None:
    async def talk(site: Site) -> None:
        async with site.client() as opened:
            opened.headers["origin"] = READER
            asking = {"access-control-request-method": "GET"}
            for answer in (
                await opened.get("/free"),
                await opened.options("/free", headers=asking),
            ):
                assert (answer.text, cors_headers(answer)) == ("the page", {})

    talked(tmp_path, NAMED, talk)


def test_what_is_open_to_all_names_nobody(tmp_path: Path) -> None:
    async def talk(site: Site) -> None:
        async with site.client() as opened:
            answer = await opened.get("/sold/page", headers={"origin": OTHER})
            assert answer.headers["access-control-allow-origin"] == "*"
            assert cors_headers(await opened.get("/sold/page")) == {}, "no browser asked"

    talked(tmp_path, 'cors_origins = ["*"]\n' + PRICES, talk)


def test_the_gates_word_stands_before_the_sites(tmp_path: Path) -> None:
    told: list[Any] = []
    visit = Cors([READER]).visit(
        {"method": "GET", "path": KEYS, "headers": [(b"origin", READER.encode())]},
        read(PRICES, currency="eur", known=["millicent"]),
    )
    assert visit is not None

    async def send(message: Any) -> None:
        told.append(message)

    async def talk(_: Site) -> None:
        headers = [(b"Access-Control-Allow-Origin", b"*"), (b"x-kept", b"1")]
        start = {"type": "http.response.start", "status": 200, "headers": headers}
        await visit.around(send)(start)

    talked(tmp_path, PRICES, talk)
    names = [name for name, _ in told[0]["headers"]]
    assert (names.count(b"access-control-allow-origin"), names[0]) == (1, b"x-kept")


WRONG = [
    "reader.example",
    "https://reader.example/",
    "https://",
    "ftp://a",
    "HTTPS://A",
    "null",
    "",
]


@pytest.mark.parametrize("origin", WRONG)
def test_what_is_no_origin_is_refused_with_its_line(origin: str) -> None:
    with pytest.raises(Misconfigured, match=r"prices.toml, line 2: .* is no origin"):
        read(f'free = ["/"]\ncors_origins = ["{origin}"]\n', currency="eur", known=[])


def test_origins_are_few() -> None:
    origins = [f"https://{number}.example" for number in range(ORIGINS_MAX)]
    Cors(origins)
    with pytest.raises(Misconfigured, match="cors_origins_too_many"):
        Cors([*origins, READER])
