"""Pay Farthing offers with the stock `pympp` client.

::

    farthing = FarthingMethods(wallet)
    async with Mpp(methods=farthing.methods, allowed_origins=["https://news.example"]) as mpp:
        page = await mpp.fetch("https://news.example/a/1093")

Name the origins: the client pays whoever asks otherwise. Source: wire format, sections 3 and 11.
"""

from functools import partial
from typing import Self

import anyio.to_thread

from farthing.errors import Malformed
from farthing.schemes import registry
from farthing.wallet import Wallet
from farthing.wallet.cashier import Cashier
from farthing.wire import mpp as wire
from farthing.wire.offers import Received

try:
    from mpp import Challenge
    from mpp.methods import Method
    from mpp.runtime import ClientMethod, CredentialParams
    from pydantic import BaseModel
except ImportError as missing:
    raise ImportError(
        "paying with the pympp client needs its package: pip install farthing[mpp]"
    ) from missing


class _Anything(BaseModel):
    """Requests and payloads: what is in them is for our own codecs to check."""

    model_config = {"extra": "allow"}


class FarthingMethods:
    """A wallet as methods of the client, one for each scheme that it spends."""

    def __init__(self, wallet: Wallet) -> None:
        """Pays out of `wallet`, which stays open and the caller's."""
        self._cashier = wallet.cashier()
        self.methods = tuple(_method(self._cashier, name) for name in self._cashier.schemes)

    async def settle(self) -> int:
        """Bring back the change of what was paid so far; how many payments are still undecided."""
        return await anyio.to_thread.run_sync(self._cashier.settle)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.settle()


def method(wallet: Wallet, scheme: str) -> ClientMethod:
    """The client's method for one scheme, by registry name; `Unsupported` for an unknown one."""
    return _method(wallet.cashier(), scheme)


def _method(cashier: Cashier, scheme: str) -> ClientMethod:
    wire_name, _ = registry.wire_name(scheme)
    return ClientMethod(
        method=Method(
            name=wire_name, intent="charge", request_model=_Anything, payload_model=_Anything
        ),
        create_credential=partial(_create_credential, cashier),
        can_handle_challenge=partial(_is_payable, scheme),
    )


async def _create_credential(cashier: Cashier, params: CredentialParams) -> str:
    """The header that pays, written to the wallet before it is given; the wallet's refusals.

    While an earlier payment for the same request is undecided, that one once more, with the
    challenge that it was made for.
    """
    received = _received(params.challenge)
    if received is None:
        raise Malformed("challenge_malformed", "this challenge is not one that a wallet can answer")
    made = await anyio.to_thread.run_sync(cashier.pay, received)
    return made.credential[1]


def _is_payable(scheme: str, challenge: Challenge) -> bool:
    """Schemes of one wire name differ in their terms."""
    received = _received(challenge)
    return received is not None and received.offer.scheme == scheme


def _received(challenge: Challenge) -> Received | None:
    """The challenge as our own codec reads it; None where it cannot."""
    found = wire.read_challenges([challenge.to_www_authenticate(challenge.realm)])
    return found[0] if found else None
