"""Messages that were changed on their way: a byte, a field, a length, a name.

One rule for all of them: what was changed is refused and changes nothing, or (an order by its own
account) is another order of the same payer, which is charged for it and nobody else. The bit that
is turned in each byte follows from the seed.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from farthing import codec
from farthing.errors import Refusal
from farthing.lab.conformance.cases import CASES, Inapplicable, require, require_equal
from farthing.lab.conformance.changing import WAYS, flipped
from farthing.lab.conformance.hand import (
    Hand,
    Paused,
    code_of,
    credential_of,
    with_credential,
)
from farthing.lab.conformance.repeating import give_back, require_claims
from farthing.lab.conformance.stage import Play, Stage, require_bought, require_same
from farthing.schemes.contract import Accepted, Asked, Need, Operation
from farthing.vendor.gate import RECEIPT_KEY
from farthing.wallet.commands import Purchase, Request, Response
from farthing.wallet.envelope import opened
from farthing.wallet.settling import outcome_request, require_receipt
from farthing.wire import mpp, receipts

LARGER_MAX = 10  # a mint may sell more than was asked for, as a warehouse does; never much more
OFFERS_MIN = 100  # of the changed offers: so many must have been ones that a purse answers

PAYMENTS = [f"{which} payment, {way}" for which in ("first", "later") for way in WAYS]


@CASES.add(*PAYMENTS)
def tampered(play: Play, what: str) -> None:
    """A payment in which anything is changed is refused, and the right one is taken after it."""
    which, _, way = what.partition(" payment, ")
    with play.stage() as stage:
        stage.shop.require_proved()
        if which == "later":
            stage.buy("before")
        had_micro = stage.shop.charged_micro()
        paused = Paused(stage.payer, stage.page())
        raw, with_raw = _in_request(paused.request)
        before = stage.everything()
        for where, changed in WAYS[way](stage, raw):
            if _is_same(raw, changed):
                continue
            answer = stage.shop.serve(with_raw(changed))
            require_refused(stage, before, where, answer.status, code_of(answer))
        require_bought(paused.finish(stage.shop.serve(paused.request)))
        earned_micro = stage.shop.charged_micro() - had_micro
        require_equal(earned_micro, stage.price_micro, "the right one is taken")


def _in_request(request: Request) -> tuple[bytes, Callable[[bytes], Request]]:
    """The JSON with the payment in it, and what makes a request of other JSON."""
    if request.body:
        return request.body, lambda raw: msgspec.structs.replace(request, body=raw)
    name, credential = credential_of(request)
    return credential, lambda raw: with_credential(request, name, raw)


def _is_same(raw: bytes, changed: bytes) -> bool:
    """Whether both say the same, as canonical JSON."""
    try:
        return bool(codec.canonical(codec.read_json(changed)) == raw)
    except Refusal:
        return False


def require_refused(
    stage: Stage, before: tuple[Any, ...], where: str, status: int, code: str
) -> None:
    """A refusal with its rule, after which everything is as it was."""
    require(status != 200, "what was changed is refused", where)
    require(status >= 400, "a refusal has a status of its own", (where, status))
    require(code != "", "a refusal names its rule", (where, status))
    require_same(before, stage.everything(), f"a changed message ({where})")


@CASES.add()
def tampered_offer(play: Play) -> None:
    """Whoever pays an offer that was changed on its way is not charged."""
    with play.stage() as stage:
        hand = Hand(stage)
        instrument = hand.instrument()
        received = hand.received(stage.page())
        echo = msgspec.to_builtins(received.echo)
        raw = codec.canonical(echo)
        before = stage.everything()
        tried = 0
        for where, changed in flipped(stage, raw):
            try:
                value = codec.read_json(changed)
                other = msgspec.structs.replace(received, echo=value)
                made = hand.pay(stage.page(), instrument, received=other)
            except (Refusal, KeyError, TypeError, AttributeError):
                continue
            tried += 1
            answer = stage.shop.serve(made.request)
            require_refused(stage, before, where, answer.status, code_of(answer))
        require(tried > OFFERS_MIN, "many changed offers could be answered", tried)


ORDER_FLIPS_MAX = 600  # of one message: each is an order that the mint carries out, or refuses
MESSAGES = [
    f"{operation}, {way}" for operation in ("grant", "issue", "take_back", "claim") for way in WAYS
]


@CASES.add(*MESSAGES)
def tampered_message(play: Play, what: str) -> None:
    """A changed message moves nobody's money but that of whoever sent it as an order."""
    kind, _, way = what.partition(", ")
    with play.stage() as stage:
        stage.buy()
        raw, who = _message(stage, kind)
        ways = WAYS | {"every byte": partial(flipped, most=ORDER_FLIPS_MAX)}
        for where, changed in ways[way](stage, raw):
            if _is_same(raw, changed):
                continue
            try:
                message = codec.read_json(changed)
            except Refusal:
                continue  # what is no JSON goes to no mint
            _try_changed(stage, kind, message, who, where)


