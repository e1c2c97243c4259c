"""What programs of ours hear from others' programs: answers of vendors, brokers and peers."""

import io
from contextlib import suppress
from typing import Any

import httpx
import msgspec

from farthing import codec
from farthing.broker import courier
from farthing.broker.web import problem_of
from farthing.cli import calling, fetching
from farthing.errors import Denied, Forged, Malformed, Refusal, Unavailable
from farthing.lab.conformance.hand import Hand
from farthing.lab.conformance.room import START_S
from farthing.vendor import broker_client, clearing, reserving
from farthing.wallet import (
    account,
    choice,
    driver,
    patience,
    peering,
    refunds,
    reissuing,
    reply,
    settling,
)
from farthing.wallet.choice import Guide
from farthing.wallet.commands import Broker, Request, Response
from farthing.wallet.fetching import Fetched
from farthing.wire import receipts
from tests.fuzz.heard import bought, fresh, names, said
from tests.fuzz.parser import Parser, given
from tests.fuzz.published import finished
from tests.fuzz.schemes import CONDITIONS
from tests.kit.fetched import unpaid

PROBLEM = problem_of(Denied("policy_denied", "ask the vendor", reference="abc"))[2]
PROBLEMS = (PROBLEM, problem_of(Unavailable("broker_unreachable", "later"))[2])
BROKER = Broker(id="broker", url="https://broker.example", token="t", account="ann", currency="eur")


def parsers() -> list[Parser]:
    """Their rows."""
    return [*_wallet(), *_at_the_broker(), *_vendor(), *_peers()]


# --- wallet: what a site answers ----------------------------------------------------------------


def _wallet() -> list[Parser]:
    return [
        Parser("wallet.choice.read_offers", _offers, _answers_402),
        Parser("wallet.choice.choose", _chosen, _offered),
        Parser("wallet.settling.receipt_in", _receipt_in, _answers_200),
        Parser("wallet.settling.outcome", _outcome, _outcomes),
        Parser("wallet.reply.checking", _checked, _answers_200),
        Parser(
            "wallet.refunds.Found",
            lambda raw: codec.read_open(raw, refunds.Found),
            given('{"state":"confirmed","refund":{"scrip":{}}}', '{"state":"released"}'),
        ),
    ]


def response_of(raw: bytes) -> Response:
    """An answer as `httpx` hears it: a status, lines of headers, an empty line, the body."""
    head, _, body = raw.partition(b"\n\n")
    status, *lines = head.split(b"\n")
    pairs = [line.partition(b": ") for line in lines]
    headers = [(name, value) for name, _, value in pairs if name]
    number = int(status) if status.isdigit() and len(status) == 3 else 200
    answer = httpx.Response(
        number, headers=headers, request=httpx.Request("GET", "https://news.example/200/a")
    )
    return driver.heard(answer, body)


def raw_of(answer: Response) -> bytes:
    """The same in bytes."""
    lines = [f"{name}: {value}" for name, value in answer.headers]
    return "\n".join([str(answer.status), *lines, "", ""]).encode("latin-1") + answer.body


def _answers_402() -> tuple[bytes, ...]:
    found = []
    for name in names():
        stage = fresh(name)
        found.append(raw_of(Hand(stage).ask(stage.page("fuzz"))))
    return tuple(found)


def _offers(raw: bytes) -> Any:
    return choice.read_offers(response_of(raw), START_S)


def _offered() -> tuple[bytes, ...]:
    """Offers with everything that may stand in their terms."""
    found = []
    for name in names():
        stage = fresh(name)
        offer = Hand(stage).received(stage.page("fuzz")).offer
        for terms in (offer.terms, offer.terms | CONDITIONS):
            found.append(codec.canonical(terms))
    return tuple(found)


def _chosen(raw: bytes) -> Any:
    terms = codec.read_json(raw)
    if not isinstance(terms, dict):
        raise Malformed("terms_malformed", "terms are an object")
    found = None
    for name in names():
        stage = fresh(name)
        request = Request(method="GET", url=stage.page("fuzz"))
        received = Hand(stage).received(request.url)
        offer = msgspec.structs.replace(received.offer, terms=terms)
        received = msgspec.structs.replace(received, offer=offer)
        found = choice.choose(stage.payer.guide(), request, (received,), stage.room.now_s)
    return found


def _bought() -> list[tuple[Guide, Fetched]]:
    """A page of each scheme that was paid for, and whoever paid."""
    return [(fresh(name).payer.guide(), bought(name)) for name in names()]


def _answers_200() -> tuple[bytes, ...]:
    answers = [one.answer for _, one in _bought()]
    return tuple(raw_of(answer) for answer in answers if isinstance(answer, Response))


def _receipt_in(raw: bytes) -> Any:
    """Read, written into the wallet's file, and looked at as the answer's problem."""
    answer = response_of(raw)
    receipt = settling.receipt_in(answer)
    patience.problem_of(answer)
    patience.pause_ms(answer, 1)
    return None if receipt is None else codec.canonical(receipts.to_json(receipt))


def _outcomes() -> tuple[bytes, ...]:
    found = [b'{"state":"released"}', PROBLEM]
    for raw in said("receipt")[:3]:
        with suppress(Malformed):
            receipt = codec.read_json(codec.unb64u(raw.decode()))
            found.append(codec.canonical({"state": "confirmed", "receipt": receipt}))
    return tuple(found)


