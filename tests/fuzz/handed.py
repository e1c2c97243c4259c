"""What strangers hand a wallet beside pages: addresses, tokens with what is in them, streams."""

from functools import cache, partial
from typing import Any, NamedTuple

import msgspec

from farthing import codec
from farthing.lab.conformance.payer import Payer
from farthing.lab.conformance.stage import Play
from farthing.schemes import attestations, registry, streams
from farthing.wallet.address import Address, new_address, read_address, seal, unseal
from farthing.wallet.handing import Wanted, hand_over, receive
from farthing.wallet.listening import Sieve
from farthing.wallet.vault import Vault
from tests.fuzz.heard import SEED, names, opened
from tests.fuzz.parser import Parser, given, text
from tests.kit.blind import Scene
from tests.kit.proofs import keys_of, proof_of
from tests.unit.wire.examples import OFFER

VAULT, NONCE, ENTROPY = Vault(bytes(32)), bytes(16), bytes(44)
ADDRESS = new_address(VAULT, NONCE)
LASTS_S = 3_600
METERS = (
    '{"unit":"seconds","count":3600,"grace":64}',
    '{"unit":"bytes","count":1,"grace":1}',
    '{"unit":"messages","count":10,"grace":3}',
)
EVENTS = (
    b": hello\n\ndata: 1\n\nevent: payment-need-voucher\ndata: {}\n\ndata: 2\r\n\r\nda",
    b"event: news\rdata: 3\r\rid: 4\n\nevent: payment-receipt\ndata: {}\n\n",
)
PARTS = 20  # they come cut anywhere


def parsers() -> list[Parser]:
    """Their rows."""
    return [
        Parser(
            "wallet.address.read_address",
            lambda raw: read_address(text(raw)),
            given(str(ADDRESS), str(new_address(VAULT, b"x" * 16))),
            write=lambda address: str(address).encode(),
        ),
        Parser(
            "wallet.address.unseal",
            lambda raw: unseal(VAULT, text(raw)),
            given(seal(ADDRESS, b"", ENTROPY), seal(ADDRESS, b'{"a":[1]}', ENTROPY) + "\n"),
        ),
        *(
            Parser(f"{name}.handed", _receiving(name), partial(_messages, name))
            for name in names()
            if registry.by_name(name).purse.shares
        ),
        Parser("schemes.attestations.verify", _proven, lambda: _proofs()[0]),
        Parser("schemes.attestations.keys", _proven_by, lambda: _proofs()[1]),
        Parser(
            "schemes.streams.meter_in",
            _meter,
            given(*METERS),
            write=lambda meter: codec.canonical(msgspec.to_builtins(meter)),
        ),
        Parser("schemes.streams.events", _streamed, given(*EVENTS)),
    ]


@cache
def _proofs() -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """A payer's proofs, of a payment and of none; and the keys with which they are checked."""
    scene = Scene()
    paid, offer = scene.pay(scene.withdraw())
    before = proof_of(scene, paid)
    scene.deposit(paid, offer)
    found = tuple(codec.canonical(one) for one in (before, proof_of(scene, paid)))
    return found, (codec.canonical(keys_of(scene)),)


def _proven(raw: bytes) -> Any:
    keys = codec.read_open(_proofs()[1][0], attestations.KeyDocument)
    return attestations.verify(attestations.READER.read(raw), keys)


def _proven_by(raw: bytes) -> Any:
    proof = attestations.READER.read(_proofs()[0][1])
    return attestations.verify(proof, codec.read_open(raw, attestations.KeyDocument))


# --- what another wallet hands over -------------------------------------------------------------


class Handed(NamedTuple):
    """A wallet to which something was handed."""

    payer: Payer
    to: Address
    messages: tuple[bytes, ...]
    """In its tokens."""


@cache
def _handed(scheme: str) -> Handed:
    """On a stage of its own, whose time stands still."""
    stage = opened(Play(scheme, SEED))
    owner, agent = stage.payer, stage.admit("agent", 0, credit_micro=0)
    vault = agent.store.file.vault
    to = new_address(vault, stage.room.entropy(len(NONCE)))
    messages = []
    for passes_on in (False, True):
        wanted = Wanted(
            url=stage.page(),
            amount_micro=stage.price_micro,
            to=to,
            lasts_s=LASTS_S,
            passes_on=passes_on,
        )
        grant = owner.run_alone(hand_over(owner.guide(), owner.store.file, wanted))
        messages.append(unseal(vault, grant.token)[0])
    return Handed(agent, to, tuple(messages))


def _messages(scheme: str) -> tuple[bytes, ...]:
    return _handed(scheme).messages


def _receiving(scheme: str) -> Any:
    """A message in a token that was truly sealed to this wallet, whatever it says."""

    def read(raw: bytes) -> Any:
        handed = _handed(scheme)
        payer, token = handed.payer, seal(handed.to, raw, ENTROPY)
        return payer.run_alone(receive(payer.guide(), payer.store.file, token)).instrument

    return read


# --- streams ------------------------------------------------------------------------------------


def _meter(raw: bytes) -> Any:
    """What an offer says of its stream."""
    offer = msgspec.structs.replace(OFFER, terms={streams.STREAM: codec.read_json(raw)})
    return streams.meter_in(offer)


def _streamed(raw: bytes) -> Any:
    """A stream of events that a site sends: whole and in parts it says the same."""
    found = []
    for size in (len(raw) // PARTS + 1, len(raw) + 1):
        meter = streams.Meter(unit="messages", count=1, grace=1)
        sieve, counter, passed = Sieve(), meter.counter(), b""
        for at in range(0, len(raw), size):
            passed += sieve.pass_through(raw[at : at + size])[0]
        counter.fit(passed, len(raw), 0)
        found.append((passed, counter.ticks))
    if found[0] != found[1]:
        raise AssertionError(found)
    return found
