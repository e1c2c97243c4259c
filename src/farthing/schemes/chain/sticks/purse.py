"""The payer's side of sticks: made out as the vendor asks, under a fresh serial."""

from typing import Any

from farthing import codec
from farthing.crypto.chain import LENGTH_MAX
from farthing.errors import OutOfRange
from farthing.schemes.chain.credit.purse import Part
from farthing.schemes.chain.sticks.stick import AUTHS, SERIAL_BYTES, Auth
from farthing.schemes.chain.words.purse import CHAIN_LENGTH, Opened, WordPurse
from farthing.schemes.contract import At, Binding, Instrument, Json, Offer, Paid

_SERIAL_AT = 32  # of the entropy; what is before it makes seed and salt


class StickPurse(WordPurse):
    """A member gives what `WordPurse` asks for."""

    def lengths(self, part: Part, unit_micro: int, offer: Offer) -> dict[int, int]:
        """Off-line within the credit; on-line at least the price, which is then reserved."""
        if auth_of(offer) == "offline":
            return super().lengths(part, unit_micro, offer)
        least = -(-offer.price_micro // unit_micro)
        if least > LENGTH_MAX:
            raise OutOfRange("price_above_chain", f"a chain has at most {LENGTH_MAX} links")
        return {unit_micro: max(least, min(CHAIN_LENGTH, part.worth_micro // unit_micro))}

    def fields(self, offer: Offer, at: At) -> dict[str, Json]:
        """What a stick has beside its chains."""
        serial = at.entropy[_SERIAL_AT : _SERIAL_AT + SERIAL_BYTES]
        return {"auth": auth_of(offer), "serial": codec.b64u(serial)}

    def lies_ready(self, opened: Opened[Any]) -> bool:
        """Once an on-line stick was shown, all of it does."""
        return opened.index > 0 and opened.commitment.auth == "online"

    def pay(
        self, instrument: Instrument, offer: Offer, binding: Binding, at: At, answer: Json = None
    ) -> Paid:
        """As words; `OutOfRange` for a stick that this vendor would not open any more."""
        opened = self.chains.read(instrument.body)
        if opened.index == 0 and opened.commitment.auth != auth_of(offer):
            raise OutOfRange("stick_of_another_kind", "open another stick")
        return super().pay(instrument, offer, binding, at, answer)


def auth_of(offer: Offer) -> Auth:
    """Whether the vendor authorises sticks; `OutOfRange` unless the offer says so."""
    auth = offer.terms.get("auth")
    for known in AUTHS:
        if auth == known:
            return known
    raise OutOfRange("offer_without_auth", "the offer does not say how sticks are authorised")
