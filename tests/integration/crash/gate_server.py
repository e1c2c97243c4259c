"""`farthing vendor serve` as it is, but for leases that end soon: the rest of a command line.

A hold outlives the origin's time-out by half a minute, which a short test cannot wait for. Where
the folder says so it does nothing by itself, so that what a request moves can be told.
"""

import asyncio
import os
import sys
from pathlib import Path

from farthing.cli import main
from farthing.vendor import app, booking, resolving

QUIET = "quiet"  # the name of a file in the vendor's folder
NEVER_S = 86_400

booking.LEASE_GRACE_S = resolving.LEASE_S = 2


async def never(_: app.Vendor) -> None:
    """Not even what is due at once is cleared."""
    await asyncio.sleep(NEVER_S)


if Path(os.environ.get("FARTHING_DATA", ""), QUIET).exists():
    app.FORGET_EVERY_S = app.LISTS_EVERY_S = NEVER_S
    app.Vendor._keep_clearing = never  # type: ignore[method-assign,assignment]  # so it says

if __name__ == "__main__":  # a worker that is spawned reads only what is above
    sys.argv[1:1] = ["vendor", "serve"]
    main()
