"""What a new vendor sends to its broker."""

import os
import secrets
from typing import Any, cast

import msgspec

from farthing import codec
from farthing.schemes.mac.millicent.scrip import DAY_S, STOCK_BIT, mint_scrip, serial_of
from farthing.vendor.founding import licence_of, new_keys
from tests.integration.crash.calls import CREDIT_MICRO, LOAD_MICRO, Callers
from tests.integration.crash.place import Call
from tests.kit.parties import Ring


class Newcomers:
    """One new vendor, or payer, for each request."""

    def __init__(self, callers: Callers) -> None:
        self._callers = callers

    def _new_vendor(self) -> tuple[str, str]:
        """Name and token."""
        name = f"v{secrets.token_hex(6)}"
        opened = self._callers.done(
            self._callers.post("/accounts", {"id": name, "role": "vendor"}, self._callers.operator)
        )
        return name, opened["tokens"]["redeem"]

    def grant(self) -> Call:
        """A new vendor's licence."""
        name, token = self._new_vendor()
        keys = new_keys(os.urandom(224), name, self._callers.at().now_s)
        return self._callers.post("/grant/millicent", licence_of(cast(Any, Ring(*keys))), token)

    def revoke_all(self) -> Call:
        """What a new payer has out, whose wallet was stolen."""
        name, token = self._callers.new_account(LOAD_MICRO, CREDIT_MICRO)
        self._callers.done(self._callers.issue("payword", token))
        return self._callers.post(f"/accounts/{name}/revoke", {}, self._callers.operator)

    def buy_batch(self) -> Call:
        """A new vendor's batch of scrip, for the broker's warehouse."""
        name, _ = self._new_vendor()
        piece = mint_scrip(
            os.urandom(32),
            vendor=name,
            currency="eur",
            value_micro=LOAD_MICRO,
            serial=serial_of(STOCK_BIT | 1, 0),
            payer="0002" + secrets.token_hex(6),
            expires_at_s=(self._callers.at().now_s // DAY_S + 30) * DAY_S,
        )
        batch = {
            "discountE4": 1_000,
            "kBurn": codec.b64u(os.urandom(32)),
            "kPayer": codec.b64u(os.urandom(32)),
            "payerRange": "0002",
            "pieces": [msgspec.to_builtins(piece)],
        }
        return self._callers.post(
            f"/vendors/{name}/grants/millicent", batch, self._callers.operator
        )
