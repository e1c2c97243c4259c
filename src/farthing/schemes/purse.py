"""The payer's side of a scheme, with what it refuses where a scheme declares nothing."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from farthing.errors import Unsupported
from farthing.schemes.messages import (
    Asked,
    AskFirst,
    Binding,
    Concluded,
    Conclusion,
    Instrument,
    Need,
    Offer,
    Paid,
)
from farthing.schemes.reissues import Lost
from farthing.schemes.setting import At, Json, Setting, Traits
from farthing.schemes.sharing import Parted, Portion, Shared

Replier = Callable[[Json, bytes], bytes]
"""Signs an answer for its payer: from the change and the answer's digest to a code of 16 bytes."""


class Purse:
    """The payer's side of a scheme."""

    traits: ClassVar[Traits]
    shares: ClassVar[bool] = False  # whether `share` and `accept` work
    refunds: ClassVar[bool] = False
    """Whether vendors may give back what a payment cost: then `accept_refund` takes it."""
    returns_after_s: ClassVar[int] = 0
    """When all that was given back is in the account; part of it may be there at once."""
    numbers: ClassVar[bool] = False
    """Whether `ask` wants a number in `At.serials` that the wallet has given out for nothing else,
    and restores by counting through them."""
    parts: ClassVar[bool] = False  # whether `part` and `claim` work
    bearer_prefixes: ClassVar[tuple[str, ...]] = ()
    """What texts begin with that bear its money, where it has its own: then `Parted.token` is such
    a text, and `issuer_of` works."""
    releases: ClassVar[bool] = False
    """Whether a payment may have a second half, sent after the page (`Concluded.release`)."""
    merges: ClassVar[bool] = False  # whether one instrument pays several vendors: `merge` works
    reissues: ClassVar[bool] = False
    """Whether what a lost wallet held comes back: then `survey` and `reclaim` work."""

    def __init__(self, setting: Setting) -> None:
        """For one wallet at one broker."""
        self.setting = setting

    @property
    def blind(self) -> bool:
        """Whether the broker cannot tell whom it sold what it takes back.

        Then it is bought in round amounts and ahead. So it is where a wallet restores by counting
        (`numbers`): a broker that knew would simply say.
        """
        return self.numbers

    @property
    def means(self) -> str:
        """The vendor id of instruments that pay for an ask instead of the account; "" for none.

        Option `float`: whether the payer wants it so; then what is given back becomes such, too.
        """
        return ""

    def is_billed(self, instrument: Instrument) -> bool:
        """Whether its payer pays for this once it is spent, and not before."""
        return self.traits.credit

    def least_micro(self, offer: Offer) -> int:
        """The least need that `ask` may be given so that it pays this offer: its price."""
        return offer.price_micro

    def ask(self, need: Need, at: At) -> Asked:
        """The message that gets spending power for `need`."""
        raise NotImplementedError

    def part(self, instrument: Instrument, amount_micro: int) -> Parted:
        """A part of an instrument for whoever has it; `OutOfRange` where it has no such part."""
        raise Unsupported("part_unsupported", f"{self.traits.name} is not passed on to bearers")

    @classmethod
    def issuer_of(cls, text: str) -> str:
        """An address below that of the broker whose money a text bears; `Malformed`."""
        raise Unsupported("part_unsupported", f"{cls.traits.name} has no texts of its own")

    def claim(self, token: Json, at: At) -> Asked:
        """The message that makes a part that came from another wallet this one's alone."""
        raise Unsupported("part_unsupported", f"{self.traits.name} is not passed on to bearers")

    def compare(self, asked: Asked, held: Sequence[Instrument]) -> None:
        """Any refusal to send what follows an answer, beside what is here already (`blind`)."""

    def remake(self, number: int, at: At) -> Asked:
        """The first message that brings back what was made with this number (`numbers`).

        The errand ends with what is left, worth 0 where all is spent; nothing: none was made.
        """
        raise Unsupported(
            "remake_unsupported", f"nothing of {self.traits.name} follows from a seed"
        )

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

    def merge(self, current: Instrument, paid: Paid, left: Instrument | None) -> Instrument | None:
        """What an instrument is that has changed since a payment of it was made, which counts.

        `left`: what `conclude` has left of what it was then. None: nothing remains.
        """
        raise Unsupported("merge_unsupported", f"one {self.traits.name} is paid at a time")

    def give_way(self, release: Json) -> Asked | None:
        """What shows the broker a second half that its vendor does not take; None: nothing does."""
        return None

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

    def names(self, instrument: Instrument) -> tuple[tuple[str, int], ...]:
        """What an operator blocks if it is stolen: a name and its worth, for each part."""
        return ()

    def survey(self) -> Asked:
        """What asks the broker (`status`) for all that it has sold to this account."""
        raise Unsupported("reissue_unsupported", f"{self.traits.name} is not reissued")

    def reclaim(self, answer: Json) -> tuple[Lost, ...]:
        """All of it, by the answer to `survey`; any refusal."""
        raise Unsupported("reissue_unsupported", f"{self.traits.name} is not reissued")

    def accept_refund(self, paid: Paid, answer: Json) -> Instrument:
        """What the vendor gave back for a payment (`Till.refund`); any refusal."""
        raise Unsupported("refund_unsupported", f"{self.traits.name} is not given back")

    def disclose(self, paid: Paid) -> Json:
        """What shows a third party what was bought, as `Mint.judge` takes it; any refusal."""
        raise Unsupported("disclosure_unsupported", f"{self.traits.name} hides nothing to open")

    def share(self, instrument: Instrument, portion: Portion, at: At) -> Shared:
        """A part of an instrument that names its vendor, for another wallet's `accept`."""
        raise Unsupported("share_unsupported", f"{self.traits.name} is not passed on")

    def accept(self, grant: Json, secret: bytes, at: At) -> Instrument:
        """Spending power out of a grant to the Ed25519 key of `secret`; any refusal."""
        raise Unsupported("share_unsupported", f"{self.traits.name} is not passed on")
