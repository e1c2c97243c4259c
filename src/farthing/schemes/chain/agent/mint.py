"""A Micropayment System at the broker: sell tokens, pay the highest of each segment, take back.

Records (key, then JSON or text)::

    agent/issued/<serial>             whose it is and what is left of it (`issued.py`)
    agent/order/<account>             the next order number
    agent/held/<account>/<serial>     which certificates an account has
    agent/opened/<serial>/<segment>   the first opening that was reported: it is paid
    agent/conflict/<serial>/<segment> that and a second one for another vendor: both signatures
    agent/revoked/<serial>            the list

A counter per segment holds the highest position that was paid, so a later report is paid the
difference. The second opening of a segment is `Conflict`, and its certificate is revoked.
"""

import msgspec

from farthing import codec
from farthing.crypto import chain, merkle, signing
from farthing.errors import (
    Denied,
    Unfit,
)
from farthing.marks import Delete, Keys, Memory, Once, Put
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes.chain.agent import issued as books
from farthing.schemes.chain.agent.certificate import (
    CERTIFICATE_KEY,
    CERTIFICATE_LIFE_S,
    REVOKED_PREFIX,
    SEGMENTS_MAX,
    SUBMIT_S,
    TRAITS,
    Certificate,
    leaves_of,
    roots_of,
)
from farthing.schemes.chain.agent.reports import (
    CONFLICT_PREFIX,
    Paying,
    Report,
    check_report,
    judged,
    keys_of,
)
from farthing.schemes.chain.times import DISPUTE_S
from farthing.schemes.contract import (
    Account,
    Applied,
    At,
    Checked,
    End,
    Flow,
    Json,
    Mint,
    Operation,
    Redeemed,
    Returned,
)
from farthing.schemes.contract import Issued as Sold

