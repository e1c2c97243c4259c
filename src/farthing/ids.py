"""Names and numbers that identify things: brokers, vendors, accounts, payments.

Everything random is made from `entropy` that the caller passes in; nothing here draws any.
"""

import base64
import re

from farthing.errors import OutOfRange

_BROKER = re.compile(r"[-_a-zA-Z0-9]{1,32}")  # the reference part of a CAIP-2 network
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,62}[a-z0-9])?")
NETWORK_PREFIX = "farthing:"  # CAIP-2 namespace: exactly its limit of 8 characters


def require_broker_id(text: str) -> str:
    """`text` itself; `OutOfRange` unless 1-32 letters, digits, `-` or `_`."""
    if not _BROKER.fullmatch(text):
        raise OutOfRange("broker_id_malformed", "a broker id is 1-32 of letters, digits, - and _")
    return text


def require_name(text: str) -> str:
    """`text` itself (a vendor or account id); `OutOfRange` unless 1-64 of `a-z 0-9 . -`."""
    if not _NAME.fullmatch(text):
        raise OutOfRange("name_malformed", "a name is 1-64 of a-z, 0-9, dot and dash")
    return text


def network(broker_id: str) -> str:
    """`farthing:<broker>`, the network of x402 offers and of MPP `methodDetails`."""
    return NETWORK_PREFIX + require_broker_id(broker_id)


def new_id(prefix: str, entropy: bytes) -> str:
    """`<prefix>_<base64url of entropy>`, as in `rc_…` for receipts."""
    return f"{prefix}_{base64.urlsafe_b64encode(entropy).rstrip(b'=').decode()}"
