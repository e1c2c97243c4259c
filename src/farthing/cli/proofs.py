"""What a proof of payment says, in words: for `wallet prove` and `broker verify-proof`."""

from datetime import UTC, datetime

from farthing.money import show_micro
from farthing.schemes.attestations import Attested


def told(attested: Attested, currency: str) -> str:
    """What an attestation says, in words."""
    said = f"{attested.broker} said on {_clock(attested.at_s)}:"
    if attested.paid is None:
        since = _clock(attested.since_s)
        return f"{said} nothing was paid with this purchase's key since {since}"
    price = show_micro(attested.paid.price_micro, currency)
    when = _clock(attested.paid.at_s)
    return f"{said} {attested.paid.vendor} was paid {price} on {when} for {attested.target}"


def _clock(at_s: int) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%M} UTC"
