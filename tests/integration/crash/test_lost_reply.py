"""An answer that is lost on the way is given again to the same request, and nothing moves twice.

Every route of broker and gate, each answer cut in three places, asked again on a new connection,
twice on that and once more on another, and again after both parties were killed and started anew.
In CI every other kind of request has its turn, by the seed.
"""

import hashlib
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import apsw
import msgspec
import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from farthing.broker.app import Broker, asgi_app
from farthing.broker.cashu.routes import PREFIX, Routes
from farthing.broker.fast import Fast
from farthing.broker.front import Front
from farthing.errors import Refusal, Unsupported
from farthing.schemes.contract import Account, At, Mint, Operation
from farthing.vendor import endpoints
from farthing.vendor.app import Vendor
from farthing.wire import published
from tests.integration.crash.calls import Callers
from tests.integration.crash.coins import coin_kinds
from tests.integration.crash.errands import Errands
from tests.integration.crash.fleet import Fleet
from tests.integration.crash.kinds import Kind, broker_kinds, gate_kinds, scheme_kinds
from tests.integration.crash.middle import Cut, Message, Middle, ask, ask_in_vain
from tests.integration.crash.neighbour import Neighbour, with_neighbour
from tests.integration.crash.place import Call
from tests.integration.crash.sizes import seed, size
from tests.kit.turns import IS_CI, schemes_in_turn

STORES = {"broker": Path("broker/broker.db"), "gate": Path("gate/marks.db")}
# Not the books: an index brought up to date by whoever reads it, and blocks of serials that a
# process takes when it first needs one.
LISTED = ("'list/", "/list'", "/revoked/")  # a list that was fetched, its state, its names
UNCOUNTED = {"lines", "settings", "serials"}
STICKS = {"ikp", "netcard"}  # closed where they were authorised and paid with: conformance has it
STAMPED = {"issuedAtS", "nextUpdateS", "sig"}  # of documents that say when they were signed


class Sent(NamedTuple):
    """A request that was answered, in full or not."""

    kind: Kind
    cut: Cut
    call: Call
    got: bytes
    """What came of the first answer."""
    answer: Message | None
    """The answer to the same request again; None where it was not asked again yet."""


def books(fleet: Fleet) -> dict[str, str]:
    """A digest of everything that broker and gate have written down, by table."""
    found: dict[str, str] = {}
    for party, path in STORES.items():
        db = apsw.Connection(str(fleet.folder / path), flags=apsw.SQLITE_OPEN_READWRITE)
        tables = [
            name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")
        ]
        for table in tables:
            if table not in UNCOUNTED and not table.startswith("sqlite_"):
                selected = db.execute(f"SELECT * FROM {table}")  # noqa: S608 - its own names
                rows = sorted(row for row in map(repr, selected) if not is_listed(party, row))
                digest = hashlib.sha256("\n".join(rows).encode()).hexdigest()
                found[f"{party} {table}"] = digest
        db.close()
    return found


def is_listed(party: str, row: str) -> bool:
    """Whether this is from the broker's lists, which a gate fetches when it starts."""
    return party == "gate" and any(part in row for part in LISTED)


def lasting(call: Call, message: Message) -> tuple[bytes, list[bytes], object]:
    """What must not differ between two answers to one request."""
    first, headers, body = message.lasting
    if call.read is not bytes:
        return first, headers, call.read(body)
    if b'"issuedAtS"' in body:
        return (
            first,
            headers,
            {k: v for k, v in msgspec.json.decode(body).items() if k not in STAMPED},
        )
    return first, headers, body


def require_same(sent: Sent, answers: list[Message]) -> None:
    """Every answer is the first one, as far as that got."""
    told = f"{sent.kind.name}, cut {sent.cut.value}"
    expected = sent.answer or answers[0]
    for answer in answers:
        assert 200 <= answer.status < 300, f"{told}: {answer.raw!r}"
        assert lasting(sent.call, answer) == lasting(sent.call, expected), told
    head, parted, body = sent.got.partition(b"\r\n\r\n")
    if parted and b'"issuedAtS"' not in expected.body:
        assert Message(head + parted, b"").lasting[:2] == expected.lasting[:2], told
        assert sent.call.read is not bytes or expected.body.startswith(body), told


def lose(middles: dict[str, Middle], kind: Kind, cut: Cut, call: Call) -> Sent:
    """Send a new request of this kind, whose answer is cut."""
    middle = middles[call.to]
    middle.script.append(cut)
    return Sent(kind, cut, call, ask_in_vain(middle.port, call.request), None)


def again(callers: Callers, sent: Sent) -> Sent:
    """The same request on a new connection, twice, and on another."""
    port = callers.port(sent.call.to)
    answers = ask(port, sent.call.request, 2) + ask(port, sent.call.request)
    require_same(sent, answers)
    return sent._replace(answer=answers[0])


def cuts_of(kind: Kind) -> list[Cut]:
    return [Cut.NOTHING, Cut.HEAD] if kind.bodiless else list(Cut)


