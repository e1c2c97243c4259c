"""The vendor's side of a scheme, with what it refuses where a scheme declares nothing."""

from typing import Any, ClassVar

from farthing import codec
from farthing.errors import Forged, Unsupported
from farthing.marks import NO_KEYS, Claim, Keys, Memory, Moment, Put
from farthing.schemes.messages import Binding, Finished, Offer, Taken
from farthing.schemes.purse import Replier
from farthing.schemes.refunds import Charged, Refund
from farthing.schemes.setting import At, Json, Setting, Traits


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
    unproved_micro = 0
    """What it delivers to one payer before it knows who sent those payments; 0: nothing."""
    streams = False  # whether it takes vouchers; else an opening and top-ups pay for streams
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

    def waive(self, charged: Charged) -> Json:
        """The redeem message that leaves to the payer what is disputed of a payment."""
        raise Unsupported("waiver_unsupported", f"nothing of {self.traits.name} is disputed")

    def disclosing(self, charged: Charged) -> Keys:
        """What `disclose` reads; `Unsupported` where there is nothing to open."""
        raise Unsupported("disclosure_unsupported", f"{self.traits.name} hides nothing to open")

    def disclose(self, memory: Memory) -> Json:
        """What shows a third party what was bought, as `Mint.judge` takes it; any refusal."""
        raise Unsupported("disclosure_unsupported", f"{self.traits.name} hides nothing to open")

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
