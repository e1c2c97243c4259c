"""Parsers of what Cashu's wallets send: CBOR, tokens, payment requests, locks, messages."""

import hashlib
import json

import msgspec

from farthing import cbor
from farthing.schemes.coin.cashu import conditions, messages, payment_request, tokens
from farthing.schemes.coin.cashu.messages import Proof, Spend
from farthing.schemes.coin.cashu.tokens import Token
from tests.fuzz.parser import Parser, given, text
from tests.kit import cashu
from tests.kit.nuts import vectors

PREIMAGE = "11" * 32


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
        Parser("cashu.messages.read", _unlock, given(*map(_spend, locks))),
    ]


def _token() -> Token:
    keys = cashu.mint_keys()
    made = cashu.blanks(keys.id, 5)
    proofs = cashu.coins(made, [cashu.sign(keys, one.output) for one in made], keys.public.keys)
    return Token(mint="http://mint.example", unit="eur", proofs=proofs, memo="hello")


def _spend(secret: str) -> bytes:
    proof = Proof(amount=1, id="00", secret=secret, C=cashu.public("any"))
    signed = cashu.unlocked(proof, "alice", "bob", preimage=PREIMAGE)
    outputs = tuple(one.output for one in cashu.blanks("00", 3))
    if "SIG_ALL" in secret:
        message = secret + proof.C + "".join(f"{one.amount}{one.B_}" for one in outputs)
        signed = cashu.unlocked(proof, "alice", message=message)
    return msgspec.json.encode(Spend(inputs=(signed,), outputs=outputs))


def _unlock(raw: bytes) -> object:
    spend = messages.read(raw, Spend)
    conditions.require_unlocked(spend.inputs, spend.outputs, 0)
    return json.loads(raw)
