"""The wallet's own account at a broker: who it is, what it has, how money gets in."""

import shlex
from typing import TypeVar

import httpx
import msgspec

from farthing import codec, errors, ids, money
from farthing.errors import Broken, Malformed, Misconfigured, Unavailable
from farthing.wallet.choice import place_of
from farthing.wallet.commands import Broker
from farthing.wallet.messages import JSON_BYTES_MAX

T = TypeVar("T")

TIMEOUT_S = 10  # brokers answer within 5 s or say that they are busy


class Balance(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the broker says of an account."""

    id: str
    currency: str
    payer_micro: int
    """What may still be loaded or spent."""
    owed_micro: int = 0
    """What was spent on credit and is not paid yet."""
    credit_limit_micro: int = 0


class TopUp(msgspec.Struct, frozen=True, kw_only=True):
    """How a top-up went."""

    done: bool
    instructions: str
    """What the payer or the operator has to do; empty where it is done."""
    balance: Balance


class _Role(msgspec.Struct, frozen=True, kw_only=True):
    role: str = ""


class _Health(msgspec.Struct, frozen=True, kw_only=True):
    broker: str


class _Problem(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    detail: str = ""
    refusal: str = ""


def find_broker_id(client: httpx.Client, url: str) -> str:
    """What the broker at `url` calls itself; `Unavailable`."""
    return read(call(client, "GET", url, "/health"), _Health).broker


def find(
    client: httpx.Client,
    url: str,
    token: str,
    *,
    account: str = "",
    broker_id: str = "",
    currency: str = "",
) -> Broker:
    """The account of `token` at the broker at `url`, which is asked for what is not given.

    `Denied` for a URL that is not secure or a token that is not taken, `Unavailable`,
    `OutOfRange`.
    """
    place_of(url)
    base = url.rstrip("/")
    if not account or not currency:
        found = balance(client, base, token)
        account, currency = account or found.id, currency or found.currency
    return Broker(
        id=ids.require_broker_id(broker_id or find_broker_id(client, base)),
        url=base,
        account=ids.require_name(account),
        token=token,
        currency=money.require_currency(currency),
    )


def balance(client: httpx.Client, url: str, token: str) -> Balance:
    """The account of `token`; `Unavailable`, `Denied` for a token that is not taken.

    `Misconfigured` for a vendor's.
    """
    headers = {"Authorization": f"Bearer {token}"}
    answer = call(client, "GET", url, "/balance", headers=headers)
    if read(answer, _Role).role == "vendor":
        raise Misconfigured(
            "token_of_a_vendor",
            "this token is a vendor's: a wallet wants a payer's, which the operator makes with"
            " farthing broker account open",
        )
    return read(answer, Balance)


def top_up(
    client: httpx.Client, broker: Broker, amount_micro: int, *, reference: str, admin_token: str
) -> TopUp:
    """Book money that came in, if we are the operator; else say what to do.

    The same `reference` again books nothing more: it is the bank's name of the credit.
    """
    if not admin_token:
        shown = money.show_micro(amount_micro, broker.currency)
        return TopUp(
            done=False,
            instructions=(
                f"Send {shown} to the operator of {broker.id}, for account {broker.account}, with"
                f" the reference {reference}. The operator books it with: farthing broker account"
                f" topup {broker.account} {amount_micro}u --reference {shlex.quote(reference)}"
            ),
            balance=balance(client, broker.url, broker.token),
        )
    message = {"amountMicro": amount_micro, "payer": broker.account, "reference": reference}
    headers = {
        "Authorization": f"Bearer {admin_token}",
        "Idempotency-Key": f"topup-{codec.b64u(codec.digest(message))}",
        "Content-Type": "application/json",
    }
    call(client, "POST", broker.url, "/topup", headers=headers, content=codec.canonical(message))
    return TopUp(done=True, instructions="", balance=balance(client, broker.url, broker.token))


def call(
    client: httpx.Client,
    method: str,
    base: str,
    path: str,
    *,
    headers: dict[str, str] | None = None,
    content: bytes = b"",
) -> bytes:
    """The body of a 2xx answer; the broker's refusal, `Unavailable` where it does not answer."""
    try:
        response = client.request(
            method, base + path, headers=headers, content=content, timeout=TIMEOUT_S
        )
    except httpx.HTTPError as wrong:
        raise Unavailable(
            "broker_unreachable",
            f"the broker at {base} does not answer ({type(wrong).__name__}); nothing is lost, try"
            " again",
        ) from None
    if response.is_success:
        return response.content[:JSON_BYTES_MAX]
    try:
        problem = codec.read_open(response.content[:JSON_BYTES_MAX], _Problem)
    except Malformed:
        raise Unavailable(
            "broker_unreachable", f"{base} answers {response.status_code}: is a broker there?"
        ) from None
    raise errors.by_name(problem.refusal, problem.code, problem.detail)


def read(body: bytes, kind: type[T]) -> T:
    """What the broker said; `Broken` where it speaks another version."""
    try:
        return codec.read_open(body, kind)
    except Malformed:
        raise Broken("broker_answer_malformed", "the broker speaks another version") from None
