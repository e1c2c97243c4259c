"""Every kind of request that broker and gate answer, by route as their routers have them.

`test_lost_reply` holds the table against the routers.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from farthing.schemes import registry
from farthing.schemes.contract import Dialect, Offer
from farthing.vendor import endpoints
from farthing.wire import published
from tests.integration.crash.calls import BROKER_ID, Callers
from tests.integration.crash.errands import EARLY, Errands, can_clear_before
from tests.integration.crash.fleet import VENDOR
from tests.integration.crash.newcomers import Newcomers
from tests.integration.crash.place import Call
from tests.integration.crash.wares import AREAS, PRICE_MICRO


class Kind(NamedTuple):
    """A kind of request."""

    name: str
    make: Callable[[], Call]
    moves: bool = True
    """Whether its first arrival changes the books."""
    bodiless: bool = False


def broker_kinds(callers: Callers) -> dict[str, list[Kind]]:
    """By method and route."""
    read = partial(Kind, moves=False)
    both = ("millicent", "payword")
    return {
        "POST /accounts": [Kind("accounts", callers.open_account)],
        "POST /accounts/{account_id}": [Kind("change", callers.change_account)],
        "POST /topup": [Kind("topup", callers.top_up)],
        "POST /payout": [Kind("payout", callers.pay_out)],
        "POST /payouts/{payout_id}": [Kind("step payout", callers.step_payout)],
        "POST /issue/{scheme}": [Kind(f"issue {s}", partial(callers.issue, s)) for s in both],
        "POST /take-back/{scheme}": [
            Kind("cash out", callers.cash_out),
            Kind("revoke", callers.revoke),
        ],
        "POST /status/{scheme}": [Kind("survey", callers.survey)],  # its answer is stored
        "POST /grant/{scheme}": [Kind("grant", Newcomers(callers).grant)],
        "POST /redeem/{scheme}": [Kind(f"redeem {s}", partial(callers.redeem, s)) for s in both],
        "POST /vendors/{vendor_id}/grants/{scheme}": [Kind("batch", Newcomers(callers).buy_batch)],
        "POST /revoke/{scheme}": [Kind("hot list", callers.revoke_by_operator)],
        "POST /accounts/{account_id}/revoke": [Kind("stolen", Newcomers(callers).revoke_all)],
        "GET /payers/{name}": [read("who", callers.ask_who)],
        "GET /lists/{scheme}": [read("list", partial(callers.get, "broker", "/lists/payword"))],
        "POST /transfer": [Kind("transfer", callers.transfer)],
        "POST /verify": [read(f"verify {s}", partial(callers.verify, s)) for s in both],
        "POST /settle": [
            *(Kind(f"settle {s}", partial(callers.settle, s)) for s in both),
            *(Kind(f"reserve {s}", partial(callers.reserve, s)) for s in both),
        ],
        "POST /capture": [Kind(f"capture {s}", partial(callers.step, "/capture", s)) for s in both],
        "POST /void": [Kind(f"void {s}", partial(callers.step, "/void", s)) for s in both],
        "GET /supported": [read("supported", partial(callers.get, "broker", "/supported"))],
        "GET /payouts": [
            read("payouts", partial(callers.get, "broker", "/payouts", callers.operator))
        ],
        "GET /balance": [read("balance", partial(callers.get, "broker", "/balance", callers.pay))],
        "GET /statement": [
            read("statement", partial(callers.get, "broker", "/statement", callers.pay))
        ],
        "GET /.well-known/farthing-keys": [
            read("keys", partial(callers.get, "broker", "/.well-known/farthing-keys"))
        ],
        "GET /.well-known/farthing-books": [
            read("books", partial(callers.get, "broker", "/.well-known/farthing-books"))
        ],
        "GET /accounts": [
            read("list accounts", partial(callers.get, "broker", "/accounts", callers.operator))
        ],
        "GET /health": [read("health", partial(callers.get, "broker", "/health"))],
    }


def scheme_kinds(callers: Callers, errands: Errands, scheme: str) -> list[tuple[str, Kind]]:
    """What is asked about one scheme, by wallets and the vendor, with whose disk each may touch."""
    found: list[tuple[str, Kind]] = []
    for tried in errands.all(scheme):
        kind = Kind(tried.name, partial(errands.make, tried), moves=tried.moves)
        found.append((tried.to, kind))
        if tried.to == "gate" and tried.errand.name == EARLY:
            found.append(("broker", kind))

    def redeem() -> Call:
        return callers.of_vendor(f"/redeem/{scheme}", {"claims": errands.claims(scheme)})

    def shown(path: str) -> Call:
        return callers.of_vendor(path, callers.shown(scheme, errands.payload(scheme)))

    def step(path: str) -> Call:
        message = callers.shown(scheme, errands.payload(scheme), reserve={"atEnd": "void"})
        return callers.of_vendor(path, callers.hold(message))

    if registry.by_name(scheme).traits.moments != ("before",):
        found.append(("broker", Kind(f"{scheme}, redeem", redeem)))
    if can_clear_before(scheme):
        found += [
            ("broker", Kind(f"{scheme}, verify", partial(shown, "/verify"), moves=False)),
            ("broker", Kind(f"{scheme}, settle", partial(shown, "/settle"))),
            ("broker", Kind(f"{scheme}, capture", partial(step, "/capture"))),
            ("broker", Kind(f"{scheme}, void", partial(step, "/void"))),
        ]
    return found


def close(callers: Callers) -> Call:
    """To the vendor: what was prepaid for it is not wanted any more."""
    offer = Offer(
        scheme="tick",
        price_micro=PRICE_MICRO,
        currency="eur",
        vendor_id=VENDOR,
        broker_id=BROKER_ID,
        broker_url="",
        settlement="deferred",
        terms={"opening": "prepaid", "unitMicro": PRICE_MICRO},
    )
    prepaid = callers.load("tick", offer)
    asked = callers.purse("tick").give_back(prepaid, callers.at())
    return callers._mint("take-back", "tick", asked)


def gate_kinds(callers: Callers) -> dict[str, list[Kind]]:
    """By method and door; a page stands for every priced route."""
    read = partial(Kind, moves=False)
    dialects: tuple[Dialect, ...] = ("mpp", "x402")
    pages = [
        Kind(f"{area} {scheme} {dialect}", partial(callers.page, scheme, dialect, area))
        for scheme in ("millicent", "payword")
        for dialect in dialects
        for area in AREAS
        if area != "soon"  # its claim moves the books by itself, a moment after the answer
    ]
    head = partial(callers.page, "millicent", "mpp", "pages", "HEAD")
    return {
        "GET page": [*pages, Kind("head", head, bodiless=True)],
        f"POST {published.OUTCOME_PATH}": [
            read(f"outcome {s}", partial(callers.outcome, s)) for s in ("millicent", "payword")
        ],
        f"POST {published.PRIVATE_PATH}": [
            Kind(f"private {area}", partial(callers.private, area))
            for area in ("pages", "sure", "kept")
        ],
        f"POST {endpoints.PREFIX}take-back/millicent": [Kind("burn", callers.give_back)],
        f"POST {endpoints.PREFIX}take-back/tick": [Kind("close", partial(close, callers))],
        f"POST {endpoints.PREFIX}issue/millicent": [Kind("renew", callers.renew)],
        f"GET {published.KEYS_PATH}": [
            read("gate keys", partial(callers.get, "gate", published.KEYS_PATH))
        ],
        f"GET {published.PRICES_PATH}": [
            read("prices", partial(callers.get, "gate", published.PRICES_PATH))
        ],
    }
