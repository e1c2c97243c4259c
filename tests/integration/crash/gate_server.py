"""`farthing vendor serve` as it is, but for leases that end soon: the rest of a command line.

A hold outlives the origin's time-out by half a minute, which a short test cannot wait for.
"""

import sys

from farthing.cli import main
from farthing.vendor import booking, resolving

booking.LEASE_GRACE_S = resolving.LEASE_S = 2

if __name__ == "__main__":  # a worker that is spawned reads only what is above
    sys.argv[1:1] = ["vendor", "serve"]
    main()
