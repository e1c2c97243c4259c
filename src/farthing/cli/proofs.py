"""What a proof of payment says, in words: for `wallet prove` and `broker verify-proof`."""

from farthing.cli import output
from farthing.money import show_micro
from farthing.schemes.attestations import Attested


def told(attested: Attested, currency: str) -> str:
    """What an attestation says, in words."""
    said = f"{attested.broker} said on {output.clock(attested.at_s)}:"
    if attested.paid is None:
        since = output.clock(attested.since_s)
        return f"{said} nothing was paid with this purchase's key since {since}"
    price = show_micro(attested.paid.price_micro, currency)
    when = output.clock(attested.paid.at_s)
    return f"{said} {attested.paid.vendor} was paid {price} on {when} for {attested.target}"
