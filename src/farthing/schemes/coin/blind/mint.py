"""The broker's side of blind coins: it signs what it cannot see, and knows each coin when it comes.

Records beside those of `checking.py` (key, then value)::

    <scheme>/paid/<payer>     what was paid under a payer's code, for its proof

Nothing here names a payer but the withdrawal, whose outputs no coin can be told from.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from farthing import codec
from farthing.crypto import signing
from farthing.errors import Denied, Late, Malformed, Mismatch, Replayed, WrongVendor
from farthing.marks import Keys, Memory, Put
from farthing.schemes.coin.blind import boxes
from farthing.schemes.coin.blind.checking import (
    Asked,
    Deposited,
    Given,
    Listed,
    Opened,
    Shown,
    Signed,
    Swapped,
    Withdrawn,
    gone_keys,
    is_gone,
    key_of,
    keys_of,
    records_of,
    unspent,
    worth_micro,
)
from farthing.schemes.coin.blind.coinage import Coinage, ListName, tag
from farthing.schemes.coin.blind.messages import (
    GIVINGS,
    PAYMENTS,
    Exchange,
    Payment,
    Proof,
    Query,
    Restore,
    Texts,
    Wanted,
    Withdrawal,
    exchange_header,
    read_issue,
    return_header,
)
from farthing.schemes.coin.epochs import DAY_S, DISPUTE_S
from farthing.schemes.coin.outstanding import Moved
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
)


class BlindMint(Mint):
    """The broker's side."""

    costly = ("issue",)  # whoever asks, a signature for each output
    coinage: ClassVar[Coinage[Any]]
    record_key: ClassVar[str]
    """Purpose of the key that signs proofs of payment."""

    def list_of(self, name: ListName, at: At) -> Json:
        """A list of keys; any refusal."""
        raise NotImplementedError

    def digest_for(self, outputs: Sequence[bytes]) -> str:
        """Digest of the list whose keys sign outputs, base64url."""
        raise NotImplementedError

    def box_secrets(self) -> Sequence[bytes]:
        """X25519 secrets that boxes may be sealed to, newest first."""
        raise NotImplementedError

    def verified(
        self, coins: Sequence[bytes], outputs: Sequence[bytes], now_s: int, *, pays: bool
    ) -> tuple[Shown, ...]:
        """Coins that are right, whether spent or not; any refusal.

        `pays`: they are spent at a vendor, not exchanged.
        """
        raise NotImplementedError

    def signed(self, outputs: Sequence[bytes], now_s: int) -> tuple[Signed, ...]:
        """Outputs with their signatures; any refusal."""
        raise NotImplementedError

    def output_micro(self, output: bytes) -> int:
        """What an output will be worth; `Malformed`."""
        raise NotImplementedError

    def output_mark(self, output: bytes) -> bytes:
        """Under which name its signature is kept; `Malformed`."""
        raise NotImplementedError

    def coin_mark(self, name: str) -> bytes:
        """The mark of a coin by what a `Query` calls it; `Malformed`."""
        raise NotImplementedError

    def signature_in(self, value: bytes) -> bytes:
        """The signature that a record keeps, as an answer has it."""
        return value

    def pool_keys(self, pools: Iterable[str]) -> tuple[bytes, ...]:
        """Records of what is out that `moved` reads."""
        return ()

    def moved(
        self,
        memory: Memory,
        net: Counter[str],
        *,
        source: End | None = None,
        target: End | None = None,
    ) -> Moved:
        """What becomes of pools that change by so much; the difference comes from or goes to."""
        raise NotImplementedError

    def is_bearer(self, operation: Operation, message: Json) -> bool:
        """All but withdrawals: whose they are is nobody's business."""
        return operation == "issue" and isinstance(message, dict) and "outputs" not in message

    def check(self, operation: Operation, message: Json, account: Account, at: At) -> Checked:
        """All signatures, made and verified; any refusal."""
        found: object
        if operation == "issue":
            found = self._check_issue(message, account, at)
        elif operation == "redeem":
            require_role(account, "vendor")
            found = self.check_payment(message, account, at)
        elif operation == "take_back":
            require_role(account, "payer")
            header = return_header(self.coinage.name, self.setting.broker_id)
            texts = GIVINGS.convert(message).coins
            found = Given(box=self.opened(texts, header, at.now_s, over_micro=None))
        else:
            return super().check(operation, message, account, at)
        return Checked(operation=operation, message=found, account=account)

    def _check_issue(self, message: Json, account: Account, at: At) -> object:
        asked = read_issue(message)
        match asked:
            case Wanted(list=wanted):
                return Listed(answer=self.list_of(wanted, at))
            case Withdrawal():
                require_role(account, "payer")
                raw = [codec.unb64u(text) for text in asked.outputs]
                outputs = self._signed(raw, at.now_s)
                return Withdrawn(outputs=outputs, list=self.digest_for(raw))
            case Exchange():
                header = exchange_header(self.coinage.name, self.setting.broker_id)
                return Swapped(box=self.opened(asked.exchange, header, at.now_s, over_micro=0))
            case Restore():
                names = tuple(self.output_mark(codec.unb64u(text)) for text in asked.restore)
                return Asked(kind="signed", names=names)
            case Query():
                return Asked(
                    kind="spent", names=tuple(self.coin_mark(name) for name in asked.spent)
                )
            case Proof():
                if abs(at.now_s - asked.at_s) > DAY_S:
                    raise Late("proof_too_old", "sign what you ask anew")
                return Asked(kind="paid", names=(asked.verify(self.coinage.name),))

    def check_payment(self, message: Json, account: Account, at: At) -> object:
        """A claim of a vendor; any refusal."""
        payment = PAYMENTS.convert(message)
        if payment.vendor != account.id:
            raise WrongVendor("claim_of_another_vendor", "a vendor claims its own payments only")
        header = payment.verify(self.coinage.name)
        box = self.opened(payment.box, header, at.now_s, over_micro=payment.price_micro)
        first = min((coin.period for coin in box.coins), key=self.coinage.pays_until_s)
        if first != payment.period:
            raise Mismatch("coins_of_another_period", "a payment ends with its first coin")
        return Deposited(box=box, payment=payment)

    def opened(self, texts: Texts, header: bytes, now_s: int, *, over_micro: int | None) -> Opened:
        """A box that is bound to `header`, its coins verified and its outputs signed.

        `over_micro`: what the coins are worth above the outputs, 0 in an exchange, the price at a
        vendor; None: there are no outputs. Nothing is signed before that is so. Any refusal;
        `Replayed` for one coin twice.
        """
        box = boxes.unseal(tag(self.coinage.name, "sealed"), self.box_secrets(), texts)
        if box.header != header:
            raise Mismatch("box_for_something_else", "these coins were sealed for something else")
        shown = self.verified(box.coins, box.outputs, now_s, pays=bool(over_micro))
        if len({one.mark for one in shown}) < len(shown):
            raise Replayed("coin_spent", "one coin was shown twice")
        made_micro = sum(self.output_micro(output) for output in box.outputs)
        if box.outputs if over_micro is None else worth_micro(shown) - made_micro != over_micro:
            raise Mismatch("coins_and_change_differ", "what goes in comes out, or is paid")
        return Opened(
            header=header,
            answer_key=box.answer_key,
            coins=shown,
            outputs=self._signed(box.outputs, now_s),
        )

    def _signed(self, outputs: Sequence[bytes], now_s: int) -> tuple[Signed, ...]:
        if len({self.output_mark(output) for output in outputs}) < len(outputs):
            raise Malformed("output_twice", "each output is signed once")
        return self.signed(outputs, now_s)

    def recall(self, checked: Checked) -> Keys:
        """Whether the coins are spent or blocked, the outputs signed, and what is out."""
        match checked.message:
            case Withdrawn(outputs=outputs):
                return self.recalled((), outputs)
            case Swapped(box=box) | Given(box=box) | Deposited(box=box):
                return self.recalled(box.coins, box.outputs)
            case Asked(kind="spent", names=names):
                return Keys(records=sum((gone_keys(self.coinage.name, name) for name in names), ()))
            case Asked(kind=kind, names=names):
                return Keys(records=tuple(key_of(self.coinage.name, kind, name) for name in names))
            case _:
                return Keys()

    def recalled(self, coins: tuple[Shown, ...], outputs: tuple[Signed, ...]) -> Keys:
        """What `changed` reads."""
        both: tuple[Shown | Signed, ...] = (*coins, *outputs)
        pools = {one.pool: None for one in both}
        return Keys(records=(*keys_of(self.coinage.name, coins, outputs), *self.pool_keys(pools)))

    def apply(self, checked: Checked, memory: Memory, at: At) -> Applied:
        """Sign, exchange, pay, return, tell; any refusal."""
        own = End(kind="payer", id=checked.account.id)
        match checked.message:
            case Withdrawn(outputs=outputs, list=digest):
                signatures = [codec.b64u(output.signature) for output in outputs]
                changed = self.changed(memory, (), outputs, source=own)
                return Issued(**changed, answer={"list": digest, "signatures": signatures})
            case Swapped(box=box):
                changed = self.changed(memory, box.coins, box.outputs)
                return Issued(**changed, answer={"signatures": box.answer})
            case Given(box=box):
                # One spent coin does not keep the others from their account; of none it is said.
                good = unspent(self.coinage.name, memory, box.coins) or box.coins
                changed = self.changed(memory, good, (), target=own)
                return Returned(**changed, answer={"returnedMicro": worth_micro(good)})
            case Deposited(box=box, payment=payment):
                return self._deposit(box, payment, memory, at)
            case Listed(answer=answer):
                return Issued(answer=answer)
            case Asked(kind=kind, names=names):
                return self._told(kind, names, memory, at)
            case other:
                raise AssertionError(f"nobody has checked {type(other).__name__}")

    def _deposit(self, box: Opened, payment: Payment, memory: Memory, at: At) -> Redeemed:
        """The price to the vendor; what was paid, for the payer's proof; change for the payer."""
        paid = {
            "atS": at.now_s,
            "order": payment.order,
            "priceMicro": payment.price_micro,
            "vendor": payment.vendor,
        }
        known = Put(
            key=key_of(self.coinage.name, "paid", codec.unb64u(payment.payer)),
            value=codec.canonical(paid),
            until_s=at.now_s + DISPUTE_S,
        )
        target = End(kind="vendor", id=payment.vendor)
        return Redeemed(
            **self.changed(memory, box.coins, box.outputs, target=target, notes=(known,)),
            answer={"paidMicro": payment.price_micro},
            for_payer=box.answer,
            paid_micro=payment.price_micro,
        )

    def _told(self, kind: str, names: tuple[bytes, ...], memory: Memory, at: At) -> Issued:
        """What stands under these names; a payment's record is signed, the lack of one too."""
        if kind == "spent":
            gone = [is_gone(self.coinage.name, memory, name) for name in names]
            return Issued(answer={"spent": gone})
        found = [memory.records.get(key_of(self.coinage.name, kind, name)) for name in names]
        if kind == "signed":
            answers = [
                codec.b64u(self.signature_in(value)) if value is not None else "" for value in found
            ]
            return Issued(answer={"signatures": answers})
        (payer,), (value,) = names, found
        told: dict[str, Json] = {
            "atS": at.now_s,
            "broker": self.setting.broker_id,
            "paid": codec.read_json(value) if value is not None else None,
            "payer": codec.b64u(payer),
            "sinceS": at.now_s - DISPUTE_S,  # what is older is forgotten
        }
        key = self.setting.ring.current(self.record_key)
        statement = codec.enc(tag(self.coinage.name, "proof"), codec.digest(told))
        signature = signing.sign(key.secret, statement)
        return Issued(answer=told | {"key": codec.b64u(key.public), "sig": codec.b64u(signature)})

    def changed(
        self,
        memory: Memory,
        coins: tuple[Shown, ...],
        outputs: tuple[Signed, ...],
        *,
        source: End | None = None,
        target: End | None = None,
        notes: tuple[Put, ...] = (),
    ) -> dict[str, Any]:
        """Flows, records and due times of coins that are spent and outputs that are signed."""
        net = Counter[str]()
        for output in outputs:
            net[output.pool] += output.micro
        for coin in coins:
            net[coin.pool] -= coin.micro
        records = records_of(self.coinage.name, memory, coins, outputs)
        moved = self.moved(memory, net, source=source, target=target)
        return {
            "flows": moved.flows,
            "records": (*records, *notes, *moved.records),
            "due": moved.due,
        }


def require_role(account: Account, role: str) -> None:
    """`Denied` unless the account is of this role."""
    if account.role != role:
        raise Denied("wrong_kind_of_account", f"this is for a {role}'s account")