def _message(stage: Stage, kind: str) -> tuple[bytes, str]:
    """The last honest message of this kind, and who sent it."""
    if kind == "claim":
        return codec.canonical(require_claims(stage)[0]), stage.shop.id
    if kind == "take_back":
        give_back(stage)
    heard = stage.line.heard(f"broker {kind}")
    if not heard:
        raise Inapplicable(f"none of its conversations has a `{kind}`")
    return heard[-1], stage.shop.id if kind == "grant" else stage.payer.id


def _try_changed(stage: Stage, kind: str, message: Any, who: str, where: str) -> None:
    before, balances = stage.everything(), stage.bank.balances()
    try:
        if kind == "claim":
            [result] = stage.bank.redeem(stage.scheme, [message], who)
            if result["state"] == "refused":
                require_same(before, stage.everything(), f"a refused claim ({where})")
                return
        else:
            operation: Operation = kind  # type: ignore[assignment]  # - one of its words
            stage.bank.operate(stage.scheme, operation, message, who)
    except Refusal:
        require_same(before, stage.everything(), f"a refused message ({where})")
        return
    after = stage.bank.balances()
    moved = {name for name in after if after[name] != balances.get(name, 0)}
    if kind != "issue":
        require(not moved, f"a changed {kind} moves no money", (where, sorted(moved)))
    of_others = {
        name
        for name in moved
        if name.startswith(("liability/payer/", "liability/vendor/", "asset/credit/"))
        and not name.endswith(f"/{who}")
    }
    require(not of_others, "an order is paid by who gives it", (where, sorted(of_others)))


@CASES.add(*WAYS)
def tampered_answer(play: Play, way: str) -> None:
    """A purse never takes more out of a changed answer than the mint has sold."""
    with play.stage() as stage:
        stage.buy()
        purse = stage.payer.guide().purse(stage.scheme, stage.bank.id)
        asked, raw = _first_ask(stage)
        honest = purse.receive(asked, codec.read_json(raw), stage.room.at())
        most_micro = 0 if isinstance(honest, Asked) else sum(each.worth_micro for each in honest)
        require(most_micro >= stage.payer.load_micro, "an honest answer is worth what was ordered")
        for where, changed in WAYS[way](stage, raw):
            try:
                value = codec.read_json(changed)
                received = purse.receive(asked, value, stage.room.at())
            except Refusal:
                continue
            if isinstance(received, Asked):
                continue
            worth_micro = sum(each.worth_micro for each in received)
            bound_micro = most_micro * LARGER_MAX
            require(worth_micro <= bound_micro, "nothing is made of nothing", (where, worth_micro))


def _first_ask(stage: Stage) -> tuple[Asked, bytes]:
    """An order of the wallet's own purse, the last of its errand, and what the mint answers."""
    purse = stage.payer.guide().purse(stage.scheme, stage.bank.id)
    need = Need(
        amount_micro=stage.payer.load_micro,
        currency=stage.bank.currency,
        vendor_id=stage.shop.id,
        offer=Hand(stage).received(stage.page("y")).offer,
    )
    asked = purse.ask(need, stage.payer.numbered(purse))
    while True:
        who = "" if asked.bearer else stage.payer.id
        body = stage.bank.operate(stage.scheme, asked.operation, asked.message, who)
        answer: Any = codec.read_json(body)
        following = purse.receive(asked, answer["answer"], stage.room.at())
        if not isinstance(following, Asked):
            return asked, codec.canonical(answer["answer"])
        asked = following


@CASES.add()
def tampered_receipt(play: Play) -> None:
    """A receipt in which any byte was changed is refused by the wallet: it settles nothing."""
    with play.stage() as stage:
        paused_purchase, answer = _sent(stage)
        purse = stage.payer.guide().purse(stage.scheme, stage.bank.id)
        publics = tuple(key.public for key in stage.shop.ring.live(RECEIPT_KEY))
        raw = codec.unb64u(answer.value("payment-receipt"))
        at = stage.room.at()

        def settles(token: bytes) -> bool:
            try:
                receipt = mpp.read_receipt(codec.b64u(token))
                require_receipt(purse, paused_purchase, receipt, publics)
                purse.conclude(
                    paused_purchase.paid,
                    Accepted(change=receipt.change, released=receipt.released),
                    at,
                )
            except Refusal:
                return False
            return receipts.to_json(receipt) != honest

        honest = receipts.to_json(mpp.read_receipt(codec.b64u(raw)))
        require_receipt(purse, paused_purchase, mpp.read_receipt(codec.b64u(raw)), publics)
        for where, changed in flipped(stage, raw):
            require(not settles(changed), "a changed receipt is refused", where)