def try_kind(fleet: Fleet, callers: Callers, middles: dict[str, Middle], kind: Kind) -> list[Sent]:
    """Every cut, asked again at once, and once more for after the restart."""
    found: list[Sent] = []
    for cut in cuts_of(kind):
        late, call = lose(middles, kind, cut, kind.make()), kind.make()
        before = books(fleet)
        soon = lose(middles, kind, cut, call)
        after = books(fleet)
        assert (before != after) == kind.moves, f"{kind.name}: what was it to move?"
        found += [late, again(callers, soon)]
        assert books(fleet) == after, f"{kind.name} again, cut {cut.value}"
    return found


def in_order(table: dict[str, list[Kind]]) -> list[Kind]:
    """What only reads comes last, when all that its answers depend on has been moved."""
    reading = {route for route in table if route.startswith("GET ") and route != "GET page"}
    routes = sorted(table, key=lambda route: route in reading)
    return [kind for route in routes for kind in table[route]]


def of_schemes(callers: Callers, errands: Errands) -> list[Kind]:
    """What is asked about the scheme whose turn it is, by its wallets and its vendor; or of all."""
    schemes = schemes_in_turn()[:1] if IS_CI else schemes_in_turn()
    asked = [scheme_kinds(callers, errands, scheme) for scheme in schemes]
    return list({kind.name: kind for found in asked for _, kind in found}.values())


def in_turn(kinds: list[Kind]) -> list[Kind]:
    """Those whose turn it is."""
    turn, every = seed(), size().every
    return [kind for number, kind in enumerate(kinds) if number % every == turn % every]


def broker_routes(folder: Path) -> set[str]:
    Broker.init(folder, broker_id="demo-broker", currency="eur", url="http://127.0.0.1:1")
    broker = Broker.open(folder)
    try:
        front = asgi_app(broker)
        assert isinstance(front, Front)
        fast = front._app
        assert isinstance(fast, Fast)
        rest = fast._rest
        assert isinstance(rest, Litestar)
        found = {f"POST {path}" for path in fast._routes} | {"GET /supported"}
        for route in rest.routes:
            if isinstance(route, HTTPRoute) and not route.path.startswith("/schema"):
                found |= {f"{m} {route.path_format}" for m in route.methods if m != "OPTIONS"}
        found |= coin_routes(fast._cashu)
    finally:
        broker.close()
    return found


def coin_routes(cashu: Routes) -> set[str]:
    """Those of every unit's mint, which are alike."""
    found: set[str] = set()
    for unit in cashu._units.values():
        found |= {f"GET {path}" for path in unit.gets}
        found |= {f"GET {path}/{{name}}" for path in unit.gets_of}
        found |= {f"POST {path}" for path in (*unit.posts, *unit.of_accounts)}
    return {route.replace(" ", f" {PREFIX}{{unit}}/") for route in found}


def gate_doors(folder: Path) -> set[str]:
    """What `published` names, and the vendor's mints."""
    paths = {
        path
        for name, path in vars(published).items()
        if name.endswith("_PATH") and path.startswith(published.WELL_KNOWN)
    }
    vendor = Vendor(folder)
    mints = {
        f"POST {endpoints.PREFIX}{path}/{scheme}"
        for scheme, mint in vendor.doors._mints.items()
        for path, operation in endpoints.OPERATIONS.items()
        if scheme not in STICKS and has(mint, operation)
    }
    vendor.store.close()
    asked = {published.OUTCOME_PATH, published.PRIVATE_PATH}
    paths.remove(published.STREAMS_PATH)  # a top-up is bought as a page is: conformance has it
    doors = {f"GET {path}" for path in paths - asked} | {f"POST {path}" for path in asked}
    return doors | mints | {"GET page"}


def has(mint: Mint, operation: Operation) -> bool:
    """Whether it has this operation at all."""
    try:
        mint.check(operation, {}, Account(id="", role="payer"), At(now_s=0))
    except Unsupported:
        return False
    except Refusal:
        return True
    return True


@pytest.mark.timeout(1_800)  # the full suite's
def test_a_lost_answer_is_given_again_and_has_one_effect(tmp_path: Path) -> None:
    with Fleet(tmp_path, quiet=True) as fleet, ExitStack() as stack:
        callers = Callers(fleet)
        middles = {party: stack.enter_context(Middle(callers.port(party))) for party in STORES}
        neighbour = stack.enter_context(Neighbour(fleet, callers))
        table = with_neighbour(broker_kinds(callers), neighbour) | gate_kinds(callers)
        table |= coin_kinds(callers)
        routed = broker_routes(tmp_path / "another") | gate_doors(tmp_path / "gate")
        assert set(table) == routed, "a new route needs its row in kinds.py or coins.py"
        errands = Errands(fleet, callers, lambda: books(fleet))
        kinds = in_turn([*of_schemes(callers, errands), *in_order(table)])
        sent = [one for kind in kinds for one in try_kind(fleet, callers, middles, kind)]
        held = books(fleet)
        for party in (fleet.broker, fleet.gate):
            party.kill()
            print(f"{party.name} up after {party.revive():.2f} s")  # noqa: T201 - a figure
        for one in sent:
            again(callers, one)
        assert books(fleet) == held, "asked again after the restart"
        print(f"{len(kinds)} kinds of requests, {len(sent)} lost answers")  # noqa: T201 - likewise
