"""The contract of every payment scheme: a mint, a purse and a till.

- The **mint** runs at the issuer: `issue`, `redeem`, `take_back`, `grant` (a vendor hands over
  what the broker needs to mint for it) and `status` (a payer asks what became of its payment),
  each as `check` (cryptography, no state, in parallel workers), `recall` (what the decision reads)
  and `apply` (in the one writer).
- The **purse** runs in the wallet: `ask`/`receive` get spending power, `pay`/`conclude` spend it,
  `inquire`/`learn` end a doubt at the broker, `share`/`accept` pass it on; `seal_request` and
  `unseal_answer` hide a whole purchase, where a scheme can.
- The **till** runs at the gate: `offer` and `seal`, `read`, `recall`, `take`, `endorse`, `finish`,
  `stream_of` where a payment is one of many for a stream; later `sweep` and `answer` talk to the
  broker. `unseal` and `seal_answer` are the other end of a purchase that is hidden whole.
- All is pure. Payloads are JSON, the same in every dialect; `At` brings time and randomness.
- Money moves only as `Flow`s between the ends named here; the engine turns them into postings.

The shape was tried against the hard cases of later schemes (`tests/kit/thin`) before it was
frozen: `docs/decisions/0002-the-scheme-contract.md` has what they forced.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from farthing import codec
from farthing.errors import Forged, Refusal, Unsupported
from farthing.marks import NO_KEYS, Claim, Keys, Memory, Moment, Put
from farthing.schemes.flows import End, EndKind, Flow
from farthing.schemes.messages import (
    Abroad,
    Accepted,
    Account,
    Applied,
    Asked,
    AskFirst,
    At,
    Binding,
    Burned,
    Challenge,
    Checked,
    Concluded,
    Conclusion,
    Dialect,
    Finished,
    Instrument,
    Issued,
    Json,
    Key,
    Need,
    Offer,
    Operation,
    Paid,
    Redeemed,
    Returned,
    Ring,
    Rolled,
    Setting,
    Settlement,
    Taken,
    Traits,
    Waiting,
)
from farthing.schemes.refunds import Charged, Refund
from farthing.schemes.sharing import Portion, Shared

__all__ = [
    "Abroad", "Accepted", "Account", "Applied", "AskFirst", "Asked", "At", "Batch", "Binding",
    "Burned", "Challenge", "Charged", "Checked", "Concluded", "Conclusion", "Dialect", "End",
    "EndKind", "Finished", "Flow", "Instrument", "Issued", "Json", "Key", "Mint", "Need", "Offer",
    "Operation", "Paid", "Portion", "Purse", "Redeemed", "Refund", "Replier", "Returned", "Ring",
    "Rolled", "Scheme", "Setting", "Settlement", "Shared", "Taken", "Till", "Traits", "Waiting",
]  # fmt: skip  # - names only: one a line would hide the classes below


Batch = Sequence[tuple[Json, Account, At]]  # messages, each with who sent it
Replier = Callable[[Json, bytes], bytes]
"""Signs an answer for its payer: from the change and the answer's digest to a code of 16 bytes."""


