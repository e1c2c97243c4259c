"""PayWord: credit, one signature per vendor and day, one hash per payment.

- Source: Rivest & Shamir, "PayWord and MicroMint: two simple micropayment schemes", 1996.
- It is what `chain/credit` and `chain/words` do, and alone of them with several denominations.
- A commitment has up to four chains, of the unit and of 10, 100 and 1,000 of it (100, 10,000 and
  1,000,000 above 100,000 units): half a unit of currency is five links, and any price is exact.
- Departures: Ed25519 for RSA; a salted, indexed link; which denominations there are (the source
  names two) follows from the price at hand (`words/denominations.py`).
- Trust: the broker bears a payer's credit up to the limit for each vendor and day, V above it.
"""

from farthing import codec
from farthing.schemes.chain.credit.certificate import Family
from farthing.schemes.chain.credit.losses import LOSSES
from farthing.schemes.chain.words.commitment import CHAINS_MAX, Commitment
from farthing.schemes.chain.words.mint import ClaimMessage, WordMint
from farthing.schemes.chain.words.purse import Opened, WordPurse
from farthing.schemes.chain.words.till import Payment, WordTill
from farthing.schemes.contract import Scheme, Traits

FAMILY = Family(tag="payword", short="pw")

TRAITS = Traits(
    name="payword",
    wire="payword",
    title="PayWord",
    source="Rivest & Shamir 1996",
    issuer="broker",
    credit=True,
    needs_list=False,
    latest="batch",
    losses=LOSSES,
)


class PaywordCommitment(
    Commitment, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """The payer's promise to one vendor for one day."""

    family = FAMILY


class PaywordMint(WordMint):
    """The broker's side."""

    traits = TRAITS
    family = FAMILY
    published = FAMILY.revoked_prefix
    contradicted = FAMILY.conflict_prefix
    signing = (FAMILY.certificate_key,)
    claims = codec.Reader(ClaimMessage[PaywordCommitment])
    pledges = codec.Reader(PaywordCommitment)


class PaywordPurse(WordPurse):
    """One wallet's PayWord at one broker."""

    traits = TRAITS
    family = FAMILY
    commitment = PaywordCommitment
    chains = codec.Reader(Opened[PaywordCommitment])
    denominations = CHAINS_MAX


class PaywordTill(WordTill):
    """One vendor's till."""

    traits = TRAITS
    family = FAMILY
    payments = codec.Reader(Payment[PaywordCommitment])
    denominations = CHAINS_MAX


PAYWORD = Scheme(
    traits=TRAITS,
    mint=PaywordMint,
    purse=PaywordPurse,
    till=PaywordTill,
    options={"unit_micro": (200, 1, 20)},
)
