import httpx
import msgspec
import pytest

from farthing.errors import OutOfRange, Unfunded, Unknown
from farthing.wallet import cashu
from farthing.wallet.commands import Broker

BROKER = Broker(id="b", url="https://b.example", account="alice", token="ft_1", currency="eur")
ADDRESS = "https://b.example/cashu/eur/loads/name"


def answering(status: int, body: object, heard: list[httpx.Request]) -> httpx.Client:
    def answer(request: httpx.Request) -> httpx.Response:
        heard.append(request)
        return httpx.Response(status, content=msgspec.json.encode(body))

    return httpx.Client(transport=httpx.MockTransport(answer))


def test_a_quote_is_paid_at_its_own_broker_with_the_accounts_token() -> None:
    heard: list[httpx.Request] = []
    client = answering(200, {"amount": 8, "unit": "eur", "state": "PAID"}, heard)
    assert cashu.broker_of((BROKER,), ADDRESS) is BROKER
    assert cashu.pay(client, BROKER, ADDRESS).amount == 8
    (request,) = heard
    assert str(request.url) == ADDRESS
    assert request.headers["authorization"] == "Bearer ft_1"


@pytest.mark.parametrize(
    "address",
    [
        "https://other.example/cashu/eur/loads/name",
        "https://b.example.evil.example/cashu/eur/loads/name",
        "https://b.example/transfer",
        "lnbc1",
    ],
)
def test_no_token_goes_to_an_address_that_is_not_the_brokers(address: str) -> None:
    with pytest.raises(Unknown, match="broker_unknown"):
        cashu.broker_of((BROKER,), address)


def test_the_brokers_refusal_is_ours() -> None:
    client = answering(403, {"code": "balance_too_low", "refusal": "Unfunded"}, [])
    with pytest.raises(Unfunded, match="balance_too_low"):
        cashu.pay(client, BROKER, ADDRESS)


def test_a_code_is_for_whole_cents() -> None:
    heard: list[httpx.Request] = []
    body = {"request": "lnbcrt", "amount": 29, "unit": "eur", "expiresAtS": 1}
    client = answering(200, body, heard)
    assert cashu.code(client, BROKER, 290_000, "key").request == "lnbcrt"
    (request,) = heard
    assert request.url.path == "/cashu/eur/payouts"
    assert request.headers["idempotency-key"] == "key"
    assert request.content == b'{"amount":29}'
    with pytest.raises(OutOfRange, match="amount_too_fine"):
        cashu.code(client, BROKER, 290_001, "key")
