"""Buys one page after the other until it is killed: WALLET ORIGIN PROGRESS."""

import io
import sys
from pathlib import Path

from farthing.wallet.app import open_wallet
from tests.unit.wallet.world import PASSPHRASE


def main() -> None:
    path, origin, progress = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    with open_wallet(path, PASSPHRASE) as wallet:
        wallet.recover()
        while True:
            number = len(progress.read_text().splitlines())
            page = wallet.get(f"{origin}/page-{number}", io.BytesIO())
            assert page.status == 200, page.status
            with progress.open("a") as lines:
                lines.write(f"{number}\n")


main()
