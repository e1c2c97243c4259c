"""Carries out the flow's commands, all but the requests that a payer's own client sends.

A session is one flow under way. What it has taken from the store is let go when it ends, however it
ends, so that the next flow may finish it. The clock is passed in; entropy comes from the system.
"""

import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal, TypeVar

import httpx
import msgspec

from farthing import codec, errors
from farthing.errors import Malformed, Refusal
from farthing.schemes.contract import At, Json
from farthing.wallet.choice import Guide
from farthing.wallet.commands import (
    Answered,
    Ask,
    AskMint,
    AskPayer,
    Command,
    Failed,
    FinishAsk,
    KeepPeer,
    Look,
    Purchase,
    Question,
    Refused,
    Release,
    Request,
    Response,
    SendRequest,
    Sent,
    TakeOver,
    Unsettled,
    Wait,
)
from farthing.wallet.errand import Flow
from farthing.wallet.known import Known, Recall, Remember
from farthing.wallet.messages import JSON_BYTES_MAX, SEALED_BYTES_MAX
from farthing.wallet.patience import after_s
from farthing.wallet.peering import reachable
from farthing.wallet.releasing import hand_over
from farthing.wallet.store import Store

T = TypeVar("T")
Published = dict[str, tuple[int, Response]]
"""What vendors publish, and when it was read, by address."""

ENTROPY_BYTES = 512  # for one purse call: purses that need more expand it
TIMEOUT_S = 35  # of one request: the gate's own time-outs end before
MINT_TIMEOUT_S = 10  # brokers answer within 5 s or say that they are busy
KEYS_S = 300  # how long a vendor's documents are taken as they are; keys live for a year
VENDOR_MINT_PATH = "/.well-known/farthing"  # where a vendor's gate mounts its mint
OPERATION_PATHS = {"issue": "issue", "status": "status", "take_back": "take-back"}
TOKEN_CODES = frozenset({"token_missing", "token_unknown", "scope_missing"})


class Mintage(msgspec.Struct, frozen=True, kw_only=True):
    """What a mint's endpoint answers, at a broker and at a vendor."""

    answer: Json


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A refusal as a mint's API writes it."""

    code: str
    detail: str = ""
    retry: Literal["same", "new", "never"] = "never"
    refusal: str = ""
    """The class by name."""


class Driver:
    """What sessions share: a store, a client for brokers and enquiries, a clock, a payer."""

    def __init__(
        self,
        guide: Guide,
        store: Store,
        client: httpx.Client,
        *,
        clock: Callable[[], int],
        ask: Callable[[Question], bool] | None = None,
        entropy: Callable[[int], bytes] = secrets.token_bytes,
        published: Published | None = None,
        known: Known | None = None,
        is_direct: bool = False,
        told: Callable[[int], object] = lambda _: None,
    ) -> None:
        """`client` must not follow redirects; `clock` gives unix seconds; `ask` asks the payer.

        `published`: what vendors publish, as other drivers of this wallet have read it; `known`:
        how they sell their pages, likewise.
        `is_direct`: see `courier.goes_direct`. `told` hears for how many seconds a site or a mint
        has asked to wait.
        """
        self.entropy = entropy
        self.guide = guide
        self.store = store
        self.client = client
        self.clock = clock
        self.ask = ask
        self.is_direct = is_direct
        self.told = told
        self.published: Published = {} if published is None else published
        self.known = Known() if known is None else known

    def session(self) -> "Session":
        """For one flow."""
        return Session(self)


