"""Authorization numbers: what a separate web application looks up before it serves the product.

The paper's eighth step: the vendor's payment module stores a number with product and payer and
returns it; the browser opens the product page with it. Ours: the number follows from a key of the
vendor and from the payment, so the same payment has the same one however often it is sent, and
nobody guesses 128 bits of it; only its hash is stored; it is for one product and one session and
ends after ten minutes.
"""

import hashlib
from urllib.parse import unquote

import msgspec

from farthing import codec
from farthing.crypto.mac import mac
from farthing.marks import Put
from farthing.schemes.contract import Binding

AUTHORIZATION_TAG = "farthing/token/authorization/1"
AUTHORIZATION_KEY = AUTHORIZATION_TAG  # purpose of the vendor's key
AUTHORIZATION_PREFIX = b"agent/authorization/"
AUTHORIZATION_S = 600  # how long a number is good: a download and its repeats
NUMBER_BYTES = 16


class Authorization(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is stored under a number's hash."""

    payer: str
    """The certificate's serial."""
    product: str
    """The path that was bought, as a site sees it: without the signs of a URL."""
    session: str
    """What stands behind `?` in the address that was bought: the buyer's session at the site."""
    until_s: int


def number_of(secret: bytes, reference: str, binding: Binding) -> bytes:
    """The number of a payment, 16 bytes; `secret` is the vendor's, 32 bytes."""
    where = binding.host, binding.path_query
    return mac(NUMBER_BYTES, secret, AUTHORIZATION_TAG, reference, *where)


def record_of(number: bytes, payer: str, binding: Binding, now_s: int) -> Put:
    """What is kept of it: the hash, and what it is good for."""
    path, _, session = binding.path_query.partition("?")
    until_s = now_s + AUTHORIZATION_S
    kept = Authorization(payer=payer, product=unquote(path), session=session, until_s=until_s)
    digest = hashlib.sha256(codec.b64u(number).encode()).digest()
    return Put(key=AUTHORIZATION_PREFIX + digest, value=codec.canonical(kept), until_s=until_s)
