"""A wallet whose disk fails at its k-th step, for every k, whatever it is doing.

The broker and the gate are real, and well. After a failure the wallet is used again, or opened
again after a power cut, and does the same: the page is there, paid once, and no money is missing.
"""

import contextlib
import io
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import apsw
import httpx
import pytest

from farthing import marks
from farthing.errors import Broken, Refusal
from farthing.lab.bad_disk import Disk, Fault
from farthing.ledger import accounts
from farthing.schemes import registry
from farthing.schemes.contract import At
from farthing.wallet.app import Wallet, init, open_wallet
from farthing.wallet.book import Book, Held
from farthing.wallet.choice import Guide
from farthing.wallet.driver import ENTROPY_BYTES
from farthing.wallet.policy import Limits
from tests.integration.crash.calls import PAYER, Callers
from tests.integration.crash.fleet import CHEAP, PASSPHRASE
from tests.integration.crash.line import Line
from tests.integration.crash.sizes import seed, size
from tests.kit.turns import EACH_SCHEME
from tests.kit.village import Village

STEPS_MAX = 600  # of one operation: more would be a loop
LATER_S = 125  # a lease of what a failure left behind is over
HISTORY_MAX = 10_000
LOG_PAGES = 1_000  # SQLite's own, where the wallet says nothing
SCHEMES = ("millicent", "payword")

Act = Callable[[Wallet], object]


class Deed(NamedTuple):
    """What a wallet does, and the schemes it has for it."""

    name: str
    schemes: tuple[str, ...]
    prepare: Callable[["Payer"], Act]


def fetched(area: str, *, private: bool = False) -> Callable[["Payer"], Act]:
    def prepare(payer: "Payer") -> Act:
        url = payer.new_url(area)

        def get(wallet: Wallet) -> None:
            page = wallet.get(url, io.BytesIO(), private=private)
            assert page.status == 200, page

        return get

    return prepare


def loaded(payer: "Payer") -> Act:
    return lambda wallet: wallet.load("0.3c")


def returned(area: str = "pages") -> Callable[["Payer"], Act]:
    """Of what a page left over."""

    def prepare(payer: "Payer") -> Act:
        fetched(area)(payer)(payer.wallet)

        def give_back(wallet: Wallet) -> None:
            wallet.recover()
            guide = wallet.driver(LIMITS).guide
            due = {one.instrument.id for one in payer.held() if payer.may_return(guide, one)}
            returned = wallet.give_back()
            codes = [one.refused for one in returned if one.refused and one.instrument_id in due]
            if codes:
                raise Broken(codes[0])

        return give_back

    return prepare


def refunded(payer: "Payer") -> Act:
    """The vendor gives a page back, and the wallet learns of it."""
    fetched("pages")(payer)(payer.wallet)
    payer.refund()
    return lambda wallet: wallet.recover(days=1)


def resettled(_: "Payer") -> Act:
    return lambda wallet: wallet.set_limits(LIMITS)


LIMITS = Limits(per_site_day_micro=10**9, per_day_micro=10**9)
DEEDS = (
    *(Deed(f"{area} {one}", (one,), fetched(area)) for area in ("pages", "now") for one in SCHEMES),
    Deed("in private", ("millicent",), fetched("pages", private=True)),
    Deed("return", ("millicent",), returned()),
    Deed("refund", ("millicent",), refunded),
    Deed("budgets", SCHEMES, resettled),
    Deed("load", ("millicent",), loaded),
    Deed("a page of what was loaded", ("millicent",), fetched("pages")),
    Deed("return what was loaded", ("millicent",), returned()),
)


def deeds_of(scheme: str) -> tuple[Deed, ...]:
    """With pages that are sold for one scheme alone."""
    pages = [Deed(when, (scheme,), fetched(f"{when}-{scheme}")) for when in ("late", "early")]
    return (*pages, Deed("return", (scheme,), returned(f"late-{scheme}")))