def _outcome(raw: bytes) -> Any:
    answers = [
        Response(status=status, url="https://news.example/", headers=(), body=raw)
        for status in (404, 200)
    ]
    return [settling._finding_in(answer) for answer in answers]


def _checked(raw: bytes) -> Any:
    """Whether the page came as it was sent: its head, then its body."""
    answer = response_of(raw)
    found = None
    for guide, one in _bought():
        if one.purchase is None:
            continue
        with suppress(Forged):  # somebody else's page
            found = reply.checking(guide, one.purchase, answer)
            if found is not None:
                found.add(answer.body)
                found.require()
    return found


# --- wallet and operator: what a broker answers -------------------------------------------------


def _at_the_broker() -> list[Parser]:
    return [
        Parser("wallet.driver.read_mint", _mint_answer, _mint_answers),
        Parser(
            "wallet.reissuing.Comeback",
            lambda raw: reissuing._COMEBACK.convert(codec.read_json(raw)),
            given('{"serial":"t_1","restAtS":1795262640,"restMicro":600,"returnedMicro":1200}'),
        ),
        Parser(
            "wallet.account.balance",
            lambda raw: _called(raw, lambda client: account.balance(client, BROKER.url, "t")),
            given('{"id":"ann","currency":"eur","payerMicro":100,"owedMicro":0}'),
        ),
        Parser(
            "wallet.account.find_broker_id",
            lambda raw: _called(raw, lambda client: account.find_broker_id(client, BROKER.url)),
            given('{"broker":"broker","state":"up"}'),
        ),
        Parser("wallet.account.problem", _problem, given(PROBLEM)),
        Parser(
            "wallet.peering.peers",
            _peers_of,
            given('{"broker":"broker","peers":["far"],"keys":[]}', '{"broker":"broker"}'),
        ),
        Parser(
            "cli.calling.read_answer",
            lambda raw: calling.read_answer(200, raw),
            given('{"id":"ann"}', "[]", '"text"'),
        ),
        Parser("cli.calling.read_answer-refused", _refused, given(PROBLEM)),
        Parser("cli.fetching.refused", _shown, given(PROBLEM)),
    ]


def _mint_answers() -> tuple[bytes, ...]:
    return (*said("broker issue answer", "broker take_back answer")[:4], *PROBLEMS)


def _mint_answer(raw: bytes) -> Any:
    return [driver.read_mint(status, raw) for status in (200, 403, 503)]


def _called(raw: bytes, call: Any) -> Any:
    with _client(200, raw) as client:
        return call(client)


def _client(status: int, raw: bytes) -> httpx.Client:
    return httpx.Client(
        transport=httpx.MockTransport(lambda _: httpx.Response(status, content=raw))
    )


def _problem(raw: bytes) -> Any:
    """A refusal that is raised is what was said: only then was it not understood."""
    with _client(403, raw) as client:
        try:
            account.balance(client, BROKER.url, "t")
        except Unavailable:
            raise
        except Refusal as refusal:
            return str(refusal)


def _peers_of(raw: bytes) -> Any:
    flow = peering._peers_of(BROKER)
    next(flow)
    with suppress(StopIteration):
        flow.send(Response(status=200, url=BROKER.url, headers=(), body=raw))


def _refused(raw: bytes) -> Any:
    try:
        return calling.read_answer(403, raw)
    except Unavailable:
        raise
    except Refusal as refusal:
        return str(refusal)


def _shown(raw: bytes) -> Any:
    """Printable, whatever a vendor wrote."""
    page = unpaid(403, ("content-type", "application/problem+json"))
    refused = fetching._refused(page, io.BytesIO(raw))
    told = "" if refused is None else f"{refused.code}: {refused.detail}"
    assert told.isprintable(), told
    return told


# --- vendor: what its broker answers ------------------------------------------------------------


def _vendor() -> list[Parser]:
    return [
        Parser("vendor.broker_client.value", _value, given('{"results":[]}', "1.5", "[null]")),
        Parser("vendor.broker_client.problem_of", _problem_in, given(*PROBLEMS)),
        Parser(
            "vendor.clearing.results",
            _results,
            given('[{"state":"paid","paidMicro":200}]', '[{"state":"refused","code":"a"}]'),
        ),
        Parser("vendor.reserving.reserved", _reserved, _settlements),
    ]


def _value(raw: bytes) -> Any:
    return broker_client._value(200, raw)


def _problem_in(raw: bytes) -> Any:
    return [broker_client.problem_of(raw, status) for status in (403, 502)]


class _Redeemer:
    """A broker that answers a batch with this."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    async def redeem(self, scheme: str, batch_id: str, claims: list[Any]) -> Any:
        """The one answer."""
        return self._answer


def _results(raw: bytes) -> Any:
    return finished(clearing.show("payword", _Redeemer(_value(raw)), [{}]))


def _settlements() -> tuple[bytes, ...]:
    return said("broker settle answer", "broker capture answer")[:4]


def _reserved(raw: bytes) -> Any:
    return reserving._reserved(_value(raw))


# --- broker: what a peer answers ----------------------------------------------------------------


def _peers() -> list[Parser]:
    return [
        Parser(
            "broker.courier.answer",
            lambda raw: codec.read_open(raw, courier._Answer),
            lambda: said("broker issue answer")[:2],
        ),
        Parser("broker.courier.refusal_in", _peer_refusal, given(*PROBLEMS)),
    ]


def _peer_refusal(raw: bytes) -> Any:
    return str(courier._refusal_in(raw, "https://far.example"))
