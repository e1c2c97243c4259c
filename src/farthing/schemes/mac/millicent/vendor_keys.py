"""The vendor's keys, and whether a piece was certified under one of them."""

from hmac import compare_digest

from farthing import props
from farthing.errors import Forged, Misconfigured, Revoked
from farthing.props import SUB
from farthing.schemes.contract import Key, Ring
from farthing.schemes.mac.millicent.scrip import (
    LICENSED_SERIES,
    OWN_SERIES,
    PAYER_RANGE,
    STOCK_SERIES,
    Scrip,
    certificate,
    payer_secret,
)

SERIES_PURPOSES = (OWN_SERIES, LICENSED_SERIES, STOCK_SERIES)


class VendorKeys:
    """The vendor's keys by series and payer range, read from a ring once and then kept.

    A revoked key disappears from the ring: `find` returns None and the scrip is `Revoked`.
    """

    def __init__(self, ring: Ring) -> None:
        """Over the ring of one vendor, or of a broker that mints for it."""
        self._ring = ring

    def scrip_key(self, key_id: str) -> bytes:
        """k_scrip of a series; `Revoked` where the ring holds none."""
        for purpose in SERIES_PURPOSES:
            key = self._ring.find(purpose, key_id)
            if key is not None:
                return key.secret
        raise Revoked("series_revoked", "this series is not (or no longer) taken here")

    def is_licensed(self, key_id: str) -> bool:
        """Whether a broker mints in this series."""
        return self._ring.find(LICENSED_SERIES, key_id) is not None

    def change_series(self, old: Scrip) -> Key:
        """The current series for change of `old`: the vendor's own, of its lineage.

        `Revoked` where the vendor never stocked a warehouse: then no such scrip is genuine.
        """
        if not old.is_stock:
            return self._ring.current(OWN_SERIES)
        try:
            return self._ring.current(STOCK_SERIES)
        except Misconfigured:
            raise Revoked(
                "series_revoked", "this series is not (or no longer) taken here"
            ) from None

    def secret(self, vendor: str, payer: str) -> bytes:
        """The payer's secret; `Forged` where no range holds this payer_id."""
        key = self._ring.find(PAYER_RANGE, payer[:4])
        if key is None:
            raise Forged("payer_range_unknown", "no key of this vendor has this payer_id")
        return payer_secret(key.secret, vendor, payer)


def require_certified(keys: VendorKeys, scrip: Scrip) -> None:
    """`Forged` unless the certificate fits; `Revoked` for a series the vendor dropped.

    `Forged` for a subscription in a broker's scrip, too: only the vendor's own series carry one.
    """
    expected = certificate(
        keys.scrip_key(scrip.series_id),
        scrip.vendor,
        scrip.currency,
        scrip.value_micro,
        scrip.serial,
        scrip.payer,
        scrip.expires_at_s,
        scrip.props,
    )
    if not compare_digest(expected.encode(), scrip.cert.encode()):
        raise Forged("scrip_certificate_wrong", "this scrip was not minted as it stands")
    if scrip.props and SUB in props.read(scrip.props) and keys.is_licensed(scrip.series_id):
        raise Forged("subscription_not_ours", "a broker's scrip carries no vendor's subscription")