class Payer:
    """A wallet on a disk of its own."""

    def __init__(self, village: Village, folder: Path) -> None:
        folder.mkdir()
        self.village, self.path = village, folder / "wallet.db"
        self.disk = Disk(folder)
        self.urls: list[str] = []
        self._numbers = itertools.count()
        self.schemes: tuple[str, ...] = SCHEMES

    def begin(self, token: str) -> None:
        options = {"client": self._client(), "clock": self.village.now_s}
        with init(self.path, PASSPHRASE, cost=CHEAP, **options) as wallet:
            wallet.add_broker(self.village.broker_url, PAYER, token, currency="eur")
            wallet.set_limits(LIMITS)
        self.open(self.schemes)

    def _client(self) -> httpx.Client:
        return httpx.Client(transport=Line(self.village))

    def open(self, schemes: tuple[str, ...]) -> None:
        self.schemes = schemes
        self.wallet = open_wallet(
            self.path,
            PASSPHRASE,
            client=self._client(),
            clock=self.village.now_s,
            schemes={name: registry.by_name(name) for name in schemes},
            soon=lambda _: None,  # what may wait waits for the next transaction, in every run alike
        )

    def reboot(self) -> None:
        self.disk.bury()
        with contextlib.suppress(Refusal):  # what waits is lost
            self.wallet.close()
        self.disk.reboot()
        db = apsw.Connection(str(self.path))
        assert db.pragma("integrity_check") == "ok"
        db.wal_checkpoint()
        db.close()
        self.open(self.schemes)

    def held(self) -> list[Held]:
        """What it could give back, of the schemes that it has now."""
        held = Book(self.wallet.driver(LIMITS).store.file).held()
        return [one for one in held if one.instrument.scheme in self.schemes]

    def may_return(self, guide: Guide, held: Held) -> bool:
        """Whether its purse has nothing against that."""
        at = At(now_s=self.village.now_s(), entropy=bytes(ENTROPY_BYTES))
        try:
            guide.purse(held.instrument.scheme, held.broker_id).give_back(held.instrument, at)
        except Refusal:
            return False
        return True

    def new_url(self, area: str) -> str:
        self.urls.append(f"{self.village.gate_url}/{area}/1.html?{next(self._numbers)}")
        return self.urls[-1]

    def refund(self) -> None:
        entry = next(each for each in self.wallet.history() if each.state == "done")
        self.village.run(self.village.vendor.refund(entry.reference))

    def require_whole(self, told: str) -> None:
        """Nothing open, nothing paid twice, no money lost or made."""
        if any(registry.by_name(scheme).purse.releases for scheme in self.schemes):
            self.village.pass_time(LATER_S)  # a second half is left to who began to send it
        found = self.wallet.recover()
        assert (found.undecided, found.asks_open) == (0, 0), told
        history = self.wallet.history(HISTORY_MAX)
        assert {entry.state for entry in history} <= {"done", "released"}, told
        done = [entry.url for entry in history if entry.state == "done"]
        assert sorted(done) == sorted(self.urls), told
        holdings = self.wallet.holdings()
        assert {holding.state for holding in holdings} <= {"ready"}, told
        held, spent = Counter[str](), Counter[str]()
        for each in holdings:
            held[each.scheme] += each.worth_micro
        for entry in history:
            spent[entry.scheme] += entry.price_micro if entry.state == "done" else 0
        for scheme in {*held, *spent}:
            self._require_kept(scheme, held[scheme], spent[scheme], told)

    def _require_kept(self, scheme: str, held_micro: int, spent_micro: int, told: str) -> None:
        """What is out is what the wallet holds and the vendor has not claimed yet."""
        known = registry.by_name(scheme)
        totals = {each.scheme: each for each in self.tally()}
        earned_micro = totals[scheme].earned_micro if scheme in totals else 0
        pending_micro = totals[scheme].pending_micro if scheme in totals else 0
        if not known.purse.refunds and not known.traits.drawn:
            assert earned_micro == spent_micro, told
        if not known.traits.credit:
            coming_micro = self.outstanding_micro(scheme) - held_micro - pending_micro
            assert coming_micro >= 0, f"{told}: {-coming_micro} of {scheme} are made of nothing"
            assert known.purse.returns_after_s or not coming_micro, told

    def outstanding_micro(self, scheme: str) -> int:
        """What the broker took for what is out."""
        balances, kind = self.village.balances(), accounts.outstanding(scheme)
        return -sum(micro for name, micro in balances.items() if name.startswith(kind))

    def tally(self) -> tuple[marks.Total, ...]:
        totals: tuple[marks.Total, ...] = self.village.run(
            self.village.vendor.store.do(marks.Tally())
        )
        return totals


@pytest.fixture(params=[1, LOG_PAGES], ids=["checkpoints", "log"])
def payer(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Payer]:
    with Village(tmp_path) as village:
        callers = Callers(village)
        payer = Payer(village, tmp_path / "payer")
        with payer.disk:
            payer.begin(callers.pay)
            yield payer
            payer.disk.disarm()
            payer.wallet.close()


def fails(payer: Payer, deed: Deed, fault: Fault, at: int) -> bool:
    """Whether the fault came."""
    told = f"{deed.name}: {fault.value} at step {at}"
    act = deed.prepare(payer)
    payer.disk.arm(fault, at)
    failed = True
    with contextlib.suppress(Refusal):
        act(payer.wallet)
        failed = False
    fired = payer.disk.fired
    assert fired or not failed, told
    if not fired and fault in {Fault.CUT, Fault.TORN}:
        payer.disk.cut()
    is_dead = payer.disk.is_dead
    if is_dead:
        payer.reboot()
    payer.disk.disarm()
    if failed or is_dead:  # the new program has the old one's number: its leases must end
        payer.village.pass_time(LATER_S)
    if failed:
        act(payer.wallet)
    payer.require_whole(told)
    return fired


def fail_again_and_again(payer: Payer, deeds: Sequence[Deed], count: int) -> None:
    """Each deed fails in so many of the ways, at each step."""
    turn, faults = seed(), list(Fault)
    runs: Counter[str] = Counter()
    stride = size().stride
    for number, deed in enumerate(deeds):
        payer.disk.disarm()
        payer.wallet.close()
        payer.open(deed.schemes)
        for which in range(count):
            fault = faults[(turn + number + which) % len(faults)]
            at = 1 + turn % stride
            while fails(payer, deed, fault, at):
                runs[deed.name] += 1
                at += stride
                assert at < STEPS_MAX, f"{deed.name} has no end"
    payer.village.require_sound()
    print(f"{runs.total()} failures: {dict(runs)}")  # noqa: T201 - the figures


@pytest.mark.timeout(900)  # the full suite's
def test_a_wallet_on_a_failing_disk_loses_nothing_and_pays_once(payer: Payer) -> None:
    fail_again_and_again(payer, DEEDS, size().faults)


@pytest.mark.parametrize("scheme", EACH_SCHEME)
@pytest.mark.timeout(900)  # the long suite's
def test_a_wallet_of_any_scheme_loses_nothing_and_pays_once(payer: Payer, scheme: str) -> None:
    fail_again_and_again(payer, deeds_of(scheme), size().scheme_faults)
