"""Pay Farthing offers with the stock `x402` client.

::

    client = x402ClientSync()                       # or x402Client, with AsyncFarthingScheme
    client.register("farthing:*", FarthingScheme(wallet))

All our schemes share one x402 scheme, `batch-settlement`; `extra.method` tells them apart. The
client's own spend controls refuse assets that they do not know: allow `microeur` (or the like)
there, with a cap for each payment. Source: wire format, sections 4 and 11.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from functools import partial
from typing import Any, Protocol, Self

import anyio.to_thread

from farthing.errors import Refusal, Unsupported
from farthing.schemes.contract import Json
from farthing.wallet import Wallet
from farthing.wire import x402 as wire
from farthing.wire.x402_entry import SCHEME

try:
    import x402 as _stock  # noqa: F401 - that it is there is all we ask
except ImportError as missing:
    raise ImportError(
        "paying with the x402 client needs its package: pip install farthing[x402]"
    ) from missing


class Requirements(Protocol):
    """What we ask of the client's `PaymentRequirements`."""

    scheme: str

    def model_dump(self, *, by_alias: bool) -> dict[str, Any]:
        """The entry as it stood in the 402."""


class FarthingScheme:
    """The scheme object for `x402ClientSync`, and for `x402Client` where blocking does no harm."""

    scheme = SCHEME

    def __init__(self, wallet: Wallet) -> None:
        """Pays out of `wallet`, which stays open and the caller's."""
        self._cashier = wallet.cashier()

    def create_payment_payload(
        self, requirements: Requirements, extensions: Mapping[str, Any] | None = None
    ) -> dict[str, Json]:
        """The inner payload that pays `requirements`, written to the wallet before it is given.

        The wallet's refusals; `Unsupported` for a scheme that it lacks, and where something has put
        a payment identifier into `extensions`: the wallet gives each payment one of its own.
        """
        if wire.payment_id_in(extensions or {}):
            raise Unsupported(
                "payment_identifier_taken", "the wallet makes the payment-identifier: add none"
            )
        entry = requirements.model_dump(by_alias=True)
        made = self._cashier.pay(wire.read_entry(entry, now_s=self._cashier.clock()))
        return wire.identified(made.paid.payload, made.k)

    def policy(self, _version: int, offers: list[Any]) -> list[Any]:
        """For `register_policy`: leaves out Farthing offers of schemes that the wallet lacks."""
        return [offer for offer in offers if self._is_payable(offer)]

    def _is_payable(self, offer: Any) -> bool:
        entry = offer.model_dump(by_alias=True)
        if not str(entry.get("network")).startswith("farthing:"):
            return True
        try:
            received = wire.read_entry(entry, now_s=0)
        except Refusal:
            return False
        return received.offer.scheme in self._cashier.schemes

    def settle(self) -> int:
        """Bring back the change of what was paid so far; how many payments are still undecided."""
        return self._cashier.settle()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.settle()


_Made = tuple[Requirements, dict[str, Json]]
_made: ContextVar[_Made | None] = ContextVar("farthing_x402_made", default=None)


class AsyncFarthingScheme(FarthingScheme):
    """The scheme object for `x402Client`: the wallet works in a thread, the event loop goes on.

    The client calls `create_payment_payload` on its event loop, where nothing may wait; but before
    that it awaits a scheme's hook, and there the payment is made.
    """

    @property
    def scheme_hooks(self) -> dict[str, Any]:
        """What the client looks for."""
        return {"before_payment_creation": self._make}

    async def _make(self, context: Any) -> None:
        requirements = context.selected_requirements
        make = partial(
            super().create_payment_payload, requirements, context.payment_required.extensions
        )
        _made.set((requirements, await anyio.to_thread.run_sync(make)))

    def create_payment_payload(
        self, requirements: Requirements, extensions: Mapping[str, Any] | None = None
    ) -> dict[str, Json]:
        """What the hook made for these very `requirements`; made now if it did not run."""
        made = _made.get()
        _made.set(None)
        if made is not None and made[0] is requirements:
            return made[1]
        return super().create_payment_payload(requirements, extensions)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await anyio.to_thread.run_sync(self.settle)