class Mint:
    """The issuer's side of a scheme."""

    traits: ClassVar[Traits]
    published: ClassVar[bytes] = b""
    """Prefix of the records that the broker publishes as a signed list: revocations, by name."""
    signing: ClassVar[tuple[str, ...]] = ()
    """Purposes of the Ed25519 keys that the issuer's ring must hold and publish: of this scheme
    only, whatever it inherits. `registry.verify_purposes` holds it."""
    sealing: ClassVar[tuple[str, ...]] = ()
    """Purposes of the symmetric keys that the issuer's ring must hold: likewise."""
    shared: ClassVar[bytes] = b""
    """Prefix of the records that many payments draw on. A reservation changes them at once and
    holds none of them, so nobody waits for another's payment; `put_back` undoes its part."""
    given: ClassVar[tuple[bytes, ...]] = ()
    """Prefixes of the records that say what is given out next, as serials: see `rewind`."""

    def __init__(self, setting: Setting) -> None:
        """For one issuer."""
        self.setting = setting

    def is_bearer(self, operation: Operation, message: Json) -> bool:
        """Whether this message, if right, pays for itself: `check` has an account of no name."""
        return False

    def check(self, operation: Operation, message: Json, account: Account, at: At) -> Checked:
        """All cryptography of one operation, no state; any refusal."""
        raise Unsupported("operation_unsupported", f"{self.traits.name} has no {operation}")

    def check_all(self, operation: Operation, asked: Batch) -> list[Checked | Refusal]:
        """`check` of each message, in their order; a refusal stands for its own message only."""
        found: list[Checked | Refusal] = []
        for message, account, at in asked:
            try:
                found.append(self.check(operation, message, account, at))
            except Refusal as refusal:
                found.append(refusal)
        return found

    def found(self, at: At) -> Applied | None:
        """What a new issuer begins with, and again after a restore, under new names; or None."""
        return None

    def rewind(self, key: bytes, value: bytes, at: At) -> Applied | None:
        """A `given` record where the books are older: what it gave out since stays out; or None."""
        return None

    def series(self, checked: Checked) -> str:
        """The series from which `apply` wants one leased serial; empty for none."""
        return ""

    def recall(self, checked: Checked) -> Keys:
        """What `apply` will read."""
        return NO_KEYS

    def apply(self, checked: Checked, memory: Memory, at: At) -> Applied:
        """Decide, on the state that `recall` named; any refusal."""
        raise NotImplementedError

    def put_back(self, applied: Applied, memory: Memory, at: At) -> tuple[Put, ...]:
        """The shared records of a reserved decision as they are once it is void.

        `memory` has them as they stand now. Asked when it is reserved too: `Unsupported` for a
        decision that could not be taken back is heard before anything is held.
        """
        raise NotImplementedError

    def resume(self, kept: bytes, outcome: Json | Refusal, at: At) -> Checked:
        """What another broker's answer to an `Abroad` means, for `recall` and `apply`.

        After a refusal the decision undoes what `Abroad` had done. `Mismatch` for an answer that is
        not right: then it is asked once more, with a refusal.
        """
        raise Unsupported("peer_unsupported", f"{self.traits.name} is not bought of other brokers")

    def lapse(self, key: bytes, value: bytes, at: At) -> Applied | None:
        """What time alone does to one record: expiry, closing, windows. None: nothing."""
        return None