ORDER_PREFIX = b"agent/order/"
REWOUND_ORDERS = 10**9  # order numbers left out when the books are those of an earlier moment


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """`issue`: sell tokens under this key."""

    length: int
    public_key: str
    segment: int
    unit_micro: int
    vendor: str
    """For one vendor; empty for all."""

    def __post_init__(self) -> None:
        """`Unfit` for numbers out of range, as in the certificate."""
        if not 0 < self.segment <= self.length <= chain.LENGTH_MAX:
            raise Unfit("length_out_of_range", f"a certificate has 1 to {chain.LENGTH_MAX} tokens")
        if -(-self.length // self.segment) > SEGMENTS_MAX:
            raise Unfit("segment_count_out_of_range", f"at most {SEGMENTS_MAX} segments")
        if not 0 < self.unit_micro <= PAYMENT_MICRO_MAX // self.length:
            raise Unfit("unit_out_of_range", f"at most {PAYMENT_MICRO_MAX} micro-units in all")


class Drawn(msgspec.Struct, frozen=True, kw_only=True):
    """An order with the tokens that were made for it."""

    order: Order
    root: str
    seed: str
    serial: str

    def __repr__(self) -> str:
        """The serial only: the seed is all of the money."""
        return f"Drawn({self.serial})"


class Return(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """`take_back`: revoke this certificate and give back what is left; its key may be lost."""

    opened: int = 0
    """How many segments its payer knows to have opened; a payer who lost all knows of none."""
    serial: str

    def __post_init__(self) -> None:
        """`Unfit` for more than a certificate can have."""
        if not 0 <= self.opened <= SEGMENTS_MAX:
            raise Unfit("segment_count_out_of_range", f"at most {SEGMENTS_MAX} segments")


class Question(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`status`: the serials of this account's certificates."""


_ORDER, _REPORT, _RETURN = codec.Reader(Order), codec.Reader(Report), codec.Reader(Return)
_QUESTION = codec.Reader(Question)
Message = Drawn | Report | Return | Question


def _order_key(account_id: str) -> bytes:
    return ORDER_PREFIX + account_id.encode()


def _held_key(account_id: str, serial: str) -> bytes:
    return f"agent/held/{account_id}/{serial}".encode()


class AgentMint(Mint):
    """The broker's side."""

    traits = TRAITS
    published = REVOKED_PREFIX
    contradicted = CONFLICT_PREFIX
    signing = (CERTIFICATE_KEY,)
    shared = books.PREFIX
    given = (ORDER_PREFIX,)
    costly = ("issue",)

    # --- without state --------------------------------------------------------------------------

    def check(self, operation: Operation, message: Json, account: Account, at: At) -> Checked:
        """Signatures, tokens and new chains; `Forged`, `Late`, `WrongVendor`, `Denied`."""
        parsed: Message
        match operation:
            case "issue":
                _require_role(account, "payer")
                parsed = _draw(_ORDER.convert(message), at)
            case "redeem":
                _require_role(account, "vendor")
                parsed = check_report(_REPORT.convert(message), account, self.setting, at)
            case "take_back":
                _require_role(account, "payer")
                parsed = _RETURN.convert(message)
            case "status":
                _require_role(account, "payer")
                parsed = _QUESTION.convert(message)
            case _:
                return super().check(operation, message, account, at)
        return Checked(operation=operation, message=parsed, account=account)

    def recall(self, checked: Checked) -> Keys:
        """The certificate; its segments' counters and openings; the account's next order number."""
        message, account_id = checked.message, checked.account.id
        match message:
            case Report():
                return keys_of(message)
            case Return():
                return Keys(records=(books.issued_key(message.serial),))
            case Question():
                return self.recall_names(account_id)
            case _:
                return Keys(records=(_order_key(account_id),))

    # --- decisions ------------------------------------------------------------------------------

    def apply(self, checked: Checked, memory: Memory, at: At) -> Applied:
        """Sell, pay, give back or tell; `Conflict`, `Late`, `Revoked`, `Denied`."""
        message = checked.message
        match message:
            case Report():
                return Paying(message, memory, at).decided()
            case Return():
                return _give_back(message, checked.account, memory, at)
            case Question():
                return Returned(answer={"serials": list(self.names_in(memory, at.now_s))})
            case _:
                return self._sell(message, checked.account, memory, at)

    def _sell(self, drawn: Drawn, account: Account, memory: Memory, at: At) -> Sold:
        order, key = drawn.order, self.setting.ring.current(CERTIFICATE_KEY)
        first_order = int(memory.records.get(_order_key(account.id), b"1"))
        unsigned = Certificate(
            broker=self.setting.broker_id,
            currency=self.setting.currency,
            expires_at_s=at.now_s + CERTIFICATE_LIFE_S,
            first_order=first_order,
            key_id=key.id,
            length=order.length,
            public_key=order.public_key,
            root=drawn.root,
            segment=order.segment,
            serial=drawn.serial,
            sig="",
            unit_micro=order.unit_micro,
            vendor=order.vendor,
        )
        sig = codec.b64u(signing.sign(key.secret, unsigned.signed()))
        certificate = msgspec.structs.replace(unsigned, sig=sig)
        sold = books.of(certificate, account.id)
        return Sold(
            flows=(
                Flow(
                    source=End(kind="payer", id=account.id),
                    target=End(kind="outstanding"),
                    amount_micro=sold.worth_micro,
                ),
            ),
            records=(
                sold.put(drawn.serial),
                Put(key=_held_key(account.id, drawn.serial), value=b"", until_s=sold.until_s),
                _next_order(_order_key(account.id), first_order + order.length, sold.until_s),
            ),
            due=((sold.settles_at_s, books.issued_key(drawn.serial)),),
            answer={"certificate": msgspec.to_builtins(certificate), "seed": drawn.seed},
        )

    def judge(self, disclosed: Json) -> Json:
        """Whose segments were opened for two vendors; `Forged`, `Mismatch`."""
        return judged(disclosed, self.setting)

    def pseudonym_key(self, name: str) -> bytes:
        """The certificate's own record: a vendor knows its payer by the serial."""
        return books.issued_key(name)

    def account_in(self, value: bytes) -> str:
        """Who has bought the certificate."""
        return books.READER.read(value).account

    def recall_names(self, account_id: str) -> Keys:
        """What it has bought."""
        return Keys(prefixes=(_held_key(account_id, ""),))

    def names_in(self, memory: Memory, now_s: int) -> tuple[str, ...]:
        """Serials of the certificates that it holds."""
        return tuple(key.decode().rpartition("/")[2] for key in sorted(memory.records))

    def put_back(self, applied: Applied, memory: Memory, at: At) -> tuple[Put, ...]:
        """The certificate without a payment that did not come about."""
        assert isinstance(applied, Redeemed), "only payments are reserved"
        ((key, value),) = memory.records.items()
        kept = books.READER.read(value)
        undone = msgspec.structs.replace(
            kept,
            claimed_micro=kept.claimed_micro - applied.paid_micro,
            late_micro=kept.late_micro + applied.answer["lateMicro"],
            opened_micro=kept.opened_micro - applied.answer["openedMicro"],
        )
        return (undone.put(key.removeprefix(books.PREFIX).decode()),)

    def rewind(self, key: bytes, value: bytes, at: At) -> Applied | None:
        """Order numbers that may be out are left out: they never mean two tokens."""
        until_s = at.now_s + CERTIFICATE_LIFE_S + SUBMIT_S + DISPUTE_S
        return Applied(records=(_next_order(key, int(value) + REWOUND_ORDERS, until_s),))

    def lapse(self, key: bytes, value: bytes, at: At) -> Applied | None:
        """Once no report is paid any more, what is left comes back to the payer."""
        kept, serial = books.READER.read(value), key.removeprefix(books.PREFIX).decode()
        if at.now_s < kept.settles_at_s:
            return None  # it was revoked meanwhile, or is looked at once more when it is settled
        rest_micro = kept.unspent_micro
        return Applied(
            flows=books.to_payer(kept, rest_micro),
            records=(
                kept.returned(rest_micro).put(serial),
                Delete(key=_held_key(kept.account, serial)),
            ),
        )


def _draw(order: Order, at: At) -> Drawn:
    """Make the tokens of an order, out of the entropy of the moment."""
    codec.unb64u(order.public_key, size_bytes=32)
    serial, seed = "t_" + at.entropy[:12].hex(), at.entropy[12:28]
    roots = roots_of(seed, serial, order.length, order.segment)
    root = merkle.root_of(leaves_of(serial, roots, order.length, order.segment))
    return Drawn(order=order, root=codec.b64u(root), seed=codec.b64u(seed), serial=serial)


def _give_back(asked: Return, account: Account, memory: Memory, at: At) -> Returned:
    """Revoke, and give back at once what no report can claim; the rest after `DELTA_S`."""
    serial = asked.serial
    found = memory.records.get(books.issued_key(serial))
    kept = books.READER.read(found) if found is not None else None
    if kept is None or kept.account != account.id:
        raise Denied("certificate_not_yours", "only its own account gives a certificate back")
    if kept.revoked_at_s or not kept.unspent_micro:
        return Returned(answer=kept.comeback(0))
    kept = kept.revoked(at.now_s, asked.opened)
    freed_micro = kept.freed_micro()
    after = kept.returned(freed_micro)
    return Returned(
        flows=books.to_payer(kept, freed_micro),
        marks=(Once(id=b"agent/returned/" + serial.encode(), until_s=kept.until_s),),
        records=(kept.revocation(serial), after.put(serial)),
        due=((kept.settles_at_s, books.issued_key(serial)),),
        answer=after.comeback(freed_micro),
    )


def _next_order(key: bytes, number: int, until_s: int) -> Put:
    return Put(key=key, value=b"%d" % number, until_s=until_s)


def _require_role(account: Account, role: str) -> None:
    if account.role != role:
        raise Denied("wrong_kind_of_account", f"this is for a {role}'s account")
