"""What a vendor shows the broker: one claim for each payment or renewal of licensed scrip."""

import msgspec

from farthing import codec
from farthing.crypto.mac import mac
from farthing.marks import Claim, Once
from farthing.schemes.contract import Json
from farthing.schemes.mac.millicent.scrip import TRAITS, require_ids, require_worth

_ENCODE = msgspec.json.Encoder().encode
_DECODE = msgspec.json.Decoder(tuple[str, int, int, int, int]).decode
CLAIM_TAG = "farthing/millicent/claim/1"


class ClaimBody(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    gc=False,
    rename={
        "expires_at_s": "expiresS",
        "moved_micro": "movedMicro",
        "moved_to_s": "movedToS",
        "price_micro": "priceMicro",
    },
):
    """What the vendor shows the broker for one payment, or for one renewal.

    A renewal earns its fee as the price, and moves the rest to the pool of a later expiry.
    """

    expires_at_s: int
    """Expiry of the scrip: it names the pool that pays."""
    mac: str = ""
    """32 hex digits under the key that vendor and broker share; made when it is swept."""
    moved_micro: int = 0
    """Value of the fresh scrip that a renewal gave; 0 for a payment."""
    moved_to_s: int = 0
    """Expiry of that scrip."""
    price_micro: int
    serial: str
    vendor: str

    def __post_init__(self) -> None:
        """`Unfit` for a field outside its range or spelling."""
        require_ids(self.serial)
        # A vendor that renews for nothing has only moved value to tell of.
        require_worth(self.price_micro or self.moved_micro, self.expires_at_s)
        if self.moved_micro or self.moved_to_s:
            require_worth(self.moved_micro, self.moved_to_s)


CLAIMS = codec.Reader(ClaimBody)


def claim_mac(k_burn: bytes, claim: ClaimBody) -> str:
    """The MAC over every other field of a claim, 32 hex digits."""
    k_claim = mac(32, k_burn, CLAIM_TAG)
    return mac(
        16,
        k_claim,
        CLAIM_TAG,
        claim.vendor,
        claim.serial,
        claim.price_micro,
        claim.expires_at_s,
        claim.moved_micro,
        claim.moved_to_s,
    ).hex()


def claim_row(
    mark: Once,
    *,
    serial: str,
    price_micro: int,
    expires_at_s: int,
    moved_micro: int = 0,
    moved_to_s: int = 0,
) -> Claim:
    """A row of the vendor's outbox, as short as it can be: every payment writes one."""
    return Claim(
        scheme=TRAITS.name,
        key=mark.id,
        order=1,
        value_micro=price_micro,
        body=_ENCODE((serial, price_micro, expires_at_s, moved_micro, moved_to_s)),
        moment="batch",
    )


def body_of(row: Claim, vendor: str) -> ClaimBody:
    """The claim of a row that `claim_row` wrote, without its MAC."""
    serial, price_micro, expires_at_s, moved_micro, moved_to_s = _DECODE(row.body)
    return ClaimBody(
        expires_at_s=expires_at_s,
        moved_micro=moved_micro,
        moved_to_s=moved_to_s,
        price_micro=price_micro,
        serial=serial,
        vendor=vendor,
    )


def message_of(row: Claim, vendor: str, k_burn: bytes) -> Json:
    """The claim of a row, MACed for the broker."""
    body = body_of(row, vendor)
    return msgspec.to_builtins(msgspec.structs.replace(body, mac=claim_mac(k_burn, body)))
