"""Two brokers: a payer with an account at one, and a vendor whose pages another clears."""

import httpx

from farthing import codec
from farthing.broker.peers import AddPeer
from farthing.broker.web import problem_of
from farthing.errors import Refusal
from farthing.lab.conformance.bank import Bank
from farthing.lab.conformance.cases import CASES, Inapplicable, require, require_equal
from farthing.lab.conformance.payer import Payer
from farthing.lab.conformance.stage import FUNDS_MICRO, Play, Stage
from farthing.schemes.contract import Operation
from farthing.wallet.commands import KeepPeer

HOME, ACCOUNT = "home", "home-there"
"""The payer's broker, and what it is called at the vendor's."""
OPERATIONS: dict[str, Operation] = {"issue": "issue", "take-back": "take_back"}


class Post(httpx.AsyncBaseTransport):
    """From one broker to another, as its HTTP interface answers."""

    def __init__(self, there: Bank) -> None:
        """To `there`."""
        self._there = there

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One message of an account that is known to be the other broker's."""
        there, parts = self._there, request.url.path.strip("/").split("/")
        if request.method == "GET":
            told = {
                "broker": there.id,
                "currency": there.currency,
                "payerMicro": there.has_micro("payer", ACCOUNT),
            }
            return httpx.Response(200, json=told)
        try:
            body = await there.operation(
                parts[1],
                OPERATIONS[parts[0]],
                codec.read_json(request.content),
                ACCOUNT,
                request.headers["idempotency-key"],
            )
        except Refusal as refusal:
            status, _, problem = problem_of(refusal)
            return httpx.Response(status, content=problem)
        return httpx.Response(200, content=body)


def with_home(stage: Stage) -> tuple[Bank, Payer]:
    """A second broker, which has an account at the stage's, and a payer who knows only it."""
    stage.bank.admit(ACCOUNT, "payer", credit_limit_micro=0)
    stage.bank.top_up(ACCOUNT, FUNDS_MICRO)
    home = Bank(stage.room, HOME, transport=Post(stage.bank), keys=())
    home.watch = stage.refusals.append
    peer = AddPeer(id=stage.bank.id, url=stage.bank.url, token=ACCOUNT)
    stage.room.wait_for(home.engine.peers.add(peer, "peer"))
    home.admit("abe", "payer")
    home.top_up("abe", FUNDS_MICRO)
    payer = Payer(
        stage.room,
        home,
        stage.line,
        "abe",
        scheme=stage.scheme,
        shops=stage.shops,
        dialect=stage.dialect,
        load_micro=10 * stage.price_micro,
    )
    payer.store.do(KeepPeer(broker_id=stage.bank.id, home_id=HOME))
    return home, payer


@CASES.add("buy", "return")
def resold(play: Play, what: str) -> None:
    """Spending power of another broker is sold and taken back where the traits say so."""
    if not play.traits.resold and what == "return":
        raise Inapplicable("its traits say that no broker sells it for another")
    with play.stage() as stage:
        home, stage.payer = with_home(stage)
        if not play.traits.resold:
            with stage.unchanged("a payment through another broker"):
                require(not _buys(stage), "its traits say that no broker sells it for another")
        else:
            stage.buy()
            if what == "return":
                _give_all_back(stage, home)
            stage.shop.clear()
            require_equal(stage.earned_micro, stage.price_micro, "the vendor earns its page")
        there_micro = stage.bank.has_micro("payer", ACCOUNT)
        owed_micro = -home.has_micro("peer", stage.bank.id)
        require_equal(FUNDS_MICRO - there_micro, owed_micro, "both brokers count the same")
        home.require_sound()
        home.close()


def _buys(stage: Stage) -> bool:
    try:
        return stage.payer.buy(stage.page()).purchase is not None
    except Refusal:
        return False


def _give_all_back(stage: Stage, home: Bank) -> None:
    guide = stage.payer.guide()
    require(stage.bank.id in guide.brokers, "the wallet knows the way", sorted(guide.brokers))
    for held in stage.payer.book.held():
        flow = stage.payer.returning(held.broker_id, held.site, held.instrument)
        require(stage.payer.run_alone(flow) is not None, "it is given back")
    require_equal(stage.payer.held_micro(), 0, "nothing is left in the wallet")
    paid_micro = FUNDS_MICRO - home.has_micro("payer", "abe")
    require_equal(paid_micro, stage.price_micro, "the rest came back through the payer's broker")
