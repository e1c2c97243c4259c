"""The doors of a gate and of a broker, whole: what comes in is answered, whatever it is."""

from collections.abc import Callable
from inspect import signature
from typing import Any, get_args

from litestar.handlers import HTTPRouteHandler

from farthing import codec
from farthing.broker import api, peer_api, revoking_api, web
from farthing.errors import Malformed, Refusal, TooLarge
from farthing.lab.conformance.shop import Shop
from farthing.lab.conformance.stage import Stage
from farthing.vendor.endpoints import PREFIX
from farthing.wallet.commands import Request, Response
from farthing.wire import published
from tests.fuzz.heard import bought, conversations, fresh, names, said
from tests.fuzz.parser import Honest, Parser, given, text

BODIES: dict[str, tuple[str, ...]] = {
    "OpenAccount": (
        '{"id":"ann","role":"payer","props":"age=18"}',
        '{"id":"news","role":"vendor"}',
    ),
    "TopUp": ('{"amountMicro":100,"payer":"ann","reference":"RF1"}',),
    "PayOut": ('{"amountMicro":10000,"role":"payer"}',),
    "PayoutStep": ('{"state":"confirmed"}',),
    "Batch": ('{"claims":[{"a":1}]}',),
    "Revocation": ('{"name":"abc"}',),
    "AddPeer": ('{"id":"far","token":"t","url":"https://far.example"}',),
    "PeerPayment": ('{"amountMicro":100,"reference":"RF1"}',),
}
"""Honest bodies by the type of the route; a route of a new type fails until it has one."""
TRANSFER = b'{"amountMicro":100,"id":"%s","to":"vendor/news"}' % (b"0" * 32)


def parsers() -> list[Parser]:
    """Their rows."""
    return [*_gate(), *_bodies(), *_facilitator(), *_headers()]


# --- gate ---------------------------------------------------------------------------------------


def _gate() -> list[Parser]:
    return [
        Parser("gate.authorization", _paying("Authorization"), _credentials("Payment ")),
        Parser("gate.payment-signature", _paying("PAYMENT-SIGNATURE"), _credentials("eyJ")),
        Parser("gate.accept-payment", _paying("Accept-Payment"), given("millicent/charge;q=0.5")),
        Parser("gate.outcome", _posting(published.OUTCOME_PATH), _questions),
        Parser("gate.private", _private, lambda: said("envelope")[:4]),
        *(
            Parser(f"gate.mint.{name}", _posting(f"{PREFIX}take-back/{name}"), _returns(name))
            for name in names()
        ),
    ]


def _credentials(head: str) -> Honest:
    return lambda: tuple(raw for raw in said("payment") if raw.startswith(head.encode()))[:4]


def _questions() -> tuple[bytes, ...]:
    for name in names():
        bought(name)
    return tuple(raw for name in names() for raw in fresh(name).line.heard("question"))


def _returns(name: str) -> Honest:
    return lambda: tuple(
        raw
        for heard in conversations(name)[:1]
        for raw in heard.stage.line.heard("vendor take_back")
    )


def _paying(header: str) -> Callable[[bytes], Any]:
    """A request for a page with this header, as a server hands it on: bytes as Latin-1."""

    def read(raw: bytes) -> Any:
        value = raw.decode("latin-1")
        return [_served(stage.shop, stage.page("fuzz"), header, value) for stage in _stages()]

    return read


def _stages() -> list[Stage]:
    return [fresh(name) for name in names()]


def _served(shop: Shop, url: str, header: str, value: str) -> Response:
    return _heard(shop.serve(Request(method="GET", url=url, headers=((header, value),))))


def _posting(path: str) -> Callable[[bytes], Any]:
    def read(raw: bytes) -> Any:
        return [
            _heard(stage.shop.serve(Request(method="POST", url=stage.shop.site + path, body=raw)))
            for stage in _stages()
        ]

    return read


def _heard(answer: Response) -> Response:
    """Every answer has its reason; a fault of our own is none."""
    assert answer.status != 500, answer.body
    if answer.status >= 400:
        problem = codec.read_json(answer.body)
        assert isinstance(problem, dict), problem
        assert problem["code"], problem
    return answer


def _private(raw: bytes) -> Any:
    """At every stage that sells in private, in the time in which the envelope was sealed."""
    found = None
    for name in names():
        for heard in conversations(name):
            shop = heard.stage.shop
            if shop.till.is_private:
                url = shop.site + published.PRIVATE_PATH
                found = _heard(shop.serve(Request(method="POST", url=url, body=raw)))
    return found


# --- broker -------------------------------------------------------------------------------------


def _bodies() -> list[Parser]:
    """A row for each type that a route of the API takes."""
    kinds: dict[str, Any] = {}
    for module in (api, peer_api, revoking_api):
        for handler in vars(module).values():
            if isinstance(handler, HTTPRouteHandler):
                data = signature(handler.fn).parameters.get("data")
                if data is not None:
                    kind = get_args(data.annotation)[0]
                    kinds[getattr(kind, "__name__", "Any")] = kind
    return [
        Parser(f"broker.api.{name}", _body(kind), given(*BODIES.get(name, ("{}",))))
        for name, kind in kinds.items()
    ]


def _body(kind: Any) -> Callable[[bytes], Any]:
    return lambda raw: api.read_body(raw, kind)


def _facilitator() -> list[Parser]:
    return [
        Parser("broker.fast.verify", called("verify", "vendor"), lambda: said("broker settle")[:4]),
        Parser("broker.fast.capture", called("capture", "vendor"), _captures),
        Parser("broker.fast.void", called("void", "vendor"), _captures),
        Parser("broker.fast.transfer", called("transfer", "payer"), given(TRANSFER)),
    ]


def _captures() -> tuple[bytes, ...]:
    return said("broker capture")[:4]


def called(call: str, role: str) -> Callable[[bytes], Any]:
    """A parser that posts its input to a plain route of a broker, as this role."""

    def read(raw: bytes) -> Any:
        stage = fresh(names()[0])
        who = stage.shop.id if role == "vendor" else stage.payer.id
        bank = stage.bank
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": raw}

        async def send(event: Any) -> None:
            sent.append(event)

        token = f"Bearer {bank._tokens[who]}".encode()
        scope = {
            "type": "http",
            "method": "POST",
            "path": f"/{call}",
            "headers": [(b"authorization", token), (b"idempotency-key", b"k")],
        }
        stage.room.wait_for(bank._facilitator(scope, receive, send))
        assert sent[0]["status"] != 500, sent
        return codec.read_json(sent[1]["body"])

    return read


def _headers() -> list[Parser]:
    return [
        Parser("broker.web.bearer", lambda raw: web.bearer(text(raw)), given("Bearer ft_abc")),
        Parser("broker.web.key_of", lambda raw: web.key_of(text(raw)), given("key-1")),
        Parser("broker.people.caller", _caller, given("ft_abc")),
    ]


def _caller(raw: bytes) -> Any:
    """A token that nobody has is denied, whatever it looks like."""
    try:
        return fresh(names()[0]).bank.engine.people.caller(raw.decode("latin-1"))
    except (Malformed, TooLarge):
        raise
    except Refusal:
        return None
