"""The broker's side of eCash: it signs what it cannot see, and knows each coin when it comes back.

Records (key, then value)::

    ecash/spent/<mark>       that a coin came back; said once, kept while it could come again
    ecash/signed/<mark>      the signature that an output got, for who has to make its coins again
    ecash/paid/<payer>       what was paid under a payer's code, for its proof
    ecash/out/<epoch>        what is out of an epoch (`outstanding.py`)
    ecash/revoked/<mark>     a coin that nobody shall spend: a list that the operator keeps

Nothing here names a payer but the withdrawal, whose outputs no coin can be told from.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec

from farthing import codec
from farthing.crypto import signing
from farthing.errors import (
    Denied,
    Late,
    Mismatch,
    Replayed,
    Revoked,
    WrongVendor,
)
from farthing.marks import Keys, Memory, Put
from farthing.schemes.coin.ecash.keyset import KEYS, LIST_KEY, BrokerKeys
from farthing.schemes.coin.ecash.messages import (
    MARK_BYTES,
    PAYMENTS,
    PROOF_TAG,
    Exchange,
    Payment,
    Proof,
    Query,
    Restore,
    Wanted,
    Withdrawal,
    exchange_header,
    mark_of,
    read_giving,
    read_issue,
    return_header,
)
from farthing.schemes.coin.ecash.opening import (
    Opened,
    Shown,
    Signed,
    opened,
    signed,
)
from farthing.schemes.coin.ecash.traits import TRAITS
from farthing.schemes.coin.epochs import DAY_S, DISPUTE_S, Epoch, epoch_at
from farthing.schemes.coin.outstanding import Outstanding
from farthing.schemes.contract import (
    Account,
    Applied,
    At,
    Checked,
    End,
    Issued,
    Json,
    Mint,
    Operation,
    Redeemed,
    Returned,
    Setting,
)

RECORD_KEY = "farthing/ecash/record/1"
_OUT = Outstanding(TRAITS.name)
_SPENT, _SIGNED, _PAID, _REVOKED = (
    f"ecash/{name}/".encode() for name in ("spent", "signed", "paid", "revoked")
)


class Withdrawn(msgspec.Struct, frozen=True, kw_only=True):
    """Outputs that an account pays for."""

    outputs: tuple[Signed, ...]
    list: str
    """Digest of the list that signed them, base64url."""


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """The list of keys."""

    answer: Json


class Swapped(msgspec.Struct, frozen=True, kw_only=True):
    """Coins for outputs."""

    box: Opened


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """Coins for an account."""

    box: Opened


class Deposited(msgspec.Struct, frozen=True, kw_only=True):
    """Coins for a vendor and, in outputs, for who paid."""

    box: Opened
    payment: Payment


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What stands under some marks: signatures or spent coins; or what is paid under a code."""

    kind: bytes
    names: tuple[bytes, ...]


