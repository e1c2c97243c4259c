"""The `farthing` command: one file a group, each command with an example in its help.

- `broker_peer.py`: the broker's commands about other brokers.
- `demo.py` runs everything at once; `broker.py`, `vendor.py`, `wallet.py` are the three roles;
  `lab.py` tries schemes.
- `output.py` prints figures as tables or, with `--json`, as one object.
- Exit codes: 0 done, 1 refused (the refusal's code on stderr), 2 bad usage.
- `--data DIR` or `FARTHING_DATA` says where files live.
"""

import sys

import typer

from farthing.cli import broker, broker_peer, lab, vendor, wallet
from farthing.cli.demo import show_demo
from farthing.cli.simulate import simulate
from farthing.errors import Refusal

app = typer.Typer(
    name="farthing",
    help="Sell anything over HTTP for a fraction of a cent.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("demo")(show_demo)
broker.app.add_typer(broker_peer.app, name="peer")
app.add_typer(broker.app, name="broker")
app.add_typer(vendor.app, name="vendor")
app.add_typer(wallet.app, name="wallet")
lab.app.command("simulate")(simulate)
app.add_typer(lab.app, name="lab")


def main() -> None:
    """Run a command; a refusal becomes one line on stderr and exit code 1."""
    try:
        app()
    except Refusal as refusal:
        sys.stderr.write(f"farthing: {refusal.code}: {refusal.detail}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
