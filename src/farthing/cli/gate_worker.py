"""What `farthing vendor serve` runs in each worker: a paywall before an upstream."""

import os

from farthing.asgi import Paywall
from farthing.vendor.proxy import Upstream


def create() -> Paywall:
    """The gate of `FARTHING_DATA` before `FARTHING_UPSTREAM`."""
    return Paywall(Upstream(os.environ["FARTHING_UPSTREAM"]))