class CoinMint(Mint):
    """The broker's side."""

    traits = TRAITS
    signing = (LIST_KEY, RECORD_KEY)
    sealing = (KEYS,)
    published = _REVOKED
    shared = _OUT.prefix

    def __init__(self, setting: Setting) -> None:
        """For one broker."""
        super().__init__(setting)
        self._keys = BrokerKeys(setting)

    def is_bearer(self, operation: Operation, message: Json) -> bool:
        """All but withdrawals: whose they are is nobody's business."""
        return operation == "issue" and isinstance(message, dict) and "outputs" not in message

    def check(self, operation: Operation, message: Json, account: Account, at: At) -> Checked:
        """All signatures, made and verified; any refusal."""
        found: object
        if operation == "issue":
            found = self._check_issue(message, account, at)
        elif operation == "redeem":
            found = self._check_payment(PAYMENTS.convert(message), account, at)
        elif operation == "take_back":
            _require_role(account, "payer")
            header = return_header(self.setting.broker_id)
            box = opened(self._keys, read_giving(message).coins, header, at.now_s, pays=False)
            if box.outputs:
                raise Mismatch("coins_and_change_differ", "what is returned comes to the account")
            found = Given(box=box)
        else:
            return super().check(operation, message, account, at)
        return Checked(operation=operation, message=found, account=account)

    def _check_issue(self, message: Json, account: Account, at: At) -> object:
        asked = read_issue(message)
        match asked:
            case Wanted(list=wanted):
                epoch = epoch_at(at.now_s) if wanted == "current" else Epoch(wanted)
                epoch.require_exchangeable(at.now_s)
                found = self._keys.list_of(epoch)
                return Listed(answer=msgspec.to_builtins(found))
            case Withdrawal():
                _require_role(account, "payer")
                outputs = signed(self._keys, asked.read(), at.now_s)
                found = self._keys.list_of(Epoch(outputs[0].epoch))
                return Withdrawn(outputs=outputs, list=codec.b64u(found.digest))
            case Exchange():
                header = exchange_header(self.setting.broker_id)
                box = opened(self._keys, asked.exchange, header, at.now_s, pays=False)
                if box.over_micro:
                    raise Mismatch("coins_and_change_differ", "what goes in comes out")
                return Swapped(box=box)
            case Restore():
                names = tuple(mark_of(one.ref.id, one.blinded) for one in asked.read())
                return Asked(kind=_SIGNED, names=names)
            case Query():
                names = tuple(codec.unb64u(mark, size_bytes=MARK_BYTES) for mark in asked.spent)
                return Asked(kind=_SPENT, names=names)
            case Proof():
                if abs(at.now_s - asked.at_s) > DAY_S:
                    raise Late("proof_too_old", "sign what you ask anew")
                return Asked(kind=_PAID, names=(asked.verify(),))

    def _check_payment(self, payment: Payment, account: Account, at: At) -> Deposited:
        _require_role(account, "vendor")
        if payment.vendor != account.id:
            raise WrongVendor("claim_of_another_vendor", "a vendor claims its own payments only")
        box = opened(self._keys, payment.box, payment.verify(), at.now_s, pays=True)
        if box.over_micro != payment.price_micro:
            raise Mismatch("coins_and_change_differ", "coins are worth the price and the change")
        if min(coin.epoch for coin in box.coins) != payment.epoch:
            raise Mismatch("coins_of_another_epoch", "a payment ends with its oldest coin")
        return Deposited(box=box, payment=payment)

    def recall(self, checked: Checked) -> Keys:
        """Whether the coins are spent or blocked, the outputs signed, and what is out."""
        match checked.message:
            case Withdrawn(outputs=outputs):
                return self._recalled((), outputs)
            case Swapped(box=box) | Given(box=box) | Deposited(box=box):
                return self._recalled(box.coins, box.outputs)
            case Asked(kind=kind, names=names):
                return Keys(records=tuple(kind + name for name in names))
            case _:
                return Keys()

    def _recalled(self, coins: tuple[Shown, ...], outputs: tuple[Signed, ...]) -> Keys:
        epochs = {**_by_epoch(coins), **_by_epoch(outputs)}
        return Keys(
            records=(
                *(_SPENT + one.mark for one in coins),
                *(_revoked_key(one.mark) for one in coins),
                *(_SIGNED + one.mark for one in outputs),
                *(_OUT.key(epoch) for epoch in epochs),
            )
        )

    def apply(self, checked: Checked, memory: Memory, at: At) -> Applied:
        """Sign, exchange, pay, return, tell; any refusal."""
        own = End(kind="payer", id=checked.account.id)
        match checked.message:
            case Withdrawn(outputs=outputs, list=digest):
                signatures = [codec.b64u(output.signature) for output in outputs]
                changed = _changed(memory, (), outputs, source=own)
                return Issued(**changed, answer={"list": digest, "signatures": signatures})
            case Swapped(box=box):
                changed = _changed(memory, box.coins, box.outputs)
                return Issued(**changed, answer={"signatures": box.answer})
            case Given(box=box):
                changed = _changed(memory, box.coins, (), target=own)
                return Returned(**changed, answer={"returnedMicro": box.over_micro})
            case Deposited(box=box, payment=payment):
                return _deposit(box, payment, memory, at)
            case Listed(answer=answer):
                return Issued(answer=answer)
            case Asked(kind=kind, names=names):
                return self._told(kind, names, memory, at)
            case other:
                raise AssertionError(f"nobody has checked {type(other).__name__}")

    def _told(self, kind: bytes, names: tuple[bytes, ...], memory: Memory, at: At) -> Issued:
        """What stands under these names; a payment's record is signed, the lack of one too."""
        found = [memory.records.get(kind + name) for name in names]
        if kind == _SIGNED:
            answers = [codec.b64u(value) if value is not None else "" for value in found]
            return Issued(answer={"signatures": answers})
        if kind == _SPENT:
            return Issued(answer={"spent": [value is not None for value in found]})
        (payer,), (value,) = names, found
        told: dict[str, Json] = {
            "atS": at.now_s,
            "broker": self.setting.broker_id,
            "paid": codec.read_json(value) if value is not None else None,
            "payer": codec.b64u(payer),
        }
        key = self.setting.ring.current(RECORD_KEY)
        signature = signing.sign(key.secret, codec.enc(PROOF_TAG, codec.digest(told)))
        return Issued(answer=told | {"key": codec.b64u(key.public), "sig": codec.b64u(signature)})

    def put_back(self, applied: Applied, memory: Memory, at: At) -> tuple[Put, ...]:
        """What is out, as if nothing had been reserved."""
        return _OUT.put_back(memory, applied.flows)

    def lapse(self, key: bytes, value: bytes, at: At) -> Applied | None:
        """The end of an epoch."""
        return _OUT.lapse(key, value)