def _sent(stage: Stage) -> tuple[Purchase, Response]:
    if stage.dialect == "private":
        raise Inapplicable("in private the receipt is under the seal")
    paused = Paused(stage.payer, stage.page())
    answer = stage.shop.serve(paused.request)
    require_equal(answer.status, 200, "the payment is taken")
    assert paused.purchase is not None, "it was written before it was sent"
    return paused.purchase, answer


@CASES.add()
def tampered_seal(play: Play) -> None:
    """Of a sealed answer in which any byte was changed a wallet reads nothing."""
    with play.stage() as stage:
        if stage.dialect != "private":
            raise Inapplicable("with these options nothing is sealed")
        paused = Paused(stage.payer, stage.page())
        assert paused.purchase is not None, "it was written before it was sent"
        purse = stage.payer.guide().purse(stage.scheme, stage.bank.id)
        spent, url = paused.purchase.paid.spent, stage.page()
        sealed, answer = paused.request.body, stage.shop.serve(paused.request)
        honest = opened(purse, spent, sealed, url, answer)
        require(isinstance(honest, Response), "the honest answer opens")
        for where, changed in flipped(stage, answer.body):
            bent = msgspec.structs.replace(answer, body=changed)
            read = opened(purse, spent, sealed, url, bent)
            is_refused = not isinstance(read, Response) or read == honest
            require(is_refused, "a changed answer says nothing", where)
        require_bought(paused.finish(answer))


@CASES.add(*WAYS)
def tampered_return(play: Play, way: str) -> None:
    """A vendor's own mint does nothing that a changed message asks for."""
    with play.stage() as stage:
        if play.scheme.vendor_mint is None:
            raise Inapplicable("its vendors have no mint")
        stage.buy()
        asked = stage.purse_returns()
        if asked.to != "vendor":
            raise Inapplicable("its vendors' mint is asked for nothing that was bought")
        raw, path = codec.canonical(asked.message), asked.operation.replace("_", "-")
        before = stage.everything()
        for where, changed in WAYS[way](stage, raw):
            if _is_same(raw, changed) or not _is_json(changed):
                continue
            status, body = stage.shop.mint(stage.scheme, path, codec.read_json(changed))
            code = str(msgspec.json.decode(body).get("code", ""))
            require_refused(stage, before, where, status, code)
        status, _ = stage.shop.mint(stage.scheme, path, asked.message)
        require_equal(status, 200, "the right one is done")


def _is_json(raw: bytes) -> bool:
    try:
        codec.read_json(raw)
    except Refusal:
        return False
    return True


@CASES.add(*WAYS)
def tampered_question(play: Play, way: str) -> None:
    """What became of a payment is told to nobody whose question was changed."""
    with play.stage() as stage:
        fetched = stage.buy()
        assert fetched.purchase is not None
        purse = stage.payer.guide().purse(stage.scheme, stage.bank.id)
        asked = outcome_request(purse, fetched.purchase, stage.room.now_s)
        require_equal(stage.shop.serve(asked).status, 200, "its payer is told")
        before = stage.everything()
        for where, changed in WAYS[way](stage, asked.body):
            if _is_same(asked.body, changed):
                continue
            answer = stage.shop.serve(msgspec.structs.replace(asked, body=changed))
            require_refused(stage, before, where, answer.status, code_of(answer))


@CASES.add()
def tampered_settlement(play: Play) -> None:
    """Of a changed facilitator's message the broker pays what the payment is worth, or nothing."""
    if "before" not in play.traits.moments:
        raise Inapplicable(f"it is cleared {' or '.join(play.traits.moments)}")
    with play.stage(clearing="before") as stage:
        stage.buy()
        [raw] = stage.line.heard("broker settle")
        [told] = stage.line.heard("broker settle answer")
        tx = msgspec.json.decode(told)["transaction"]
        balances = stage.bank.balances()
        for where, changed in flipped(stage, raw):
            if not _is_json(changed):
                continue
            try:
                answer: Any = stage.bank.facilitate(
                    "settle", codec.read_json(changed), stage.shop.id
                )
            except Refusal:
                continue
            is_same = not answer["success"] or answer["transaction"] == tx
            require(is_same, "only the payment itself is settled", where)
            require_equal(stage.bank.balances(), balances, f"no money moves ({where})")
