"""`python -m farthing.cli`: the `farthing` command without its console script."""

from farthing.cli import main

main()
