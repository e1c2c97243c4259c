import time
from collections.abc import Iterator

import httpx
import pytest

from farthing.broker.web import key_of
from farthing.errors import Broken, Denied, Misconfigured, Unavailable
from farthing.wallet.account import balance, find_broker_id, top_up
from farthing.wallet.commands import Broker, Request, Response
from tests.unit.wallet.farside import BROKER, CURRENCY, Bank
from tests.unit.wallet.servers import ADMIN, TOKEN, BankApi, served


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client() as client:
        yield client


@pytest.fixture
def broker() -> Iterator[Broker]:
    api = BankApi(Bank(lambda: int(time.time()), balance_micro=100))
    with served(lambda _: api.handle) as url:
        yield Broker(id=BROKER, url=url, account="alice", token=TOKEN, currency=CURRENCY)


def test_a_broker_says_who_it_is_and_what_the_account_has(
    client: httpx.Client, broker: Broker
) -> None:
    assert find_broker_id(client, broker.url) == BROKER
    found = balance(client, broker.url, TOKEN)
    assert (found.id, found.currency, found.payer_micro) == ("alice", CURRENCY, 100)


def test_a_wrong_token_is_denied(client: httpx.Client, broker: Broker) -> None:
    with pytest.raises(Denied, match="token_unknown"):
        balance(client, broker.url, "wrong")


def test_a_vendors_token_is_not_taken_for_another_version(client: httpx.Client) -> None:
    answer = {"id": "gazette", "role": "vendor", "currency": "eur", "vendorMicro": 0}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=answer))
    with (
        httpx.Client(transport=transport) as vendors,
        pytest.raises(Misconfigured, match=r"token_of_a_vendor.*farthing broker account open"),
    ):
        balance(vendors, "https://broker.example", TOKEN)


def test_a_topup_without_the_operators_token_says_what_to_do(
    client: httpx.Client, broker: Broker
) -> None:
    done = top_up(client, broker, 50_000, reference="tu_1", admin_token="")
    assert not done.done
    assert "0.05 EUR" in done.instructions
    assert "tu_1" in done.instructions
    assert done.balance.payer_micro == 100


def test_the_same_topup_twice_books_once(client: httpx.Client, broker: Broker) -> None:
    for _ in range(2):
        done = top_up(client, broker, 50_000, reference="tu_1", admin_token=ADMIN)
        assert done.done
        assert done.balance.payer_micro == 50_100


@pytest.mark.parametrize("reference", ["RF18 5390 0754", "Überweisung 7"])
def test_a_bank_names_a_credit_as_it_likes(broker: Broker, reference: str) -> None:
    def bank(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            keys.append(key_of(request.headers["idempotency-key"]))
        answer = {"id": "alice", "currency": CURRENCY, "payerMicro": 0}
        return httpx.Response(200, json=answer)

    keys: list[str] = []
    with httpx.Client(transport=httpx.MockTransport(bank)) as client:
        for _ in range(2):
            assert top_up(client, broker, 50_000, reference=reference, admin_token=ADMIN).done
        told = top_up(client, broker, 50_000, reference=reference, admin_token="").instructions
    assert len(keys) == 2
    assert len(set(keys)) == 1, "the same credit is the same request"
    assert told.endswith(f" --reference '{reference}'"), "what a shell takes as one word"


def test_a_payers_token_books_nothing(client: httpx.Client, broker: Broker) -> None:
    with pytest.raises(Denied, match="scope_missing"):
        top_up(client, broker, 50_000, reference="tu_1", admin_token=TOKEN)


def test_a_broker_out_of_reach_is_unavailable(client: httpx.Client) -> None:
    with pytest.raises(Unavailable, match=r"broker_unreachable.*; nothing is lost, try again"):
        find_broker_id(client, "http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [(502, b"<html>", Unavailable), (200, b"<html>", Broken), (200, b"{}", Broken)],
)
def test_something_else_at_the_address_is_noticed(
    client: httpx.Client, status: int, body: bytes, kind: type[Exception]
) -> None:
    def handle(request: Request) -> Response:
        return Response(status=status, url=request.url, body=body)

    with served(lambda _: handle) as url, pytest.raises(kind):
        find_broker_id(client, url)
