"""What strangers hand a wallet beside pages: addresses, tokens with what is in them, streams."""

from functools import cache, partial
from typing import Any, NamedTuple

import msgspec

from farthing import codec
from farthing.lab.conformance.payer import Payer
from farthing.lab.conformance.stage import Play
from farthing.schemes import attestations, registry, streams
from farthing.schemes.contract import At, Json, Purse
from farthing.wallet import bearing
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
PARTS_MICRO = (1_024, 12_345)  # one coin, and many
ENTROPY_BYTES = 512


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
        Parser("wallet.bearing.admit", _admitted, _tokens),
        *(
            Parser(f"{name}.borne", _claiming(name), partial(_in_tokens, name))
            for name in _parting()
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


# --- what is for whoever has it -----------------------------------------------------------------


class Bearing(NamedTuple):
    """A wallet to which tokens for whoever has them were given, and what it hears then."""

    payer: Payer
    tokens: tuple[str, ...]
    at: At
    answer: Json
    """The broker's, to the first question."""


def _parting() -> tuple[str, ...]:
    return tuple(name for name in names() if registry.by_name(name).purse.parts)


@cache
def _bearing(scheme: str) -> Bearing:
    stage = opened(Play(scheme, SEED))
    giver, payer = stage.payer, stage.admit("finder", 0)
    tokens = tuple(
        giver.run_alone(bearing.send(giver.guide(), giver.store.file, giver.bank.id, micro)).token
        for micro in PARTS_MICRO
    )
    at = At(now_s=stage.room.now_s, entropy=stage.room.entropy(ENTROPY_BYTES), serials=(1,))
    borne, purse = _read_token(payer, tokens[0])
    asked = purse.claim(borne.value, at)
    answer = stage.bank.operate(scheme, asked.operation, asked.message, payer.id, "fuzz")
    return Bearing(payer, tokens, at, msgspec.json.decode(answer)["answer"])


def _read_token(payer: Payer, token: str) -> tuple[bearing.Borne, Purse]:
    guide = payer.guide()
    borne = bearing.read(token, guide.brokers)
    return borne, guide.purse(borne.scheme, borne.broker.id)


def _in_tokens(scheme: str) -> tuple[bytes, ...]:
    """What is in the text where the wallet has written that, else the text of the scheme's own."""
    tokens = _bearing(scheme).tokens
    if registry.by_name(scheme).purse.bearer_prefixes:
        return tuple(token.encode() for token in tokens)
    return tuple(codec.unb64u(token.removeprefix(bearing.TOKEN_PREFIX)) for token in tokens)


def _claiming(scheme: str) -> Any:
    """As `bearing.claim` does, until the broker would be asked to exchange what is in a token."""
    has_texts = bool(registry.by_name(scheme).purse.bearer_prefixes)

    def read(raw: bytes) -> Any:
        heard = _bearing(scheme)
        token = text(raw) if has_texts else bearing.TOKEN_PREFIX + codec.b64u(raw)
        borne, purse = _read_token(heard.payer, token)
        asked = purse.claim(borne.value, heard.at)
        return purse.receive(asked, heard.answer, heard.at)

    return read


def _tokens() -> tuple[bytes, ...]:
    return tuple(token.encode() for name in _parting() for token in _bearing(name).tokens)


def _admitted(raw: bytes) -> Any:
    """The broker behind a token, of which the wallet may not have heard."""
    payer = _bearing(_parting()[0]).payer
    return bearing.admit(payer.store.file, text(raw))


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
