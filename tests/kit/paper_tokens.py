"""Generic tokens in the paper's own format, small and faithful, and two ways to mend it.

One chain for all vendors: the broker draws a seed and hashes n times, certifies root and n, and
pays every token that hashes to the root and was not paid yet *to that vendor*. `Broker.rule` says
what else it asks of a claim:

- `paper`: nothing more, as in the paper.
- `frozen`: nothing more, and what two vendors claim is paid to neither.
- `macs` (F2): the payer's MAC over the payment, under a key that broker and payer share. A second
  one over both is for the vendor, under a key that the payer has of the broker for this vendor.
- `signed` (F3): the payer's signature over the payment.
"""

import hashlib
import hmac
from typing import Literal

import msgspec

from farthing import codec
from farthing.crypto import signing
from farthing.errors import Conflict, Forged, OutOfRange, WrongVendor
from tests.kit.canaries import canary

Rule = Literal["paper", "frozen", "macs", "signed"]
LENGTH = 10


def hashed(token: bytes, times: int) -> bytes:
    for _ in range(times):
        token = hashlib.sha1(token).digest()  # noqa: S324 - as the paper has it
    return token


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """One payment: the tokens after `start` up to `end`, as the payer says it."""

    start: int
    end: int
    token: bytes
    vendor: str
    proof: bytes = b""
    vendor_tag: bytes = b""

    def said(self) -> bytes:
        return codec.enc("farthing/token/payment/1", self.start, self.end, self.vendor)

    def tagged(self, shared: bytes) -> bytes:
        """The vendor's tag, under what the payer shares with it."""
        tag = codec.enc("farthing/token/vendor-tag/1", self.said(), self.proof)
        return hmac.digest(shared, tag, "sha256")


def shared_with(vendor: str) -> bytes:
    """K_PV: the broker makes it of the vendor's key and gives it to the payer."""
    return hmac.digest(canary("paper-vendor-" + vendor), b"serial", "sha256")


class Payer:
    """Spends its tokens in order, wherever it is."""

    def __init__(self, rule: Rule) -> None:
        self.seed, self.rule, self.position = canary("paper-seed", 20), rule, 0
        self.key = canary("paper-key")
        self.root = hashed(self.seed, LENGTH)

    def pay(self, vendor: str, tokens: int = 1) -> Spent:
        start, self.position = self.position, self.position + tokens
        token = hashed(self.seed, LENGTH - self.position)
        spent = Spent(start=start, end=self.position, token=token, vendor=vendor)
        spent = msgspec.structs.replace(spent, proof=self.proof(spent))
        if self.rule != "macs":
            return spent
        return msgspec.structs.replace(spent, vendor_tag=spent.tagged(shared_with(vendor)))

    def proof(self, spent: Spent) -> bytes:
        match self.rule:
            case "macs":
                return hmac.digest(self.key, spent.said(), "sha256")
            case "signed":
                return signing.sign(self.key, spent.said())
            case _:
                return b""


class Vendor:
    """Takes what hashes to the root, or to the last token that it has."""

    def __init__(self, name: str, payer: Payer) -> None:
        self.name, self.payer = name, payer
        self.taken: list[Spent] = []

    def take(self, spent: Spent) -> None:
        if not 0 < spent.end <= LENGTH:
            raise OutOfRange("order_out_of_range", "the certificate has no such token")
        if hashed(spent.token, spent.end) != self.payer.root:
            raise Forged("token_forged", "it does not hash to the root")
        if self.payer.rule in {"macs", "signed"} and spent.vendor != self.name:
            raise WrongVendor("payment_for_another_vendor", "the payer has named another vendor")
        self._require_proof(spent)
        self.taken.append(spent)

    def _require_proof(self, spent: Spent) -> None:
        """What a vendor can check by itself: of F2 its own tag, and not the broker's."""
        match self.payer.rule:
            case "macs":
                if not hmac.compare_digest(spent.tagged(shared_with(self.name)), spent.vendor_tag):
                    raise Forged("vendor_tag_wrong", "its payer has not said so")
            case "signed":
                signing.verify(signing.public_of(self.payer.key), spent.said(), spent.proof)
            case _:
                pass

    def relabelled(self, spent: Spent, vendor: str) -> Spent:
        """What was paid here, as if it were for another: tagged with all that this vendor knows."""
        told = msgspec.structs.replace(spent, vendor=vendor)
        return msgspec.structs.replace(told, vendor_tag=told.tagged(shared_with(self.name)))

    def fraud(self) -> Spent:
        """A token below the last, which nobody paid here: one hash makes it."""
        last = self.taken[-1]
        return Spent(
            start=last.start - 1,
            end=last.end - 1,
            token=hashed(last.token, 1),
            vendor=self.name,
            proof=last.proof,
        )


class Broker:
    """Pays vendors for tokens, by its rule."""

    def __init__(self, payer: Payer) -> None:
        self.payer = payer
        self.paid: dict[str, set[int]] = {}
        self.frozen: set[int] = set()

    def claim(self, vendor: str, spent: Spent) -> int:
        """How many tokens are paid."""
        if hashed(spent.token, spent.end) != self.payer.root:
            raise Forged("token_forged", "it does not hash to the root")
        self._require_proof(spent)
        wanted = set(range(spent.start + 1, spent.end + 1))
        others = {n for name, paid in self.paid.items() if name != vendor for n in paid}
        if self.payer.rule == "frozen" and wanted & others:
            self.frozen |= wanted & others
            raise Conflict("claims_overlap", "two vendors claim one token")
        fresh = wanted - self.paid.setdefault(vendor, set())
        self.paid[vendor] |= fresh
        return len(fresh)

    def _require_proof(self, spent: Spent) -> None:
        match self.payer.rule:
            case "macs":
                if not hmac.compare_digest(self.payer.proof(spent), spent.proof):
                    raise Forged("payer_tag_wrong", "its payer has not said so")
            case "signed":
                signing.verify(signing.public_of(self.payer.key), spent.said(), spent.proof)
            case _:
                pass


def script(rule: Rule) -> tuple[Payer, Broker, Vendor, Vendor]:
    """n at V1, n-1 at V2, n-2 at V1: everybody has been honest until now."""
    payer = Payer(rule)
    one, two = Vendor("V1", payer), Vendor("V2", payer)
    for vendor in (one, two, one):
        vendor.take(payer.pay(vendor.name))
    return payer, Broker(payer), one, two
