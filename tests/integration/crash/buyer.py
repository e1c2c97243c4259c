"""Buys one page after the other until told to stop: FOLDER GATE STOP HOW.

How is a list of schemes, or `each` before one, `eight` or `plan`. A line in FOLDER/progress is a
page that the payer has got. With `eight` it asks for eight pages at once through httpx, and after a
kill goes on with other pages; else it goes on with the same one. With `each` the schemes take
turns, a page each; with `plan` it subscribes first, and reads what its plan covers.
"""

import asyncio
import hashlib
import io
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import httpx
import msgspec

from farthing.errors import Refusal
from farthing.schemes import registry
from farthing.wallet.app import Wallet, open_wallet
from farthing.wallet.messages import Response
from farthing.wallet.settling import receipt_in
from tests.integration.crash.fleet import PASSPHRASE
from tests.integration.crash.sizes import size
from tests.integration.crash.wares import COVERED, HELD_AREAS, PAGES, PLANS, own_areas

PAUSE_S = 0.1  # after a failure, before the same page is asked for again
AT_ONCE = 8
WAYS = ("each", "eight", "plan")
PRIVATE_EVERY = 3  # of the pages of who has MilliCent, the first of so many is bought in private
TIMEOUT_S = 10.0


class Diary:
    """What was got, and what went wrong."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, name: str, line: object) -> None:
        """One line, in one write."""
        with (self._folder / name).open("ab", buffering=0) as lines:
            lines.write(msgspec.json.encode(line) + b"\n")

    def count(self, name: str) -> int:
        """Whole lines."""
        path = self._folder / name
        return path.read_bytes().count(b"\n") if path.exists() else 0

    def failed(self, reason: str) -> None:
        """Not got, this time."""
        self.write("failures", reason)

    def got(self, number: int, headers: Iterable[tuple[str, str]], body: bytes) -> bool:
        """A page; False where it came without a receipt."""
        named = tuple((name.lower(), value) for name, value in headers)
        receipt = receipt_in(Response(status=200, url="", headers=named))
        if receipt is None:
            self.failed("page_without_receipt")
            return False
        reference = receipt.reference
        digest = hashlib.sha256(body).hexdigest()
        self.write("progress", {"number": number, "reference": reference, "sha256": digest})
        return True


def url_of(gate: str, folder: Path, number: int, areas: Sequence[str] = HELD_AREAS) -> str:
    """Each number is a page of its own to the gate; the origin does not look at the query."""
    area = areas[number % len(areas)]
    return f"{gate}/{area}/{number % PAGES}.html?{folder.name}={number}"


def buy(wallet: Wallet, diary: Diary, url: str, number: int, *, private: bool) -> bool:
    """One page, or word of what went wrong."""
    out = io.BytesIO()
    try:
        page = wallet.get(url, out, private=private)
    except Refusal as refusal:
        diary.failed(f"{type(refusal).__name__} {refusal.code}")
        return False
    if page.status != 200:
        diary.failed(f"status {page.status}")
        return False
    return diary.got(number, page.headers, out.getvalue())


def buy_in_turn(
    wallet: Wallet, folder: Path, gate: str, stop: Path, how: str, names: list[str]
) -> None:
    """One page after the other; `how`: each, plan or ""."""
    diary = Diary(folder)
    number = diary.count("progress")
    while not stop.exists():
        private = how != "each" and "millicent" in names and number % PRIVATE_EVERY == 0
        areas: Sequence[str] = HELD_AREAS
        if how == "each":
            areas = own_areas(names)
        elif how == "plan":
            areas = [COVERED if number else PLANS]
        url = url_of(gate, folder, number, areas)
        if buy(wallet, diary, url, number, private=private):
            number += 1
            time.sleep(size().pause_s)
        else:
            time.sleep(PAUSE_S)


async def buy_eight(wallet: Wallet, folder: Path, gate: str, stop: Path) -> None:
    diary = Diary(folder)
    auth = wallet.auth()
    async with httpx.AsyncClient(auth=auth, timeout=TIMEOUT_S, trust_env=False) as client:

        async def one(number: int) -> None:
            while not stop.exists():
                try:
                    answer = await client.get(url_of(gate, folder, number))
                except (Refusal, httpx.HTTPError) as wrong:
                    diary.failed(f"{type(wrong).__name__} {getattr(wrong, 'code', '')}")
                else:
                    if answer.status_code != 200:
                        diary.failed(f"status {answer.status_code}")
                    elif diary.got(number, answer.headers.multi_items(), answer.content):
                        return
                await asyncio.sleep(PAUSE_S)

        while not stop.exists():
            first = diary.count("begun") * AT_ONCE
            diary.write("begun", first)
            await asyncio.gather(*(one(first + more) for more in range(AT_ONCE)))
            await asyncio.sleep(AT_ONCE * size().pause_s)


def main() -> None:
    folder, gate, stop, names = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), sys.argv[4:]
    how = names.pop(0) if names[0] in WAYS else ""
    names = ["millicent"] if how == "plan" else names
    schemes = {name: registry.by_name(name) for name in names} or None
    with open_wallet(folder / "wallet.db", PASSPHRASE, schemes=schemes) as wallet:
        try:
            found = wallet.recover()
        except Refusal as refusal:
            Diary(folder).failed(f"recover: {type(refusal).__name__} {refusal.code}")
        else:
            Diary(folder).write("recovered", found)
        if how == "eight":
            asyncio.run(buy_eight(wallet, folder, gate, stop))
        else:
            buy_in_turn(wallet, folder, gate, stop, how, names)


if __name__ == "__main__":
    main()
