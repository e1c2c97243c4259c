"""The `farthing` command: one file a group, each command with an example in its help.

- `demo.py` runs everything at once: its parties are in `showroom.py`, what must not work in
  `attempts.py`; `broker.py`, `vendor.py`, `wallet.py` are the three roles, `broker_cards.py`,
  `broker_changes.py`, `broker_payouts.py`, `broker_peer.py` and `bookkeeping.py` more of the
  operator's commands, who speaks to a broker by `calling.py`; `fetching.py`, `handing.py`,
  `reissuing.py`, `wallet_cashu.py`, `seeding.py`, `stocking.py`, `coins.py`, `key_lists.py`,
  `budgeting.py`, `returning.py` and `forgetting.py` more of the wallet's.
  `broker_disputes.py`, `vendor_disputes.py` and `wallet_disputes.py` are what each does in a
  dispute, `proofs.py` a payer's proof in words.
- `lab.py` and `simulate.py` try the schemes that `naming.py` reads; `stopping.py` ends long work
  at a signal.
- `servers.py` and `gate_worker.py` run what serves; `loading.py` has code be there soon.
- `output.py` prints figures as tables or, with `--json`, as one object; `hints.py` has commands in
  what is said be commands that work as they stand.
- Exit codes: 0 done, 1 refused (the refusal's code on stderr), 2 bad usage.
- `--data DIR` or `FARTHING_DATA` says where files live.
"""

import errno
import os
import sys
from collections.abc import Callable, Iterable
from typing import Annotated, NoReturn

import typer

from farthing import __version__
from farthing.cli import hints
from farthing.cli.loading import loading
from farthing.errors import Refusal


def _demo(app: typer.Typer) -> None:
    from farthing.cli.demo import show_demo

    app.command("demo")(show_demo)


def _broker(app: typer.Typer) -> None:
    from farthing.cli import broker

    app.add_typer(broker.app, name="broker")


def _vendor(app: typer.Typer) -> None:
    from farthing.cli import vendor

    app.add_typer(vendor.app, name="vendor")


def _wallet(app: typer.Typer) -> None:
    from farthing.cli import forgetting

    app.add_typer(forgetting.GROUP, name="wallet")


def _lab(app: typer.Typer) -> None:
    from farthing.cli import lab

    app.add_typer(lab.app, name="lab")


GROUPS: dict[str, Callable[[typer.Typer], None]] = {
    "demo": _demo,
    "broker": _broker,
    "vendor": _vendor,
    "wallet": _wallet,
    "lab": _lab,
}
"""The first word of a command, and what adds it: a payer need not wait for the broker's code."""


def build(names: Iterable[str] = GROUPS) -> typer.Typer:
    """The command with these groups."""
    app = typer.Typer(
        name="farthing",
        help="Sell anything over HTTP for a fraction of a cent.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_groups)
    for name in names:
        GROUPS[name](app)
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"farthing {__version__}\n")
        raise typer.Exit


def _groups(
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_show_version, help="Show the version, and end."
        ),
    ] = False,
) -> None:
    """Sell anything over HTTP for a fraction of a cent."""


OF_A_PATH = frozenset(
    (
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR, errno.EISDIR),
        *(errno.ENAMETOOLONG, errno.ENOSPC, errno.EDQUOT),
    )
)
"""What can be wrong with a path that the user has named."""


def main() -> None:
    """Run a command; a refusal becomes one line on stderr and exit code 1."""
    try:
        try:
            with loading():
                command = build([name for name in sys.argv[1:2] if name in GROUPS] or GROUPS)
            command()
        finally:
            sys.stdout.flush()  # a disk may say only now that it is full
    except Refusal as refusal:
        detail = hints.as_typed(refusal.detail, sys.argv[1:])
        sys.stderr.write(f"farthing: {refusal.code}: {detail}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as wrong:
        if wrong.filename is None:  # of what is written to
            _end_unwritten(wrong)
        if wrong.errno not in OF_A_PATH:  # a mistake of ours
            raise
        sys.stderr.write(
            f"farthing: path_unusable: {wrong.filename}: {wrong.strerror}: name another (--data is"
            " the folder), or see that this user may use it\n"
        )
        sys.exit(1)


def _end_unwritten(wrong: OSError) -> NoReturn:
    """Exit 1 where the output cannot be written; what Python still has of it is dropped."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if wrong.errno != errno.EPIPE:  # `| head` has what it wanted
        sys.stderr.write(
            f"farthing: output_not_written: {wrong.strerror or wrong}: make room; what the"
            " command does may be done: look before you repeat it\n"
        )
    sys.exit(1)
