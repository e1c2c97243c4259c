"""NetCard: a signed stick of coins for one vendor, authorised on-line once or taken off-line.

- Source: Anderson, Manifavas, Sutherland, "NetCard: a practical electronic cash system", 1996.
- Notation: the stick is `Sig_P{vendor, account, N_0, n, coin value, date, serial}`, a coin is a
  preimage. Beside PayWord there is an authorisation record for each serial.
- Departures: Ed25519 for RSA; a salted, indexed link; P is a pseudonym that only the broker can
  open; keys lie in the wallet's file, so the limit is what bounds an opened card.
- Trust: off-line the broker bears a payer's credit up to the limit for each vendor and day; what is
  authorised lies apart at the broker, whatever becomes of the payer's account.
"""

from farthing import codec
from farthing.schemes.chain.credit.certificate import Family
from farthing.schemes.chain.credit.losses import RESERVING
from farthing.schemes.chain.sticks.mint import StickMint
from farthing.schemes.chain.sticks.purse import StickPurse
from farthing.schemes.chain.sticks.stick import AUTHS, Stick
from farthing.schemes.chain.sticks.till import StickTill
from farthing.schemes.chain.words.closing import CloseOrder, WordVendorMint
from farthing.schemes.chain.words.mint import ClaimMessage
from farthing.schemes.chain.words.purse import Opened
from farthing.schemes.chain.words.till import Payment
from farthing.schemes.contract import Scheme, Traits

FAMILY = Family(tag="netcard", short="ncd")

TRAITS = Traits(
    name="netcard",
    wire="netcard",
    title="NetCard",
    source="Anderson, Manifavas & Sutherland 1996",
    issuer="broker",
    credit=True,
    needs_list=False,
    latest="batch",
    losses=RESERVING,
)


class NetcardStick(Stick, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A stick of coins for one vendor and day."""

    family = FAMILY
    message = "stick"


class NetcardMint(StickMint):
    """The broker's side."""

    traits = TRAITS
    family = FAMILY
    published = FAMILY.revoked_prefix
    contradicted = FAMILY.conflict_prefix
    signing = (FAMILY.certificate_key,)
    claims = codec.Reader(ClaimMessage[NetcardStick])
    pledges = codec.Reader(NetcardStick)


class NetcardPurse(StickPurse):
    """One wallet's NetCard at one broker."""

    traits = TRAITS
    family = FAMILY
    commitment = NetcardStick
    chains = codec.Reader(Opened[NetcardStick])


class NetcardTill(StickTill):
    """One vendor's till."""

    traits = TRAITS
    family = FAMILY
    payments = codec.Reader(Payment[NetcardStick])


class NetcardVendorMint(WordVendorMint):
    """Where a payer has what was authorised closed."""

    traits = TRAITS
    orders = codec.Reader(CloseOrder[NetcardStick])
    tills = NetcardTill


NETCARD = Scheme(
    traits=TRAITS,
    mint=NetcardMint,
    purse=NetcardPurse,
    till=NetcardTill,
    vendor_mint=NetcardVendorMint,
    options={"unit_micro": (20,), "auth": AUTHS},
)
