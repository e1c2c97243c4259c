"""Requests to the broker's Cashu mint as a wallet and as its account send them, byte by byte."""

from collections.abc import Sequence
from functools import partial

import msgspec

from farthing.broker.cashu.routes import PREFIX
from farthing.crypto import bdhke
from farthing.schemes.coin.cashu.messages import Proof, Signature
from farthing.schemes.contract import Json
from tests.integration.cashu.swapping import spend
from tests.integration.crash.calls import Callers
from tests.integration.crash.kinds import Kind
from tests.integration.crash.place import Call
from tests.kit import cashu
from tests.kit.cashu import Blank

UNIT = "microeur"  # thousands of loads are paid from one account
AMOUNT, PAID_OUT = 12, 8
CHANGE = (AMOUNT - PAID_OUT).bit_length()
QUOTE, MELT_QUOTE = "v1/mint/quote/bolt11", "v1/melt/quote/bolt11"
# Of an answer to whoever asks: each has a quote of its own, and the mint's clock goes on.
SECRETS, CLOCK = {"quote", "request", "expiry"}, {"time"}


class Coins:
    """A wallet with nothing but what its last request has brought."""

    def __init__(self, callers: Callers) -> None:
        self._callers = callers
        (found,) = callers.done(self._get("v1/keys"))["keysets"]
        self._keyset: str = found["id"]
        self._keys = {int(amount): str(key) for amount, key in found["keys"].items()}

    def _get(self, path: str) -> Call:
        return self._callers.get("broker", f"{PREFIX}{UNIT}/{path}")

    def _post(self, path: str, body: bytes) -> Call:
        return self._callers.request("broker", "POST", f"{PREFIX}{UNIT}/{path}", {}, body)

    def _blanks(self) -> list[Blank]:
        return cashu.blanks(self._keyset, AMOUNT)

    # --- loads ----------------------------------------------------------------------------------

    def ask_load(self) -> Call:
        asked = self._post(QUOTE, msgspec.json.encode({"amount": AMOUNT, "unit": UNIT}))
        return asked._replace(read=partial(_without, SECRETS))

    def look_at_load(self) -> Call:
        return self._get(f"{QUOTE}/{self._callers.done(self.ask_load())['quote']}")

    def pay_load(self) -> Call:
        return self._pay(self._callers.done(self.ask_load()))

    def _pay(self, quote: dict[str, str]) -> Call:
        path = quote["request"].rpartition(PREFIX)[2]
        token = {"authorization": f"Bearer {self._callers.pay}"}
        return self._callers.request("broker", "POST", PREFIX + path, token)

    def _mint(self) -> tuple[Call, list[Blank]]:
        quote, blanks = self._callers.done(self.ask_load()), self._blanks()
        self._callers.done(self._pay(quote))
        body = {"quote": quote["quote"], "outputs": [blank.output for blank in blanks]}
        return self._post("v1/mint/bolt11", msgspec.json.encode(body)), blanks

    def mint(self) -> Call:
        return self._mint()[0]

    def _load(self) -> tuple[Proof, ...]:
        call, blanks = self._mint()
        return self._unblinded(call, blanks)

    def _unblinded(self, call: Call, blanks: Sequence[Blank]) -> tuple[Proof, ...]:
        found = self._callers.done(call)["signatures"]
        return cashu.coins(blanks, msgspec.convert(found, tuple[Signature, ...]), self._keys)

    # --- coins ----------------------------------------------------------------------------------

    def swap(self) -> Call:
        return self._post("v1/swap", spend(self._load(), self._blanks()))

    def look_at_coins(self) -> Call:
        """At some that are spent, and some that are not."""
        spent, blanks = self._load(), self._blanks()
        fresh = self._unblinded(self._post("v1/swap", spend(spent, blanks)), blanks)
        ys = [bdhke.hash_to_curve(coin.secret.encode()).format().hex() for coin in (*spent, *fresh)]
        return self._post("v1/checkstate", msgspec.json.encode({"Ys": ys}))

    def restore(self) -> Call:
        """Outputs that were signed, and some that were not."""
        call, blanks = self._mint()
        self._callers.done(call)
        outputs = [blank.output for blank in (*blanks, *self._blanks())]
        return self._post("v1/restore", msgspec.json.encode({"outputs": outputs}))

    # --- payouts --------------------------------------------------------------------------------

    def make_code(self) -> Call:
        return self._callers.post(
            f"{PREFIX}{UNIT}/payouts", {"amount": PAID_OUT}, self._callers.pay
        )

    def ask_payout(self) -> Call:
        code = self._callers.done(self.make_code())["request"]
        asked = self._post(MELT_QUOTE, msgspec.json.encode({"request": code, "unit": UNIT}))
        return asked._replace(read=partial(_without, SECRETS - {"request"}))

    def look_at_payout(self) -> Call:
        return self._get(f"{MELT_QUOTE}/{self._callers.done(self.ask_payout())['quote']}")

    def melt(self) -> Call:
        """With change."""
        coins, quote = self._load(), self._callers.done(self.ask_payout())["quote"]
        change = [cashu.blank(self._keyset, 0).output for _ in range(CHANGE)]
        body = {"quote": quote, "inputs": list(coins), "outputs": change}
        return self._post("v1/melt/bolt11", msgspec.json.encode(body))

    # --- documents ------------------------------------------------------------------------------

    def info(self) -> Call:
        return self._get("v1/info")._replace(read=partial(_without, CLOCK))

    def keysets(self) -> Call:
        return self._get("v1/keysets")

    def keys(self) -> Call:
        return self._get("v1/keys")

    def keys_of(self) -> Call:
        return self._get(f"v1/keys/{self._keyset}")


def _without(fields: set[str], body: bytes) -> Json:
    said: dict[str, Json] = msgspec.json.decode(body)
    assert said.keys() >= fields, said
    return {name: value for name, value in said.items() if name not in fields}


def coin_kinds(callers: Callers) -> dict[str, list[Kind]]:
    """By method and route, of the mint of any unit."""
    coins, read = Coins(callers), partial(Kind, moves=False)
    found = {
        f"POST {QUOTE}": read("ask load", coins.ask_load),
        "POST loads": Kind("pay load", coins.pay_load),
        "POST v1/mint/bolt11": Kind("mint", coins.mint),
        "POST v1/swap": Kind("swap", coins.swap),
        "POST payouts": Kind("payout code", coins.make_code),
        f"POST {MELT_QUOTE}": read("ask payout", coins.ask_payout),
        "POST v1/melt/bolt11": Kind("melt", coins.melt),
        "POST v1/checkstate": read("look at coins", coins.look_at_coins),
        "POST v1/restore": read("restore", coins.restore),
        f"GET {QUOTE}/{{name}}": read("look at load", coins.look_at_load),
        f"GET {MELT_QUOTE}/{{name}}": read("look at payout", coins.look_at_payout),
        "GET v1/info": read("mint's info", coins.info),
        "GET v1/keysets": read("keysets", coins.keysets),
        "GET v1/keys": read("mint's keys", coins.keys),
        "GET v1/keys/{name}": read("keys of a keyset", coins.keys_of),
    }
    return {route.replace(" ", f" {PREFIX}{{unit}}/"): [kind] for route, kind in found.items()}