def _deposit(box: Opened, payment: Payment, memory: Memory, at: At) -> Redeemed:
    """The price to the vendor; what was paid, for the payer's proof; change for the payer."""
    paid = {
        "atS": at.now_s,
        "order": payment.order,
        "priceMicro": payment.price_micro,
        "vendor": payment.vendor,
    }
    known = Put(
        key=_PAID + codec.unb64u(payment.payer),
        value=codec.canonical(paid),
        until_s=at.now_s + DISPUTE_S,
    )
    target = End(kind="vendor", id=payment.vendor)
    return Redeemed(
        **_changed(memory, box.coins, box.outputs, target=target, notes=(known,)),
        answer={"paidMicro": payment.price_micro},
        for_payer=box.answer,
        paid_micro=payment.price_micro,
    )


def _changed(
    memory: Memory,
    coins: tuple[Shown, ...],
    outputs: tuple[Signed, ...],
    *,
    source: End | None = None,
    target: End | None = None,
    notes: tuple[Put, ...] = (),
) -> dict[str, Any]:
    """Flows, records and due times of coins that are spent and outputs that are signed."""
    spent, made = _by_epoch(coins), _by_epoch(outputs)
    moved = _OUT.move(memory, spent=spent, made=made, source=source, target=target)
    records = (*_spent(memory, coins), *_made(memory, outputs), *notes, *moved.records)
    return {"flows": moved.flows, "records": records, "due": moved.due}


def _by_epoch(found: Iterable[Shown | Signed]) -> Counter[int]:
    worth = Counter[int]()
    for one in found:
        worth[one.epoch] += one.micro
    return worth


def _revoked_key(mark: bytes) -> bytes:
    return _REVOKED + codec.b64u(mark).encode()


def _spent(memory: Memory, coins: tuple[Shown, ...]) -> list[Put]:
    """The marks of coins; `Replayed`, `Revoked` for one that is not to be had any more."""
    for one in coins:
        if _SPENT + one.mark in memory.records:
            raise Replayed("coin_spent", "a coin of these was spent before")
        if _revoked_key(one.mark) in memory.records:
            raise Revoked("coin_revoked", "a coin of these was blocked")
    return [
        Put(key=_SPENT + one.mark, value=b"", until_s=Epoch(one.epoch).kept_until_s, once=True)
        for one in coins
    ]


def _made(memory: Memory, outputs: tuple[Signed, ...]) -> list[Put]:
    """The signatures given; `Replayed` for an output that has one, which would be no new coin."""
    for one in outputs:
        if _SIGNED + one.mark in memory.records:
            raise Replayed("output_signed", "this output was signed before: restore its coin")
    return [
        Put(key=_SIGNED + one.mark, value=one.signature, until_s=Epoch(one.epoch).ends_at_s)
        for one in outputs
    ]


def _require_role(account: Account, role: str) -> None:
    if account.role != role:
        raise Denied("wrong_kind_of_account", f"this is for a {role}'s account")
