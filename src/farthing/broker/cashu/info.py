"""What wallets read first: the mint, its keysets, their keys. Source: NUT-01, 02 and 06."""

import msgspec

import farthing
from farthing.broker.answers import KEPT_S
from farthing.broker.cashu.counter import Counter
from farthing.crypto import bdhke
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes.coin.cashu.keysets import MintKeys, unit_micro

METHOD = "bolt11"  # the only one that stock wallets know; what it is here, the quote's address says
CACHED = ("mint/bolt11", "swap", "melt/bolt11")
SUPPORTED = ("7", "8", "9", "10", "11", "12", "14", "20")


class Info:
    """The documents of one unit."""

    def __init__(self, counter: Counter) -> None:
        """At this counter."""
        self._counter = counter

    def mint(self) -> bytes:
        """What this mint can do."""
        counter = self._counter
        setting = {
            "method": METHOD,
            "unit": counter.unit,
            "min_amount": 1,
            "max_amount": PAYMENT_MICRO_MAX // unit_micro(counter.unit),
        }
        cached = [{"method": "POST", "path": f"/v1/{path}"} for path in CACHED]
        nuts: dict[str, object] = {
            "4": {"methods": [setting], "disabled": False},
            "5": {"methods": [setting], "disabled": False},
            **{number: {"supported": True} for number in SUPPORTED},
            "19": {"ttl": KEPT_S, "cached_endpoints": cached},
        }
        largest = max(counter.keysets.active.amounts)
        key = counter.keysets.active.find(largest)
        assert key is not None, "an amount of the keyset has a key"
        return msgspec.json.encode(
            {
                "name": counter.books.identity.broker_id,
                "pubkey": bdhke.public_of(key.secret).hex(),
                "version": f"Farthing/{farthing.__version__}",
                "description": "Load from an account of this broker: pay the quote's address.",
                "time": counter.now_s(),
                "nuts": nuts,
            }
        )

    def keysets(self) -> bytes:
        """All keysets, without keys."""
        return msgspec.json.encode({"keysets": [self._entry(one) for one in self._all()]})

    def keys(self, keyset_id: str = "") -> bytes:
        """The keys of a keyset, of the active one by default; `Unknown`."""
        keysets = self._counter.keysets
        found = keysets.find(keyset_id) if keyset_id else keysets.active
        keys = {str(amount): key for amount, key in found.public.keys.items()}
        return msgspec.json.encode({"keysets": [self._entry(found) | {"keys": keys}]})

    def _all(self) -> tuple[MintKeys, ...]:
        return self._counter.keysets.all

    def _entry(self, keys: MintKeys) -> dict[str, object]:
        return {
            "id": keys.id,
            "unit": keys.unit,
            "active": keys is self._counter.keysets.active,
            "input_fee_ppk": keys.public.input_fee_ppk,
            "final_expiry": keys.public.final_expiry,
        }