class Session:
    """One flow under way."""

    def __init__(self, driver: Driver) -> None:
        """Of this driver."""
        self._driver = driver
        self._taken: dict[str, Purchase | Ask | Release] = {}

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        if self._taken:
            with suppress(Refusal):  # the lease lets go of it then; what was done is done
                self._driver.store.let_go(tuple(self._taken))

    def deliver(self, purchase: Purchase) -> None:
        """The payer has what was paid for; `after` is what is still owed for it."""
        self.leave(purchase)
        self._driver.store.deliver(purchase)

    def after(self, purchase: Purchase) -> Flow[bool | None]:
        """What a payer does once it has the page: the second half of a payment that has one."""
        return hand_over(self._driver.guide, purchase)

    def take(self, purchase: Purchase) -> None:
        """Say what becomes of one that another session has left."""
        self._taken[purchase.id] = purchase

    def leave(self, purchase: Purchase) -> None:
        """Somebody else says what becomes of it."""
        self._taken.pop(purchase.id, None)

    def tell(self, wait: Wait) -> None:
        """Tell the payer of a wait that somebody else has asked for."""
        if wait.throttled:
            self._driver.told(wait.delay_ms // 1000)

    def answer(self, command: Command) -> Any:
        """The answer to any command but the payer's own requests; any refusal of the store."""
        driver = self._driver
        match command:
            case Look():
                return At(now_s=driver.clock(), entropy=driver.entropy(ENTROPY_BYTES))
            case AskPayer(question=question):
                return driver.ask is not None and driver.ask(question)
            case Wait():
                self.tell(command)
                time.sleep(command.delay_ms / 1000)
                return None
            case AskMint(ask=ask):
                return self._ask_mint(ask)
            case SendRequest(request=request, leg="keys"):
                return self._published(request)
            case SendRequest(request=request, leg="private"):
                return self.enquire(request, SEALED_BYTES_MAX)
            case SendRequest(request=request):
                return self.enquire(request)
            case Recall() | Remember():
                return driver.known.do(command, driver.clock())
            case KeepPeer():
                driver.store.do(command)
                driver.guide = with_peer(driver.guide, command)
                return None
            case _:
                return self._remember(driver.store.do(command), command)

    def _remember(self, answer: Any, command: Command) -> Any:
        """Note what we hold, so that it can be let go."""
        held: list[Any] = [answer]
        if isinstance(answer, Unsettled):
            held = [answer.purchase]
        elif isinstance(command, TakeOver):
            held = list(answer)
        elif isinstance(answer, tuple):
            held = [item for part in answer if isinstance(part, tuple) for item in part]
        elif isinstance(command, FinishAsk):
            held = [command.following]
        for item in held:
            if isinstance(item, Purchase | Ask | Release):
                self._taken[item.id] = item
        return answer

    def enquire(self, request: Request, bytes_max: int = JSON_BYTES_MAX) -> Sent:
        """Send a request of the wallet's own; its JSON answer is read."""
        try:
            with self._driver.client.stream(
                request.method,
                request.url,
                headers=list(request.headers),
                content=request.body,
                timeout=TIMEOUT_S,
            ) as response:
                return heard(response, _read_bounded(response, bytes_max))
        except httpx.HTTPError as wrong:
            return Failed(reason=type(wrong).__name__)

    def _published(self, request: Request) -> Sent:
        """What a vendor publishes, as it was a while ago unless the request says `no-cache`."""
        known, now_s = self._driver.published, self._driver.clock()
        read_at_s, answer = known.get(request.url, (0, None))
        if answer is not None and now_s - read_at_s < KEYS_S and not request.headers:
            return answer
        fresh = self.enquire(request, SEALED_BYTES_MAX)
        if isinstance(fresh, Response) and fresh.status == 200:
            known[request.url] = (now_s, fresh)
        return fresh

    def _ask_mint(self, ask: Ask) -> Answered | Refused | Failed:
        request = mint_request(self._driver.guide, ask)
        try:
            with self._driver.client.stream(
                request.method,
                request.url,
                headers=list(request.headers),
                content=request.body,
                timeout=MINT_TIMEOUT_S,
            ) as response:
                body = _read_bounded(response, JSON_BYTES_MAX)
                after = response.headers.get("retry-after", "")
                return read_mint(response.status_code, body, after)
        except httpx.HTTPError as wrong:
            return Failed(reason=type(wrong).__name__)


def mint_request(guide: Guide, ask: Ask) -> Request:
    """What asks a mint, at its broker or at a vendor."""
    broker = guide.brokers[ask.broker_id]
    headers = [("Idempotency-Key", ask.id), ("Content-Type", "application/json")]
    base = ask.site + VENDOR_MINT_PATH
    if ask.asked.to == "broker":
        base = broker.url.rstrip("/")
        if not ask.asked.bearer:
            headers.append(("Authorization", f"Bearer {broker.token}"))
    return Request(
        method="POST",
        url=f"{base}/{OPERATION_PATHS[ask.asked.operation]}/{ask.scheme}",
        headers=tuple(headers),
        body=codec.canonical(ask.asked.message),
    )


def with_peer(guide: Guide, command: KeepPeer) -> Guide:
    """The guide, with one more broker that is reached through another."""
    brokers = reachable(guide.brokers, {command.broker_id: command.home_id})
    return msgspec.structs.replace(guide, brokers=brokers)


def read_mint(status: int, body: bytes, after: str = "") -> Answered | Refused | Failed:
    """What a mint said; `after` is its `Retry-After`."""
    if status == 200:
        try:
            return Answered(value=msgspec.convert(codec.read_json(body), Mintage).answer)
        except (msgspec.MsgspecError, Malformed):
            return Failed(reason="answer_malformed")
    try:
        problem = codec.read_open(body, Problem)
    except Malformed:
        return Failed(reason=f"status_{status}")
    refusal = errors.by_name(problem.refusal, problem.code, problem.detail)
    if problem.code in TOKEN_CODES:  # the mint has not looked at the ask
        return Refused(refusal=refusal, retry="later")
    retry = "same" if status >= 500 else problem.retry
    return Refused(refusal=refusal, retry=retry, after_s=after_s(after) or 0)


def _read_bounded(response: httpx.Response, bytes_max: int) -> bytes:
    """The body, cut where it is over the limit: then it is no JSON any more."""
    body = bytearray()
    for part in response.iter_bytes():
        body += part
        if len(body) > bytes_max:
            break
    return bytes(body[:bytes_max])


def heard(response: httpx.Response, body: bytes = b"") -> Response:
    """An answer as the flow reads it: every byte of a header is one character, whatever it means.

    httpx guesses an encoding for all of them together, and what a vendor signed was bytes.
    """
    return Response(
        status=response.status_code,
        url=str(response.url),
        headers=tuple(
            (name.decode("latin-1").lower(), value.decode("latin-1"))
            for name, value in response.headers.raw
        ),
        body=body,
    )


def has_json(response: httpx.Response) -> bool:
    """Whether the body is one that the flow reads: a refusal, not a page."""
    kind = response.headers.get("content-type", "")
    return response.status_code >= 400 and kind.startswith("application/problem+json")


def drive(flow: Flow[T], answer: Callable[[Command], Any]) -> T:
    """Run a flow to its end; a refusal of `answer` is thrown into it."""
    try:
        command = next(flow)
        while True:
            try:
                value = answer(command)
            except Refusal as refusal:
                command = flow.throw(refusal)
            else:
                command = flow.send(value)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        flow.close()
