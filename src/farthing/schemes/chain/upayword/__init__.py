"""UPayWord: PayWord in chains without end, of words as short as one likes, whatever gets lost.

- Source: Mu, Varadharajan & Lin, "New micropayment schemes based on PayWords", 1997 (abstract);
  the details are ours. It is `chain/credit` and `chain/words` but for these three:
- *Unbounded*: when a chain is used up its payer signs a continuation, a further chain of the same
  commitment. A MAC of the next root under the next word would convince the vendor and not the
  broker, for after the word is out the vendor can make that MAC.
- *Salted*: the salt is in every link, so that words may be cut to 10 bytes (option `word_bytes`):
  an attacker must attack one link of one chain.
- *Loss-tolerant*: a payment shows the last word of every chain that it leaves behind, so the last
  payment that arrives settles all before it, up to 1,000 words at once.
- Trust: as in PayWord. The units of all chains of a commitment stay within its part of the credit;
  vendor and broker both see to it, else a chain without end were credit without end.
"""

from farthing.schemes.chain.upayword.commitment import TRAITS
from farthing.schemes.chain.upayword.mint import UpaywordMint
from farthing.schemes.chain.upayword.purse import UpaywordPurse
from farthing.schemes.chain.upayword.till import UpaywordTill
from farthing.schemes.contract import Scheme

UPAYWORD = Scheme(
    traits=TRAITS,
    mint=UpaywordMint,
    purse=UpaywordPurse,
    till=UpaywordTill,
    options={"unit_micro": (200,), "word_bytes": (10,)},
)
