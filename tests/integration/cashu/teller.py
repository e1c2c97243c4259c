"""A broker's mint in a process that can be killed, and a wallet on paper that speaks to it."""

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

import httpx
import msgspec

from farthing.auditing import audit
from farthing.broker.app import Broker
from farthing.cli import servers
from farthing.schemes.coin.cashu.messages import Proof, Signature
from tests.integration.cashu.swapping import Mint, spend
from tests.integration.crash.fleet import Party, environment
from tests.kit import cashu
from tests.kit.cashu import Blank

UNIT = "eur"
TOPUP_MICRO = 10**9
Json = dict[str, Any]


class Desk:
    """The mint of one unit, and what wallets do there."""

    def __init__(self, broker_url: str, unit: str) -> None:
        self.mint_url = f"{broker_url}/cashu/{unit}"
        self.unit = unit
        self.http = httpx.Client(timeout=20.0)
        self._keys: dict[int, str] = {}
        self.keyset = ""

    def fetch_keys(self) -> None:
        (found,) = self.http.get(f"{self.mint_url}/v1/keys").json()["keysets"]
        self.keyset = found["id"]
        self._keys = {int(amount): key for amount, key in found["keys"].items()}

    def post(self, path: str, raw: bytes) -> httpx.Response:
        return self.http.post(f"{self.mint_url}/v1/{path}", content=raw)

    @property
    def mint(self) -> Mint:
        """As a wallet knows it."""
        return Mint(lambda path, raw: self.post(path, raw).content, self.keyset, self._keys)

    def blanks(self, amount: int) -> list[Blank]:
        return cashu.blanks(self.keyset, amount)

    def unblinded(self, blanks: Sequence[Blank], answer: httpx.Response) -> tuple[Proof, ...]:
        """Coins with a proof that the mint's key has signed them."""
        assert answer.is_success, answer.text
        signatures = msgspec.convert(answer.json()["signatures"], tuple[Signature, ...])
        return cashu.coins(blanks, signatures, self._keys)

    def swap(self, proofs: Sequence[Proof], amounts: Sequence[int] = ()) -> tuple[Proof, ...]:
        """As a wallet does with coins that it receives; for coins of these amounts, if named."""
        wanted = amounts or [sum(proof.amount for proof in proofs)]
        blanks = [blank for amount in wanted for blank in self.blanks(amount)]
        return self.unblinded(blanks, self.post("swap", spend(proofs, blanks)))


class Teller(Desk):
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = servers.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        super().__init__(self.url, UNIT)
        self.admin_token = Broker.init(
            folder / "broker", broker_id="teller", currency=UNIT, url=self.url
        )
        command = servers.python("-m", "farthing.cli", "broker", "serve", "--port", str(self.port))
        self.broker = Party("broker", command, f"{self.url}/health", folder, workers=1)

    def __enter__(self) -> Self:
        self.broker.start()
        tokens = self.call("/accounts", {"id": "alice"}, self.admin_token)["tokens"]
        self.token = tokens["pay"]
        topup = {"payer": "alice", "amountMicro": TOPUP_MICRO, "reference": "in 1"}
        self.call("/topup", topup, self.admin_token)
        self.fetch_keys()
        return self

    def __exit__(self, *_: object) -> None:
        self.broker.stop()
        self.http.close()

    def call(self, path: str, body: object, token: str = "") -> Json:
        """What a route for accounts answers."""
        headers = {"idempotency-key": f"{path} {time.monotonic_ns()}".replace(" ", "-")}
        headers |= {"authorization": f"Bearer {token or self.token}"}
        answer = self.http.post(self.url + path, json=body, headers=headers)
        assert answer.is_success, answer.text
        found: Json = answer.json()
        return found

    def pay(self, address: str) -> Json:
        """Alice pays the address that a wallet shows."""
        return self.call(address.removeprefix(self.url), None)

    def code(self, amount: int) -> str:
        """A payout code of Alice's."""
        found: str = self.call(f"/cashu/{UNIT}/payouts", {"amount": amount})["request"]
        return found

    def load(self, amount: int) -> tuple[Proof, ...]:
        asked = msgspec.json.encode({"amount": amount, "unit": UNIT})
        quote = self.post("mint/quote/bolt11", asked).json()
        self.pay(quote["request"])
        blanks = self.blanks(amount)
        body = {"quote": quote["quote"], "outputs": [blank.output for blank in blanks]}
        return self.unblinded(blanks, self.post("mint/bolt11", msgspec.json.encode(body)))

    def rotate(self) -> None:
        command = servers.python(
            "-m", "farthing.cli", "broker", "rotate", "farthing/cashu/keyset/1"
        )
        env = environment(FARTHING_DATA=str(self.folder / "broker"))
        servers.run_once(command, env=env)
        before = self.keyset
        while self.keyset == before:
            time.sleep(0.1)
            self.fetch_keys()


def audited(folder: Path) -> None:
    """The books of a teller that has stopped are in order."""
    broker = Broker.open(folder / "broker")
    try:
        report = broker.engine.books.committer.read(partial(audit, now_s=int(time.time())))
        assert not report.findings
    finally:
        broker.close()
