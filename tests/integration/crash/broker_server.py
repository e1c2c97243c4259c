"""`farthing broker serve` as it is, but for reservations that end soon: the rest of a command line.

A gate that is killed between its reservation and its capture leaves the claims on that instrument
waiting until time alone has ended the reservation: a minute, for which a short test cannot wait.
Where the folder says so none ends by time, so that what a request moves can be told.
"""

import os
import sys
from pathlib import Path

from farthing.broker import reservations
from farthing.cli import main

QUIET = "quiet"  # the name of a file in the broker's folder
NEVER_S = 86_400

reservations.RESERVED_S = 10  # longer than a gate's leases here
if Path(os.environ.get("FARTHING_DATA", ""), QUIET).exists():
    reservations.RESERVED_S = NEVER_S

if __name__ == "__main__":  # a worker that is spawned reads only what is above
    sys.argv[1:1] = ["broker", "serve"]
    main()
