"""MilliCent at the vendor: burn scrip so that the broker may credit it.

The broker cannot see whether scrip was spent at the vendor, so a cash-out starts here: the vendor
marks the serial as used and MACs a receipt that the payer carries to the broker (ours).
"""

from hmac import compare_digest

import msgspec

from farthing import codec
from farthing.errors import Forged, Unfit, WrongVendor
from farthing.marks import Memory, Once
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
from farthing.schemes.mac.millicent.scrip import (
    BURN_KEY,
    TRAITS,
    Burn,
    Scrip,
    VendorKeys,
    burn_mac,
    burn_sig,
    mark_of,
    require_certified,
    require_current,
    sign_key,
)

NONCE_CHARS_MAX = 32  # a nonce of 16 bytes in hex


class BurnOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`take_back`: burn this piece for me."""

    nonce: str
    scrip: Scrip
    sig: str
    """32 hex digits under the payer's signing key."""

    def __post_init__(self) -> None:
        """`Unfit` for a nonce that is too long."""
        if len(self.nonce) > NONCE_CHARS_MAX:
            raise Unfit("nonce_too_long", f"a nonce has at most {NONCE_CHARS_MAX} characters")


_ORDER = codec.Reader(BurnOrder)


class MillicentVendorMint(Mint):
    """The vendor's side."""

    traits = TRAITS

    def __init__(self, setting: Setting) -> None:
        """For one vendor."""
        super().__init__(setting)
        self._keys = VendorKeys(setting.ring)

    def check(self, operation: Operation, message: Json, account: Account, at: At) -> Checked:
        """`Malformed`, `WrongVendor`, `Expired`, `Revoked`, `Forged`. Anyone may ask."""
        if operation != "take_back":
            return super().check(operation, message, account, at)
        order = _ORDER.convert(message)
        scrip = order.scrip
        if scrip.vendor != self.setting.vendor_id:
            raise WrongVendor("scrip_for_another_vendor", "scrip is burned at its own vendor")
        require_current(scrip, at.now_s)
        require_certified(self._keys, scrip)
        secret = self._keys.secret(scrip.vendor, scrip.payer)
        expected = burn_sig(sign_key(secret), scrip.cert, order.nonce)
        if not compare_digest(expected.encode(), order.sig.encode()):
            raise Forged("burn_signature_wrong", "sign the order with the payer's secret")
        return Checked(operation=operation, message=order, account=account)

    def apply(self, checked: Checked, memory: Memory, at: At) -> Applied:
        """The serial is used up, and the receipt says so."""
        scrip: Scrip = checked.message.scrip
        burn = Burn(
            expires_at_s=scrip.expires_at_s,
            mac="",
            payer=scrip.payer,
            serial=scrip.serial,
            value_micro=scrip.value_micro,
            vendor=scrip.vendor,
        )
        key = self.setting.ring.current(BURN_KEY)
        burn = msgspec.structs.replace(burn, mac=burn_mac(key.secret, burn))
        mark: Once = mark_of(scrip)
        return Returned(marks=(mark,), answer=msgspec.to_builtins(burn))
