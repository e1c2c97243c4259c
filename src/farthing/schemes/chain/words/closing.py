"""Closing a commitment whose money lies ready at the broker, so that the rest comes back at once.

    wallet -> gate      the order to close: the commitment, and its key's signature over that
    at the gate         every counter goes above its chain's length; a last claim says `closing`
    gate -> broker      that claim, with the next sweep: paid as any other, and the rest goes back

- Nobody carries another's word: the broker hears from the vendor alone, in whose claim it is. Who
  closes early can lose only what it has not claimed.
- What was prepaid is closed whole, by a commitment to all of it, so nothing else of it can be out.
- Closing costs nothing. The same order again has the same answer; a payment that is under way at
  the gate makes it `Busy`.
- Source: `close` of MPP's sessions; that it goes through the outbox is ours.
"""

from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from farthing import codec
from farthing.crypto import signing
from farthing.errors import Closed
from farthing.marks import Advance, Keys, Mark, Memory, Put
from farthing.schemes.chain.counters import WORD_BYTES, chain_closed, kept_of
from farthing.schemes.chain.words.commitment import Commitment, Link
from farthing.schemes.chain.words.till import WordTill, records_of, used_up
from farthing.schemes.contract import (
    Account,
    Applied,
    At,
    Checked,
    Json,
    Mint,
    Operation,
    Returned,
    Setting,
)

C = TypeVar("C", bound=Commitment)


class CloseOrder(msgspec.Struct, Generic[C], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`take_back` at the vendor: take nothing more of this."""

    commitment: C
    sig: str
    """The payer's, base64url."""


class WordVendorMint(Mint):
    """The vendor's side; a member gives `traits`, `orders` and `tills`."""

    orders: ClassVar[codec.Reader[Any]]
    """Reads its `CloseOrder`."""
    tills: ClassVar[type[WordTill]]

    def __init__(self, setting: Setting) -> None:
        """For one vendor; `Misconfigured` as its till."""
        super().__init__(setting)
        self._till = self.tills(setting)

    def check(self, operation: Operation, message: Json, account: Account, at: At) -> Checked:
        """`Malformed`, `Unfit`, `Forged`, and what the till says of a commitment. Anyone may ask.

        `Expired` after its day: then the rest comes back by itself.
        """
        if operation != "take_back":
            return super().check(operation, message, account, at)
        order = self.orders.convert(message)
        commitment: Commitment = order.commitment
        commitment.require_closable()
        self._till.admit(commitment, at)
        public = codec.unb64u(commitment.certificate.public_key, size_bytes=32)
        sig = codec.unb64u(order.sig, size_bytes=signing.SIGNATURE_BYTES)
        signing.verify(public, commitment.to_close, sig)
        return Checked(operation=operation, message=order, account=account)

    def recall(self, checked: Checked) -> Keys:
        """The counter of each chain."""
        commitment: Commitment = checked.message.commitment
        return Keys(counters=tuple(commitment.counter_id(one) for one, _, _ in commitment.chains))

    def apply(self, checked: Checked, memory: Memory, at: At) -> Applied:
        """Nothing more is taken, and the last claim is written; `Finalized` where it was before.

        What was prepaid and never shown here is used up by this.
        """
        commitment: Commitment = checked.message.commitment
        fresh, until_s = records_of(commitment), commitment.marks_until_s
        marks: list[Mark] = []
        records: tuple[Put, ...] = ()
        if not memory.counters:
            if not commitment.certificate.vendor:
                raise Closed("commitment_unknown", "nothing was reserved for what was never shown")
            marks += used_up(commitment, fresh)
            records = (self._till.record_of(commitment, until_s),)
        links: list[Link] = []
        for denomination, length, _ in commitment.chains:
            mark_id = commitment.counter_id(denomination)
            place = memory.counters.get(mark_id)
            last, record = (place.to, place.link) if place else (0, fresh[denomination])
            if last > length:
                raise chain_closed()
            if last:
                word = record[: kept_of(record[WORD_BYTES:]).word_bytes]
                links.append((denomination, last, codec.b64u(word)))
            marks.append(
                Advance(id=mark_id, over=last, to=length + 1, link=record, until_s=until_s)
            )
        paid_micro = sum(denomination * index for denomination, index, _ in links)
        return Returned(
            marks=tuple(marks),
            records=records,
            claims=(self._till.closing_claim(commitment, links),),
            answer={"closed": commitment.id, "paidMicro": paid_micro},
        )
