"""What somebody on the way sees of pages bought in private: every byte, through real sockets."""

import io
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest

from farthing.cli import servers
from farthing.cli.showroom import Showroom
from farthing.errors import Unsupported
from farthing.wallet import Wallet
from farthing.wallet.page import Page
from farthing.wire.published import PRICES_PATH, PRIVATE_PATH
from tests.integration.crash.middle import Cut, Message, Middle

UP_S = 10.0  # a gate looks at its prices each second
ARTICLES = {"/a.html": "<h1>Mill</h1>" + "x" * 400, "/far/off.html": "<h1>Cent</h1>" + "y" * 900}
LONG = "/long.html"
MISSING = "/nowhere.html"
FREE = "/free.html"
PRICE_MICRO = 200
DATE = re.compile(rb"(?im)^(date): [^\r]*\r$")
SEALED = re.compile(rb'("sealed":")([\w-]*)')


class Market(NamedTuple):
    """A vendor that sells in private, somebody on the way to it, and a payer."""

    room: Showroom
    middle: Middle
    folder: Path

    def open(self) -> Wallet:
        return self.room.open_wallet(self.folder / "wallet.db", "millicent")

    def buy(self, path: str, *, private: bool = True) -> tuple[Page, bytes, list[Message]]:
        """The page, and all that was sent for it."""
        out = io.BytesIO()
        self.middle.heard.clear()
        with self.open() as wallet:
            page = wallet.get(self.middle.url + path, out, private=private)
        return page, out.getvalue(), [each for pair in self.middle.heard for each in pair]


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    folder, site = tmp_path_factory.mktemp("market"), tmp_path_factory.mktemp("site")
    for path, text in (*ARTICLES.items(), (LONG, "z" * 9_000), (FREE, "free")):
        (site / path[1:]).parent.mkdir(exist_ok=True)
        (site / path[1:]).write_text(text)
    port = servers.free_port()
    serve = ["-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(site)]
    origin = f"http://127.0.0.1:{port}"
    with (
        servers.running(servers.python(*serve), url=origin, log=folder / "origin.log"),
        Showroom(folder, ["millicent"], origin, quiet=True) as room,
        Middle(urlsplit(room.gate_url).port or 0) as middle,
    ):
        prices = folder / "vendor" / "prices.toml"
        text = f'free = ["{FREE}"]\n' + prices.read_text()
        prices.write_text(text + '\n[millicent]\nprotocol = "private"\n')
        _await_private(room.gate_url)
        found = Market(room, middle, folder)
        found.buy("/a.html")  # buys scrip at the broker, which is another line
        yield found


def _await_private(gate_url: str) -> None:
    deadline_s = time.monotonic() + UP_S
    while httpx.get(gate_url + PRICES_PATH).json()["private"] != ["millicent"]:
        assert time.monotonic() < deadline_s, "the gate does not sell in private"
        time.sleep(0.1)


def seen(messages: list[Message]) -> list[bytes]:
    """All of it, but for the time and what is sealed, of which the length stays."""
    plain = [DATE.sub(rb"\1\r", message.raw) for message in messages]
    return [SEALED.sub(lambda found: found[1] + b"#" * len(found[2]), raw) for raw in plain]


def exchanges(messages: list[Message]) -> list[bytes]:
    """Request lines."""
    return [each.head.partition(b" HTTP")[0] for each in messages[::2]]


def test_two_articles_give_the_same_transcript(market: Market) -> None:
    transcripts = []
    for path, text in ARTICLES.items():
        page, body, messages = market.buy(path)
        assert (page.status, page.paid_micro, body.decode()) == (200, PRICE_MICRO, text)
        transcripts.append(messages)
    one, two = transcripts
    assert exchanges(one)[-1] == f"POST {PRIVATE_PATH}".encode()
    assert len(exchanges(one)) == 3, "keys, prices, the purchase"
    assert [len(each.raw) for each in one] == [len(each.raw) for each in two]
    assert seen(one) == seen(two)
    assert one[-2:] != two[-2:], "what is sealed differs"
    assert list(msgspec.json.decode(one[-2].body)) == ["payerId", "sealed"]
    assert list(msgspec.json.decode(one[-1].body)) == ["sealed"]


def test_nothing_of_the_article_is_in_any_byte(market: Market) -> None:
    for path in ARTICLES:
        _, body, messages = market.buy(path)
        told = b"".join(message.raw for message in messages)
        for word in (path.encode(), body[:13], b"<h1>", b"payment-receipt", b"mc:"):
            assert word not in told
    _, _, messages = market.buy("/a.html", private=False)
    told = b"".join(message.raw for message in messages)
    assert b"/a.html" in told, "in the open all this is there to be seen"
    assert b"<h1>" in told


def test_a_page_that_is_not_there_looks_like_one_that_is(market: Market) -> None:
    _, _, bought = market.buy("/a.html")
    page, _, refused = market.buy(MISSING)
    assert (page.status, page.paid_micro) == (404, 0)
    assert seen(refused) == seen(bought)
    with pytest.raises(Unsupported, match="page_is_free"):
        market.buy(FREE)
    assert PRIVATE_PATH.encode() not in b"".join(market.middle.heard[-1][0])


def test_an_answer_that_is_lost_is_asked_for_with_the_same_bytes(market: Market) -> None:
    with market.open() as wallet:
        before_micro = sum(each.worth_micro for each in wallet.holdings())
    market.middle.script.extend([None, None, Cut.BODY, Cut.NOTHING])
    page, body, messages = market.buy("/far/off.html")
    assert (page.status, body.decode()) == (200, ARTICLES["/far/off.html"])
    tries = [each.raw for each in messages[::2] if PRIVATE_PATH.encode() in each.head]
    assert len(tries) == 3
    assert len(set(tries)) == 1
    with market.open() as wallet:
        after_micro = sum(each.worth_micro for each in wallet.holdings())
        assert {each.state for each in wallet.holdings()} == {"ready"}
    assert before_micro - after_micro == PRICE_MICRO


def test_the_length_shows_in_steps_only(market: Market) -> None:
    sizes = {}
    for path in ("/a.html", LONG):
        page, _, messages = market.buy(path)
        assert page.status == 200
        sizes[path] = len(messages[-1].body)
    (shown,) = {len(message.body) for message in market.buy("/a.html")[2][-1:]}
    assert sizes["/a.html"] == shown
    step = (sizes[LONG] - shown) * 3 / 4 / 4096
    assert step == pytest.approx(round(step), abs=0.01)
    assert round(step) in {2, 3}
