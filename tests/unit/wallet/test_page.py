"""One page into a file, bought of a real gate with real scrip, in the open and in private."""

import io
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from farthing.errors import BadRequest, Unavailable, Unsupported
from farthing.schemes.contract import Asked
from farthing.wallet.app import Wallet, init
from farthing.wallet.commands import Answered, Ask, Failed, Request
from farthing.wire.published import PRIVATE_PATH
from tests.unit.wallet.farside import BROKER, CURRENCY, SITE, VENDOR
from tests.unit.wallet.gate_town import PRICE_MICRO, town
from tests.unit.wallet.world import CHEAP, PASSPHRASE, World


class Net:
    """What a client reaches: the site and the broker of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.sent: list[httpx.Request] = []
        self.down = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        if self.down and request.url.path == PRIVATE_PATH:
            raise httpx.ConnectError("down")
        if request.url.host == "broker.example":
            return self._issue(request)
        answer = self._world.site.handle(
            Request(
                method=request.method,
                url=str(request.url),
                headers=tuple(request.headers.items()),
                body=request.content,
            )
        )
        if isinstance(answer, Failed):
            raise httpx.ConnectError(answer.reason)
        return httpx.Response(answer.status, headers=answer.headers, content=answer.body)

    def _issue(self, request: httpx.Request) -> httpx.Response:
        ask = Ask(
            id=request.headers["idempotency-key"],
            created_at_s=0,
            broker_id=BROKER,
            scheme="millicent",
            vendor_id=VENDOR,
            site=SITE,
            amount_micro=0,
            asked=Asked(operation="issue", message=msgspec.json.decode(request.content)),
        )
        answered = self._world.bank.handle(ask)
        assert isinstance(answered, Answered)
        return httpx.Response(200, json={"answer": answered.value})


@pytest.fixture
def net(tmp_path: Path) -> Net:
    return Net(town(tmp_path / "world", "private"))


@pytest.fixture
def wallet(tmp_path: Path, net: Net) -> Iterator[Wallet]:
    client = httpx.Client(transport=httpx.MockTransport(net))
    clock = net._world.now_s
    with init(tmp_path / "wallet.db", PASSPHRASE, cost=CHEAP, client=client, clock=clock) as opened:
        opened.add_broker(
            "https://broker.example", "alice", "tok", broker_id=BROKER, currency=CURRENCY
        )
        yield opened


@pytest.mark.parametrize("private", [False, True])
def test_a_method_is_sent_in_capitals_whatever_it_was_typed_in(
    wallet: Wallet, net: Net, *, private: bool
) -> None:
    page = wallet.get(SITE + "/a", io.BytesIO(), method="post", body=b"a", private=private)
    assert (page.status, page.paid_micro) == (200, PRICE_MICRO)
    assert wallet.history()[0].method == "POST"


def test_a_header_may_be_sent_twice(wallet: Wallet, net: Net) -> None:
    wallet.get(SITE + "/a", io.BytesIO(), headers=[("X-A", "1"), ("X-A", "2")])
    assert net.sent[0].headers.get_list("x-a") == net.sent[-1].headers.get_list("x-a") == ["1", "2"]


@pytest.mark.parametrize("private", [False, True])
def test_a_page_comes_with_what_was_paid(wallet: Wallet, net: Net, *, private: bool) -> None:
    out = io.BytesIO()
    page = wallet.get(SITE + "/a", out, private=private)
    assert (page.status, out.getvalue()) == (200, b"a page")
    assert (page.paid_micro, page.currency, page.scheme) == (PRICE_MICRO, CURRENCY, "millicent")
    assert "payment-receipt" in dict(page.headers)
    assert 0 < page.payment_bytes < 400
    assert page.purchase_id
    assert ("/a" in {request.url.path for request in net.sent}) is not private
    wallet.get(SITE + "/a", out, private=private)
    assert len(wallet.history()) == 2


def test_a_price_list_is_kept_a_while(wallet: Wallet, net: Net) -> None:
    wallet.get(SITE + "/a", io.BytesIO(), private=True)
    seen = {request.url.path for request in net.sent}
    assert seen >= {PRIVATE_PATH, "/.well-known/farthing-prices"}


def test_an_address_goes_as_it_is_written_on_a_line(wallet: Wallet, net: Net) -> None:
    page = wallet.get(SITE + "/a b/é?q=ü", io.BytesIO(), private=True)
    assert page.status == 200
    assert wallet.history()[0].url == SITE + "/a%20b/%C3%A9?q=%C3%BC"
    with pytest.raises(BadRequest, match="url_malformed"):
        wallet.get("https://a:x/", io.BytesIO(), private=True)


def test_a_refusal_writes_nothing(wallet: Wallet, net: Net) -> None:
    net._world.site.open("private", more='free = ["/free"]\n')
    out = io.BytesIO()
    with pytest.raises(Unsupported, match="page_is_free"):
        wallet.get(SITE + "/free", out, private=True)
    net.down = True
    with pytest.raises(Unavailable, match=r"site_unreachable.*: .* does not answer \(ConnectError"):
        wallet.get(SITE + "/a", out, private=True)
    assert out.getvalue() == b""
    net.down = False
    assert wallet.get(SITE + "/a", out, private=True).paid_micro == PRICE_MICRO
    assert net._world.site.earned_micro() == PRICE_MICRO


@pytest.mark.parametrize("private", [False, True])
def test_a_page_that_the_disk_had_no_room_for_is_fetched_again_for_nothing(
    wallet: Wallet, net: Net, *, private: bool
) -> None:
    with pytest.raises(OSError, match="No space left"), Path("/dev/full").open("w+b") as full:
        wallet.get(SITE + "/a", full, private=private)
    assert wallet.get(SITE + "/a", io.BytesIO(), private=private).status == 200
    assert net._world.site.earned_micro() == PRICE_MICRO