class Purse:
    """The payer's side of a scheme."""

    traits: ClassVar[Traits]
    shares: ClassVar[bool] = False  # whether `share` and `accept` work
    refunds: ClassVar[bool] = False
    """Whether vendors may give back what a payment cost: then `accept_refund` takes it."""
    returns_after_s: ClassVar[int] = 0
    """When all that was given back is in the account; part of it may be there at once."""
    releases: ClassVar[bool] = False
    """Whether a payment may have a second half, sent after the page (`Concluded.release`)."""

    def __init__(self, setting: Setting) -> None:
        """For one wallet at one broker."""
        self.setting = setting

    @property
    def means(self) -> str:
        """The vendor id of instruments that pay for an ask instead of the account; "" for none.

        Option `float`: whether the payer wants it so; then what is given back becomes such, too.
        """
        return ""

    def ask(self, need: Need, at: At) -> Asked:
        """The message that gets spending power for `need`."""
        raise NotImplementedError

    def receive(self, asked: Asked, answer: Json, at: At) -> tuple[Instrument, ...] | Asked:
        """Check what the mint answered, and keep it; any refusal.

        An `Asked` in return is the next message of the same errand: scrip is burned at the vendor,
        then its burn receipt is carried to the broker.
        """
        raise NotImplementedError

    def open(self, instrument: Instrument, offer: Offer, at: At) -> tuple[Instrument, Instrument]:
        """Spending power for this offer's vendor out of a general instrument.

        Asked for where it names no vendor; returns what it becomes, and what was opened. A scheme
        whose instruments any vendor takes as they are has nothing to open.
        """
        return instrument, instrument

    def pay(
        self, instrument: Instrument, offer: Offer, binding: Binding, at: At, answer: Json = None
    ) -> Paid | AskFirst:
        """Pay `offer` from `instrument`; `answer` is the mint's to an `AskFirst` before."""
        raise NotImplementedError

    def conclude(self, paid: Paid, conclusion: Conclusion, at: At) -> Concluded:
        """Adopt the change, or roll back; any refusal if the change is not right."""
        raise NotImplementedError

    def inquire(self, paid: Paid, at: At) -> Asked | None:
        """What to ask the broker (`status`) of a payment in doubt; None: only its vendor knows."""
        return None

    def learn(self, paid: Paid, answer: Json, at: At) -> Conclusion | None:
        """What the broker's answer to `inquire` means; None: not decided yet. Any refusal."""
        raise Unsupported("status_unsupported", f"the broker knows nothing of {self.traits.name}")

    def prove(self, instrument: Instrument, statement: bytes) -> str:
        """`mac:…` or `ed25519:…` over `statement` under the instrument's own key; "" without."""
        return ""

    def seal_request(self, instrument: Instrument, message: bytes, at: At) -> tuple[bytes, bytes]:
        """The name of the instrument's key (`Taken.owner`), and `message` sealed for its vendor."""
        raise Unsupported("private_unsupported", f"{self.traits.name} is not paid in private")

    def unseal_answer(self, instrument: Instrument, request: bytes, sealed: bytes) -> bytes:
        """What the vendor sealed in answer to `request` (as it was sealed); `Forged`."""
        raise Unsupported("private_unsupported", f"{self.traits.name} is not paid in private")

    def receipt_key(self, instrument: Instrument) -> bytes:
        """The 32-byte key under which receipts for it are `mac:`; empty: the vendor signs them."""
        return b""

    def replier(self, paid: Paid) -> Replier | None:
        """What the vendor signs the answer to this payment with; None: it signs none."""
        return None

    def give_back(self, instrument: Instrument, at: At) -> Asked:
        """The message that returns what is left."""
        raise Unsupported("take_back_unsupported", f"{self.traits.name} is not returned")

    def accept_refund(self, paid: Paid, answer: Json) -> Instrument:
        """What the vendor gave back for a payment (`Till.refund`); any refusal."""
        raise Unsupported("refund_unsupported", f"{self.traits.name} is not given back")

    def share(self, instrument: Instrument, portion: Portion, at: At) -> Shared:
        """A part of an instrument that names its vendor, for another wallet's `accept`."""
        raise Unsupported("share_unsupported", f"{self.traits.name} is not passed on")

    def accept(self, grant: Json, secret: bytes, at: At) -> Instrument:
        """Spending power out of a grant to the Ed25519 key of `secret`; any refusal."""
        raise Unsupported("share_unsupported", f"{self.traits.name} is not passed on")


