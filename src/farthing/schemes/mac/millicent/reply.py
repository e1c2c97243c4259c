"""The vendor's word for its answer in protocol C, against whom alters it on the way.

::

    reply_sig = mac16(k_sig, reply/1, request_sig, certificate of the change, digest of the answer)

The paper's C has no answer to an altered reply; this is ours. The certificate stands for the whole
change, because it covers every other field; it is empty where there is none. Protocol A has no
request signature, and nothing is signed in it.
"""

from functools import partial

from farthing.crypto.mac import mac
from farthing.schemes.contract import Json, Replier

REPLY_TAG = "farthing/millicent/reply/1"
SIG_BYTES = 16


def replier(k_sig: bytes, request_sig: str) -> Replier | None:
    """What signs the answers to a request with this signature; None for one without."""
    return partial(_reply_sig, k_sig, request_sig) if request_sig else None


def _reply_sig(k_sig: bytes, request_sig: str, change: Json, digest: bytes) -> bytes:
    certificate = change.get("cert", "") if isinstance(change, dict) else ""
    return mac(SIG_BYTES, k_sig, REPLY_TAG, request_sig, str(certificate), digest)
