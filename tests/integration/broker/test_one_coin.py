"""One coin, shown by two vendors and to the mint itself, all at once: one of them has it.

A real broker over its own files; each payment is another one, for another page, as an old copy of a
wallet would make them.
"""

import asyncio
import hashlib
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from farthing.auditing import audit
from farthing.broker.app import Broker, asgi_app
from farthing.schemes.coin.blind.purse import BlindPurse
from farthing.schemes.coin.cashu import CASHU
from farthing.schemes.coin.cashu.coinage import read_coin
from farthing.schemes.coin.deriving import SEED, maker_of
from farthing.schemes.coin.ecash import ECASH
from farthing.schemes.contract import Asked, Instrument, Json, Key, Need, Paid, Scheme
from farthing.wire import dialects
from farthing.wire.offers import Tender
from tests.kit import cashu
from tests.kit.blind import pocket_of, vendor_ring
from tests.kit.parties import BROKER, Clock, Ring, Vendor, binding_of, setting_of

AT_ONCE = 32
URL = "https://broker.example"
VENDORS = ("news", "daily")
LOAD_MICRO = 10_000


class Place:
    """A broker, two vendors, and Ann's wallet without a wallet around it."""

    def __init__(self, folder: Path, scheme: Scheme) -> None:
        self.scheme = scheme
        self.tokens = {"operator": Broker.init(folder, broker_id=BROKER, currency="eur", url=URL)}
        self.broker = Broker.open(folder)
        transport = httpx.ASGITransport(asgi_app(self.broker))
        self.client = httpx.AsyncClient(transport=transport, base_url=URL)
        self.clock = Clock()
        self.clock.now_s = int(time.time())
        seed = Key(id="seed", purpose=SEED, secret=hashlib.sha256(b"ann").digest())
        purse = scheme.purse(setting_of(Ring(seed)))
        assert isinstance(purse, BlindPurse)
        self.purse: BlindPurse[Any] = purse
        self._keys = 0

    async def post(self, path: str, body: Any, who: str = "") -> Any:
        self._keys += 1
        headers = {"idempotency-key": f"k{self._keys}"}
        if who:
            headers["authorization"] = f"Bearer {self.tokens[who]}"
        answer = await self.client.post(path, json=body, headers=headers)
        return answer.json()

    async def found(self) -> None:
        for name in ("ann", *VENDORS):
            role = "payer" if name == "ann" else "vendor"
            opened = await self.post("/accounts", {"id": name, "role": role}, "operator")
            tokens = opened["tokens"]
            self.tokens[name] = tokens["pay" if role == "payer" else "redeem"]
        topup = {"payer": "ann", "amountMicro": LOAD_MICRO, "reference": "in 1"}
        await self.post("/topup", topup, "operator")

    async def load(self, amount_micro: int) -> Instrument:
        need = Need(amount_micro=amount_micro, currency="eur")
        found: tuple[Instrument, ...] | Asked = self.purse.ask(need, self.clock.at(0))
        while isinstance(found, Asked):
            who = "" if found.bearer else "ann"
            answer = await self.post(f"/issue/{self.scheme.traits.name}", found.message, who)
            found = self.purse.receive(found, answer["answer"], self.clock.at())
        return found[0]

    def settlement(self, pocket: Instrument, vendor_id: str, page: int) -> Json:
        """What a vendor asks the broker about a payment for one of its pages."""
        vendor = Vendor(self.scheme, vendor_ring(), self.clock, vendor_id)
        offer, target = vendor.offer(pocket.worth_micro), f"GET /{vendor_id}/{page}"
        binding = binding_of(target=target)
        paid = self.purse.pay(pocket, offer, binding, self.clock.at())
        assert isinstance(paid, Paid)
        tender = Tender(
            offers=(offer,),
            realm="news.example",
            url="https://news.example/",
            target=target,
            expires_at_s=self.clock.now_s + 300,
        )
        return dialects.settlement(offer, paid.payload, tender)

    def swap(self, pocket: Instrument) -> Json:
        """What a stock wallet asks the mint."""
        held = pocket_of(pocket)
        maker = maker_of(self.purse.setting.ring, BROKER, held.number)
        proofs = [
            read_coin(self.purse.coinage.coin(maker, one.slot, one.signature)) for one in held.coins
        ]
        outputs = [one.output for one in cashu.blanks(held.keysets.name, pocket.worth_micro)]
        return msgspec.to_builtins({"inputs": proofs, "outputs": outputs})


@pytest.mark.parametrize(
    ("scheme", "is_reserved"),
    [(ECASH, True), (CASHU, True), (CASHU, False)],
    ids=["ecash reserved", "cashu reserved", "cashu settled"],
)
def test_of_all_who_show_one_coin_at_once_one_has_it(
    tmp_path: Path, scheme: Scheme, *, is_reserved: bool
) -> None:
    place = Place(tmp_path / "broker", scheme)

    async def settle(message: Json, vendor_id: str) -> str:
        more: dict[str, Json] = {"reserve": {}} if is_reserved else {}
        answer = await place.post("/settle", message | more, vendor_id)
        if not answer["success"] or not is_reserved:
            return "" if answer["success"] else str(answer["extra"]["code"])
        step = {"transaction": answer["transaction"], "reservation": 1}
        captured = await place.post("/capture", step, vendor_id)
        return "" if captured["success"] else str(captured["errorReason"])

    async def swap(message: Json) -> str:
        answer = await place.post("/cashu/microeur/v1/swap", message)
        return str(answer.get("code", ""))

    async def race() -> None:
        await place.found()
        pocket = await place.load(1)  # one coin
        asked = [(place.settlement(pocket, VENDORS[n % 2], n), VENDORS[n % 2])
                 for n in range(AT_ONCE)]  # fmt: skip  # - one list
        swaps = [place.swap(pocket) for _ in range(AT_ONCE)] if scheme is CASHU else []
        codes = await asyncio.gather(
            *(settle(*one) for one in asked), *(swap(one) for one in swaps)
        )
        assert codes.count("") == 1, Counter(codes)
        assert set(codes) <= {"", "coin_spent", "mark_held", "11001", "11002"}, Counter(codes)
        again = await asyncio.gather(*(settle(*one) for one in asked), *(swap(s) for s in swaps))
        for first, then in zip(codes, again, strict=True):
            assert then in ({""} if not first else {"coin_spent", "11001"}), (first, then)
        await place.client.aclose()

    try:
        asyncio.run(race())
        report = place.broker.engine.books.committer.read(
            lambda db: audit(db, now_s=int(time.time()))
        )
        assert not report.findings
    finally:
        place.broker.close()