class Till:
    """The vendor's side of a scheme."""

    traits: ClassVar[Traits]
    sealing: ClassVar[tuple[str, ...]] = ()  # purposes of keys that the vendor's ring must hold
    subscribes = False
    """Whether its payments can show a subscription, and its change can begin one."""
    authorizes = False  # whether its payments buy an authorization number
    tabled = b""  # prefix of records that the gate also writes into `authorizations.db`
    trusted_micro = 0
    """What it lets a payer have on one promise that the broker has not acknowledged."""
    streams = False  # whether it pays for what is sold while it runs
    is_private = False
    """Whether it takes sealed requests: then `unseal` and `seal_answer` work, and a payment whose
    `Binding.owner` is set came in one."""

    def __init__(self, setting: Setting) -> None:
        """For one vendor."""
        self.setting = setting
        self.soonest: Moment = self.traits.latest
        """The latest safe moment of the payment that can wait least."""

    def offer(self, price_micro: int, at: At) -> Offer:
        """The offer at this price; `OutOfRange` if the scheme cannot express it."""
        raise NotImplementedError

    def seal(self, offer: Offer, goods: bytes, at: At) -> Offer:
        """The offer with the goods sealed in it, their digests among its terms (`traits.sealed`).

        Nothing is stored: the key follows from the offer, which the gate authenticates.
        """
        raise Unsupported("seal_unsupported", f"{self.traits.name} does not seal goods")

    def read(self, payload: bytes) -> Any:
        """The scheme's own payment in JSON bytes; `Malformed`, `Unfit`."""
        raise NotImplementedError

    def own_k(self, payment: Any) -> str:
        """K of a payment that is one of several under its challenge (a voucher: chain and index).

        Empty for all others: there the challenge decides. The gate finds repeats by it.
        """
        return ""

    def recall(self, payment: Any) -> Keys:
        """What `take` reads; nothing by default."""
        return NO_KEYS

    def take(self, payment: Any, offer: Offer, binding: Binding, memory: Memory, at: At) -> Taken:
        """Verify the payment; any refusal. Changes nothing.

        Vouchers of a stream and releases come here too: they are payments that buy no page.
        """
        raise NotImplementedError

    def endorse(self, payment: Any, taken: Taken, memory: Memory, at: At) -> Json:
        """The redeem message of a payment that clears `before`; None: its payload is one.

        By default what `sweep` makes of its one claim and `memory`, which is what `archive` named;
        `Unsupported` for several. Once settled, the payment leaves no claim.
        """
        if not taken.claims:
            return None
        own = {record.key: record.value for record in taken.records if isinstance(record, Put)}
        known = Memory(counters=memory.counters, records=memory.records | own)
        messages = self.sweep(taken.claims, known, at)
        if len(messages) != 1 or messages[0] is None:
            raise Unsupported("settle_unsupported", "clear these payments in batches")
        return messages[0]

    def series(self, taken: Taken) -> str:
        """The series from which `finish` wants one leased serial; empty for none.

        It is taken when the payment is about to be confirmed: forgeries and repeats cost none.
        """
        return ""

    def finish(self, taken: Taken, redeemed: Json, at: At) -> Finished:
        """After the origin answered: change and releases. `redeemed`: the broker's `for_payer`."""
        return Finished()

    def replier(self, payment: Any) -> Replier | None:
        """What signs the answer to a payment that was taken; None where payers check nothing."""
        return None

    def stream_of(self, payment: Any) -> str:
        """K of the opening of the stream that this pays, its own at the opening; "" for a page."""
        return ""

    def refund_series(self, charged: Charged) -> str:
        """The series from which `refund` wants one leased serial; `Unsupported` without refunds."""
        raise Unsupported("refund_unsupported", f"{self.traits.name} cannot be given back")

    def refund(self, charged: Charged, at: At) -> Refund:
        """Spending power for what a confirmed payment cost; asked for once a payment."""
        raise NotImplementedError

    def verify_owner(self, owner: bytes, statement: bytes, proof: str) -> None:
        """`Forged` unless `proof` is the owner's over `statement` (wire format, 8.11)."""
        raise Forged("outcome_proof_wrong", "this instrument has no key to prove with")

    def unseal(self, owner: bytes, sealed: bytes) -> bytes:
        """What the owner of an instrument sealed for this vendor; `Forged` for anything else."""
        raise Unsupported("private_unsupported", f"{self.traits.name} is not paid in private")

    def seal_answer(self, owner: bytes, request: bytes, message: bytes, at: At) -> bytes:
        """`message` sealed for the owner, as the answer to `request` (as it was sealed)."""
        raise Unsupported("private_unsupported", f"{self.traits.name} is not paid in private")

    def archive(self, claims: tuple[Claim, ...]) -> Keys:
        """What `sweep` reads beside the claims; nothing by default."""
        return NO_KEYS

    def sweep(self, claims: tuple[Claim, ...], memory: Memory, at: At) -> list[Json]:
        """One redeem message per claim, in their order; by default the claim's body.

        None instead of a message: not due yet, the claim stays.
        """
        return [codec.read_json(claim.body) for claim in claims]

    def evidence(self, challenge: Json) -> Keys:
        """What `answer` reads; nothing by default."""
        return NO_KEYS

    def answer(self, challenge: Json, memory: Memory, at: At) -> list[Json]:
        """Redeem messages that answer a mint's challenge, to be shown in this order."""
        raise Unsupported("challenge_unsupported", f"{self.traits.name} is never challenged")


class Scheme(msgspec.Struct, frozen=True, kw_only=True):
    """One registered scheme."""

    traits: Traits
    mint: type[Mint]
    """At the broker."""
    purse: type[Purse]
    till: type[Till]
    vendor_mint: type[Mint] | None = None
    """At the vendor, where the vendor issues too; its gate mounts it."""
    options: Mapping[str, tuple[Json, ...]] = {}
    """What a vendor may set under the scheme's name in `prices.toml` (`Setting.options`), each with
    some of its values: simulated vendors differ in them."""
