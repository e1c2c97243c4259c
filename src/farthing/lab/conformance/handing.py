"""What is handed to another wallet: spent by its receiver, billed to its owner, ended in time."""

from farthing.errors import Refusal
from farthing.lab.conformance.cases import CASES, Inapplicable, require, require_equal
from farthing.lab.conformance.payer import Payer
from farthing.lab.conformance.stage import Play, Stage, require_bought
from farthing.schemes import registry
from farthing.wallet.address import NONCE_BYTES, new_address
from farthing.wallet.commands import Response
from farthing.wallet.grants import Grant
from farthing.wallet.handing import Wanted, hand_over, receive, withdraw

PAGES = 3
LASTS_S = 3_600


@CASES.add()
def handed_over(play: Play) -> None:
    """Who is handed a purse spends so much and no more, and its owner is billed for it."""
    with play.stage() as stage:
        agent, grant = _handed(stage)
        for is_new in (True, False):
            taken = agent.run_alone(receive(agent.guide(), agent.store.file, grant.token))
            require_equal(taken.is_new, is_new, "what is handed over twice is received once")
        stage.buy("of the owner")
        for number in range(PAGES):
            require_bought(agent.buy(stage.page(number)))
        require(_is_refused(agent, stage.page("more")), "there is no more in it")
        stage.settle_up()
        due_micro = (PAGES + 1) * stage.price_micro
        require_equal(stage.earned_micro, due_micro, "the vendor earns every page")
        require_equal(stage.spent_micro, due_micro, "and somebody pays for it")
        owed_micro = stage.bank.has_micro("credit", "agent")
        require_equal(owed_micro, 0, "who was handed it owes nothing")


@CASES.add()
def handed_to_another(play: Play) -> None:
    """A token that was found is worth nothing to whoever it was not for."""
    with play.stage() as stage:
        _, grant = _handed(stage)
        finder = stage.admit("finder", 0, credit_micro=0)
        try:
            finder.run_alone(receive(finder.guide(), finder.store.file, grant.token))
        except Refusal:
            require(_is_refused(finder, stage.page()), "it holds nothing")
            return
        require(held=False, rule="a token is sealed to its receiver")


@CASES.add()
def handed_and_withdrawn(play: Play) -> None:
    """What its owner has ended is taken no more once a gate has the list; before, it is billed."""
    with play.stage() as stage:
        agent, grant = _handed(stage)
        agent.run_alone(receive(agent.guide(), agent.store.file, grant.token))
        require_bought(agent.buy(stage.page("before")))
        owner = stage.payer
        owner.run_alone(withdraw(owner.guide(), owner.store.file, grant.id))
        names = stage.bank.engine.operations.listed(stage.scheme)
        stage.shop.learn_list(play.scheme.mint.published, names)
        with stage.unchanged("a payment with what was ended"):
            require(_is_refused(agent, stage.page("after")), "what was ended pays nothing")
        stage.settle_up()
        require_equal(stage.earned_micro, stage.price_micro, "what came before is earned")


def _handed(stage: Stage) -> tuple[Payer, Grant]:
    """A payer without money or credit, and what it was handed."""
    stage.require_exact()
    if not registry.by_name(stage.scheme).purse.shares:
        raise Inapplicable("its purse hands nothing over")
    agent, owner = stage.admit("agent", 0, credit_micro=0), stage.payer
    wanted = Wanted(
        url=stage.page(),
        amount_micro=PAGES * stage.price_micro,
        to=new_address(agent.store.file.vault, stage.room.entropy(NONCE_BYTES)),
        lasts_s=LASTS_S,
    )
    grant = owner.run_alone(hand_over(owner.guide(), owner.store.file, wanted))
    return agent, grant


def _is_refused(payer: Payer, url: str) -> bool:
    try:
        answer = payer.buy(url).answer
    except Refusal:
        return True
    return not isinstance(answer, Response) or answer.status != 200
