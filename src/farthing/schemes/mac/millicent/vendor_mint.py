"""MilliCent at the vendor: burn scrip so that the broker may credit it, or renew it for a fee.

The broker cannot see whether scrip was spent at the vendor, so a cash-out starts here: the vendor
marks the serial as used and MACs a receipt that the payer carries to the broker (ours). A renewal
marks it likewise and gives fresh scrip of the vendor's own series. Option: `renew_fee_e4`.
"""

from hmac import compare_digest

import msgspec

from farthing import codec
from farthing.errors import Forged, Misconfigured, Unfit, WrongVendor
from farthing.marks import Claim, Memory, Once
from farthing.schemes.contract import (
    Account,
    Applied,
    At,
    Checked,
    Issued,
    Json,
    Mint,
    Operation,
    Returned,
    Setting,
)
from farthing.schemes.mac.millicent import renewal
from farthing.schemes.mac.millicent.claims import claim_row
from farthing.schemes.mac.millicent.renewal import Renewal
from farthing.schemes.mac.millicent.scrip import (
    BURN_KEY,
    TRAITS,
    Burn,
    Scrip,
    burn_mac,
    burn_sig,
    fresh_expiry_s,
    mark_of,
    mint_scrip,
    require_current,
    require_left,
    serial_of,
    sign_key,
)
from farthing.schemes.mac.millicent.vendor_keys import VendorKeys, require_certified

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
        """For one vendor; `Misconfigured` for a fee that is none."""
        super().__init__(setting)
        self._keys = VendorKeys(setting.ring)
        self._fee_e4 = setting.options.get("renew_fee_e4", renewal.FEE_E4)
        if type(self._fee_e4) is not int or not 0 <= self._fee_e4 <= renewal.FEE_E4_MAX:
            raise Misconfigured(
                "fee_out_of_range",
                f"renew_fee_e4 is 0 to {renewal.FEE_E4_MAX} parts per 10,000",
                option="renew_fee_e4",
            )

    def check(self, operation: Operation, message: Json, account: Account, at: At) -> Checked:
        """`Malformed`, `WrongVendor`, `Expired`, `Revoked`, `Forged`. Anyone may ask."""
        if operation == "issue":
            return Checked(
                operation=operation, message=self._check_renewal(message, at), account=account
            )
        if operation != "take_back":
            return super().check(operation, message, account, at)
        order = _ORDER.convert(message)
        scrip = order.scrip
        require_current(scrip, at.now_s)
        secret = self._secret_of(scrip)
        expected = burn_sig(sign_key(secret), scrip.cert, order.nonce)
        if not compare_digest(expected.encode(), order.sig.encode()):
            raise Forged("burn_signature_wrong", "sign the order with the payer's secret")
        return Checked(operation=operation, message=order, account=account)

    def _check_renewal(self, message: Json, at: At) -> Renewal:
        order = renewal.READER.convert(message)
        renewal.require_renewable(order.renew, at.now_s)
        renewal.verify_order(order, sign_key(self._secret_of(order.renew)))
        renewal.fee_micro(order.renew.value_micro, self._fee_e4)
        return order

    def _secret_of(self, scrip: Scrip) -> bytes:
        """The payer's secret of scrip that is ours and genuine; `WrongVendor`, `Forged`."""
        if scrip.vendor != self.setting.vendor_id:
            raise WrongVendor("scrip_for_another_vendor", "scrip goes back to its own vendor")
        require_certified(self._keys, scrip)
        return self._keys.secret(scrip.vendor, scrip.payer)

    def series(self, checked: Checked) -> str:
        """A renewal gives scrip of the vendor's own series, of the same lineage."""
        if not isinstance(checked.message, Renewal):
            return ""
        return f"{self.traits.name}/{self._keys.change_series(checked.message.renew).id}"

    def apply(self, checked: Checked, memory: Memory, at: At) -> Applied:
        """The serial is used up, and the receipt or the fresh piece says so."""
        if isinstance(checked.message, Renewal):
            return self._renew(checked.message.renew, at)
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

    def _renew(self, old: Scrip, at: At) -> Issued:
        fee = renewal.fee_micro(old.value_micro, self._fee_e4)
        key = self._keys.change_series(old)
        require_left(at.serials[0])
        fresh = mint_scrip(
            key.secret,
            vendor=old.vendor,
            currency=old.currency,
            value_micro=old.value_micro - fee,
            serial=serial_of(int(key.id, 16), at.serials[0]),
            payer=old.payer,
            expires_at_s=fresh_expiry_s(at.now_s),
            props=old.props,
        )
        mark = mark_of(old)
        claims: tuple[Claim, ...] = ()
        if not old.is_stock:
            row = claim_row(
                mark,
                serial=old.serial,
                price_micro=fee,
                expires_at_s=old.expires_at_s,
                moved_micro=fresh.value_micro,
                moved_to_s=fresh.expires_at_s,
            )
            claims = (row,)
        return Issued(marks=(mark,), claims=claims, answer={"scrip": msgspec.to_builtins(fresh)})
