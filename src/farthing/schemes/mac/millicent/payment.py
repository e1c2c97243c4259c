"""A payment in MilliCent: scrip, and in protocol C the request signed with the payer's secret."""

import msgspec

from farthing.errors import Unfit
from farthing.schemes.mac.millicent.scrip import Scrip
from farthing.schemes.subscriptions import NAME

NONCE_CHARS_MAX = 32  # a nonce of 16 bytes in hex


class Payment(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    gc=False,
):
    """A payment in protocol C, or in A without `nonce` and `sig`."""

    nonce: str = ""
    plan: str = ""
    """The plan that pays for this page, where the payer means to pay nothing; else empty."""
    scrip: Scrip
    sig: str = ""
    """Request signature, 32 hex digits."""

    def __post_init__(self) -> None:
        """`Unfit` for a field that is too long."""
        if len(self.nonce) > NONCE_CHARS_MAX or len(self.sig) not in {0, 32}:
            raise Unfit("signature_malformed", "sig is 32 hex digits, nonce at most 32 characters")
        if self.plan and not NAME.fullmatch(self.plan):
            raise Unfit("plan_malformed", "a plan is named as in month, at most 32 characters")
