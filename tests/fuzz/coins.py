"""Parsers of what Cashu's wallets send: CBOR, tokens, payment requests, locks, messages."""

import hashlib

import msgspec

from farthing import cbor
from farthing.broker.cashu import terms
from farthing.marks import Memory
from farthing.schemes.coin.blind.checking import records_of
from farthing.schemes.coin.cashu import (
    conditions,
    messages,
    payment_request,
    tokens,
    transactions,
)
from farthing.schemes.coin.cashu.messages import Spend
from farthing.schemes.coin.cashu.tokens import Token
from farthing.schemes.coin.cashu.transactions import KeysetsOf
from tests.fuzz.doors import called
from tests.fuzz.parser import Parser, given, text
from tests.kit import cashu
from tests.kit.nuts import vectors

PREIMAGE = "11" * 32
KEYS = cashu.mint_keys()
KEYSETS = KeysetsOf([KEYS])


def parsers() -> list[Parser]:
    """Their rows."""
    raws = [bytes.fromhex(vector["raw_hex"]) for vector in vectors("nut00", "token_v4_raw")]
    old = vectors("nut00", "token_v3_serialize")
    digest = hashlib.sha256(bytes.fromhex(PREIMAGE)).hexdigest()
    locks = [
        cashu.lock("P2PK", cashu.public("alice"), pubkeys=[cashu.public("bob")], n_sigs="2"),
        cashu.lock("HTLC", digest, locktime="1", refund=[cashu.public("carol")]),
        cashu.lock("P2PK", cashu.public("alice"), sigflag="SIG_ALL"),
    ]
    return [
        Parser("cbor.read", cbor.read, given(*(raw[5:] for raw in raws)), write=cbor.write),
        Parser(
            "cashu.tokens.read",
            lambda raw: tokens.read(text(raw)),
            given(tokens.write(_token()), *(one["serialized"] for one in old)),
            write=lambda token: tokens.write(token).encode(),
        ),
        Parser("cashu.tokens.read_raw", tokens.read_raw, given(*raws)),
        Parser(
            "cashu.payment_request.read",
            lambda raw: payment_request.read(text(raw)),
            given(*(vector["encoded"] for vector in vectors("nut18", "payment_request"))),
            write=lambda request: payment_request.write(request).encode(),
        ),
        Parser(
            "cashu.conditions.lock_of",
            lambda raw: conditions.lock_of(raw.decode(errors="replace")),  # JSON has no surrogates
            given(*locks),
        ),
        Parser(
            "cashu.terms.read_quote",
            lambda raw: terms.read_quote(text(raw)),
            given(*(quote.text for quote in _quotes())),
            write=lambda quote: quote.text.encode(),
        ),
        Parser(
            "cashu.terms.read_name",
            lambda raw: terms.read_name(text(raw)),
            given(*(quote.named.text for quote in _quotes())),
            write=lambda named: named.text.encode(),
        ),
        Parser(
            "cashu.terms.read_payout_quote",
            lambda raw: terms.read_payout_quote(text(raw)),
            given(_payout_quote().text),
            write=lambda quote: quote.text.encode(),
        ),
        Parser("cashu.transactions", _swap, given(*map(_spend, ["plain", *locks]))),
        *_doors(),
    ]


def _quotes() -> list[terms.Quote]:
    return [
        terms.make(
            bytes(32),
            "eur",
            nonce=bytes(terms.NONCE_BYTES),
            amount=529,
            expires_at_s=1_800_000_000,
            pubkey=pubkey,
        )
        for pubkey in (b"", bytes.fromhex(cashu.public("alice")))
    ]


def _payout_quote() -> terms.PayoutQuote:
    nonce, payment_hash = bytes(terms.NONCE_BYTES), bytes(terms.HASH_BYTES)
    bare = terms.PayoutQuote(nonce=nonce, payment_hash=payment_hash, expires_at_s=1_800_000_000)
    return bare.made(bytes(32), "eur")


def _token() -> Token:
    made = cashu.blanks(KEYS.id, 5)
    proofs = cashu.coins(made, [cashu.sign(KEYS, one.output) for one in made], KEYS.public.keys)
    return Token(mint="http://mint.example", unit="eur", proofs=proofs, memo="hello")


def _spend(secret: str) -> bytes:
    """A coin with this lock, unlocked, for two others."""
    made = [cashu.blank(KEYS.id, 4, secret)]
    (proof,) = cashu.coins(made, [cashu.sign(KEYS, made[0].output)], KEYS.public.keys)
    signed = cashu.unlocked(proof, "alice", "bob", preimage=PREIMAGE)
    outputs = tuple(one.output for one in cashu.blanks(KEYS.id, 3))
    if "SIG_ALL" in secret:
        message = secret + proof.C + "".join(f"{one.amount}{one.B_}" for one in outputs)
        signed = cashu.unlocked(proof, "alice", message=message)
    return msgspec.json.encode(Spend(inputs=(signed,), outputs=outputs))


def _swap(raw: bytes) -> object:
    spend = messages.read(raw, Spend)
    spent = transactions.verify_inputs(KEYSETS, spend.inputs, spend.outputs, 0)
    made = transactions.sign_outputs(KEYSETS, spend.outputs)
    records = records_of("cashu", Memory(), spent.coins, made.outputs)
    memory = Memory(records={record.key: record.value for record in records})
    assert [transactions.found(one, memory) for one in spend.outputs] == list(made.signatures)
    return spent


def _doors() -> list[Parser]:
    """The mint's own routes, at a broker; what they answer is read, whatever they are sent."""
    output = cashu.blank(KEYS.id, 1).output
    bodies: dict[str, list[object]] = {
        "mint/quote/bolt11": [
            {"amount": 8, "unit": "eur"},
            {"amount": 8, "unit": "eur", "pubkey": cashu.public("alice")},
        ],
        "mint/bolt11": [{"quote": "none", "outputs": [output]}],
        "swap": [msgspec.Raw(_spend("plain"))],
        "melt/quote/bolt11": [{"request": "lnbcrt10n1" + "q" * 90, "unit": "eur"}],
        "melt/bolt11": [{"quote": "none", "inputs": [], "outputs": [output]}],
        "checkstate": [{"Ys": [cashu.public("any")]}],
        "restore": [{"outputs": [output]}],
    }
    doors = [
        Parser(
            f"cashu.door.{path.replace('/', '-')}",
            called(f"cashu/eur/v1/{path}", "payer"),
            given(*map(msgspec.json.encode, honest)),
        )
        for path, honest in bodies.items()
    ]
    return [
        *doors,
        Parser("cashu.door.payouts", called("cashu/eur/payouts", "payer"), given(b'{"amount":8}')),
    ]
