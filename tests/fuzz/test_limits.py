"""Limits of what comes in: each holds at its value, is refused one beyond, and knows absence.

What bounds our own work (batches, loops, pauses) is no limit of an input, and is named at the end.
"""

import json
import re
from collections.abc import Callable
from typing import NamedTuple

import msgspec
import pytest

from farthing import cbor, codec, money, props
from farthing.broker import api, engine, operations, redeeming, web
from farthing.crypto import chain, sealing
from farthing.errors import Refusal
from farthing.rails import manual
from farthing.schemes import subscriptions
from farthing.schemes.coin.cashu import tokens
from farthing.vendor import asgi, bodies, cors
from farthing.wallet import address, choice, messages, vault
from farthing.wallet.commands import Response
from farthing.wire import heads, mpp, offers, paths, peers, sealed, shapes, x402, xcashu
from tests.fuzz.heard import fresh, names, said
from tests.fuzz.sites import OWN_FOLDERS, SOURCE
from tests.unit.wire.examples import OFFER

READ = "read"  # instead of a code: there is no refusal


class Limit(NamedTuple):
    """One named constant."""

    name: str
    value: int
    read: Callable[[int], object]
    """Reads something of this size, or this large."""
    code: str
    """Of the refusal one beyond; at its value there is none of this code."""
    absent: str
    """The code where there is nothing (size 0), or READ."""


def claims(count: int) -> object:
    stage = fresh(names()[0])
    return stage.bank.redeem(stage.scheme, [{}] * count, stage.shop.id)


def revoked(size: int) -> object:
    bank = fresh(names()[0]).bank
    return bank.room.wait_for(bank.engine.operations.revoke("payword", "x" * size, "limit"))


def offered(**fields: str) -> object:
    return shapes.require_short(  # type: ignore[func-returns-value]  # - None is as good as any
        msgspec.structs.replace(OFFER, **fields)
    )


def answered(size: int) -> object:
    """An answer whose headers have this size, the separators counted."""
    headers = (("x", "x" * (size - 5)),) if size else ()
    return choice.read_offers(Response(status=402, url="", headers=headers, body=b""), 0)


def lock(**cost: int) -> object:
    made = vault.create("a passphrase", vault.Cost(memory_kib=64, iterations=1, lanes=1))[0]
    value = msgspec.to_builtins(made)
    value["cost"] |= cost
    return vault.read_lock(msgspec.json.encode(value))


def token(size: int) -> object:
    """A token for another wallet, with room behind it."""
    text = (address.TOKEN_PREFIX + "A" * 96).ljust(size) if size else ""
    return address.unseal(vault.Vault(bytes(32)), text)


def private(count: int, size: int = 1) -> object:
    headers = tuple(("accept", "x" * size) for _ in range(count))
    value = {"method": "GET", "pathQuery": "/", "headers": headers}
    return sealed.read_request(codec.canonical(value))


def headed(size: int) -> object:
    """A request whose path and headers have this size together."""
    value = {"method": "GET", "pathQuery": "/", "headers": [("cookie", "x" * max(0, size - 7))]}
    raw = codec.canonical(value) if size else codec.canonical({**value, "headers": []})
    return sealed.read_request(raw)


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def json_of(value: object) -> object:
    return codec.read_json(json.dumps(value).encode())


def transferred(size: int) -> object:
    return engine.Transfer(id="0" * 32, to="vendor/news", amount_micro=1, ref="x" * size)


def challenged(size: int) -> object:
    """The first honest challenge with a description that makes it so long; left out means none."""
    [line, *_] = [raw.decode() for raw in said("offer") if raw.startswith(b"Payment ")]
    plain = line.removeprefix("Payment ")
    used = sum(len(part) for part in re.split(r'="|", |"$', plain))
    grown = f'{line}, description="{"x" * (size - used - len("description"))}"' if size else ""
    found = mpp.read_challenges([grown])
    if size and not found:
        raise Refusal("left_out")
    return found


LIMITS = [
    Limit(
        "CREDENTIAL_BYTES_MAX",
        offers.CREDENTIAL_BYTES_MAX,
        lambda n: mpp.claimed("A" * n),
        "too_large",
        "credential_malformed",
    ),
    Limit(
        "CREDENTIAL_BYTES_MAX",
        offers.CREDENTIAL_BYTES_MAX,
        lambda n: x402.read_payment("A" * n),
        "too_large",
        "credential_malformed",
    ),
    Limit(
        "CREDENTIAL_BYTES_MAX",
        offers.CREDENTIAL_BYTES_MAX,
        lambda n: xcashu.read_token("cashuB".ljust(n, "A")[:n]),
        "too_large",
        "credential_malformed",
    ),
    Limit(
        "RECEIPT_BYTES_MAX",
        mpp.RECEIPT_BYTES_MAX,
        lambda n: mpp.read_receipt("A" * n),
        "too_large",
        "json_malformed",
    ),
    Limit(
        "HEADER_BYTES_MAX",
        x402.HEADER_BYTES_MAX,
        lambda n: x402.read_header("A" * n),
        "too_large",
        "json_malformed",
    ),
    Limit("CHALLENGE_BYTES_MAX", mpp.CHALLENGE_BYTES_MAX, challenged, "left_out", READ),
    Limit(
        "HEADERS_BYTES_MAX", messages.HEADERS_BYTES_MAX, answered, "answer_headers_too_large", READ
    ),
    Limit(
        "ENVELOPE_BYTES_MAX",
        sealed.ENVELOPE_BYTES_MAX,
        lambda n: sealed.read_envelope(b"x" * n),
        "private_message_too_large",
        "payload_malformed",
    ),
    Limit("TOKEN_CHARS_MAX", address.TOKEN_CHARS_MAX, token, "token_malformed", "token_malformed"),
    Limit(
        "OWNER_BYTES_MAX",
        sealed.OWNER_BYTES_MAX,
        lambda n: sealed.read_envelope(sealed.write_envelope(bytes(n), b"")),
        "payer_malformed",
        "payer_malformed",
    ),
    Limit("HEADERS_MAX", sealed.HEADERS_MAX, private, "private_headers_too_large", READ),
    Limit("HEADERS_BYTES_MAX", sealed.HEADERS_BYTES_MAX, headed, "private_headers_too_large", READ),
    Limit(
        "MESSAGE_BYTES_MAX",
        sealing.MESSAGE_BYTES_MAX - 4,
        lambda n: sealing.pad(bytes(n)),
        "private_message_too_large",
        READ,
    ),
    Limit(
        "JSON_DEPTH_MAX",
        codec.JSON_DEPTH_MAX,
        lambda n: codec.read_json(nested(n)),
        "json_too_deep",
        "json_malformed",
    ),
    Limit(
        "JSON_MEMBERS_MAX",
        codec.JSON_MEMBERS_MAX,
        lambda n: json_of([0] * n),
        "json_too_many_members",
        READ,
    ),
    Limit(
        "JSON_MEMBERS_MAX",
        codec.JSON_MEMBERS_MAX,
        lambda n: json_of(dict.fromkeys(map(str, range(n)), 0)),
        "json_too_many_members",
        READ,
    ),
    Limit(
        "JSON_STRING_MAX",
        codec.JSON_STRING_MAX,
        lambda n: json_of("x" * n),
        "json_string_too_long",
        READ,
    ),
    Limit("JSON_INT_MAX", codec.JSON_INT_MAX, json_of, "json_integer_out_of_range", READ),
    Limit(
        "PAYMENT_MICRO_MAX",
        money.PAYMENT_MICRO_MAX,
        money.require_micro,
        "amount_out_of_range",
        READ,
    ),
    Limit(
        "ACCOUNT_MICRO_MAX",
        money.ACCOUNT_MICRO_MAX,
        lambda n: money.parse_amount(f"{n}u"),
        "amount_out_of_range",
        READ,
    ),
    Limit(
        "JSON_INT_MAX",
        codec.JSON_INT_MAX,
        lambda n: money.from_wire(str(n)),
        "amount_out_of_range",
        READ,
    ),
    Limit(
        "BYTES_MAX",
        props.BYTES_MAX,
        lambda n: props.read("a=" + "x" * (n - 2) if n else ""),
        "props_malformed",
        READ,
    ),
    Limit(
        "REFERENCE_BYTES_MAX",
        manual.REFERENCE_BYTES_MAX,
        lambda n: manual.require_reference("x" * n),
        "reference_malformed",
        "reference_malformed",
    ),
    Limit(
        "DESTINATION_BYTES_MAX",
        manual.DESTINATION_BYTES_MAX,
        lambda n: manual.require_destination("x" * n),
        "destination_malformed",
        "destination_malformed",
    ),
    Limit(
        "DESCRIPTION_BYTES_MAX",
        shapes.DESCRIPTION_BYTES_MAX,
        lambda n: offered(description="x" * n),
        "description_too_long",
        READ,
    ),
    Limit(
        "EXTERNAL_ID_BYTES_MAX",
        shapes.EXTERNAL_ID_BYTES_MAX,
        lambda n: offered(external_id="x" * n),
        "external_id_too_long",
        READ,
    ),
    Limit(
        "KEY_CHARS_MAX",
        web.KEY_CHARS_MAX,
        lambda n: web.key_of("x" * n),
        "idempotency_key_malformed",
        "idempotency_key_missing",
    ),
    Limit("REF_CHARS_MAX", engine.REF_CHARS_MAX, transferred, "ref_malformed", READ),
    Limit("CLAIMS_MAX", redeeming.CLAIMS_MAX, claims, "batch_too_large", "batch_too_large"),
    Limit(
        "LISTED_CHARS_MAX", operations.LISTED_CHARS_MAX, revoked, "name_malformed", "name_malformed"
    ),
    Limit(
        "GLOB_CHARS_MAX",
        paths.GLOB_CHARS_MAX,
        lambda n: paths.glob("/" * n),
        "glob_too_long",
        READ,
    ),
    Limit(
        "WIDE_MAX", paths.WIDE_MAX, lambda n: paths.glob("/" + "a/**/" * n), "glob_too_wide", READ
    ),
    Limit(
        "STARS_MAX", paths.STARS_MAX, lambda n: paths.glob("/" + "a*" * n), "glob_too_wide", READ
    ),
    Limit(
        "DAYS_MAX",
        subscriptions.DAYS_MAX,
        lambda n: subscriptions.Plan(plan="a", days=n),
        "plan_days_out_of_range",
        "plan_days_out_of_range",
    ),
    Limit(
        "ORIGINS_MAX",
        cors.ORIGINS_MAX,
        lambda n: cors.Cors(["*"] * n),
        "cors_origins_too_many",
        READ,
    ),
    Limit(
        "PROXIES_MAX",
        peers.PROXIES_MAX,
        lambda n: peers.Peers(["10.0.0.1"] * n),
        "trusted_proxies_too_many",
        READ,
    ),
    Limit(
        "ITERATIONS_MAX",
        vault.ITERATIONS_MAX,
        lambda n: lock(iterations=n),
        "wallet_cost_out_of_range",
        "wallet_cost_out_of_range",
    ),
    Limit(
        "LANES_MAX",
        vault.LANES_MAX,
        lambda n: lock(lanes=n, memory_kib=1024),
        "wallet_cost_out_of_range",
        "wallet_cost_out_of_range",
    ),
    Limit(
        "MEMORY_KIB_MAX",
        vault.MEMORY_KIB_MAX,
        lambda n: lock(memory_kib=n),
        "wallet_cost_out_of_range",
        "wallet_cost_out_of_range",
    ),
]


OWN_WORK = {
    "ASKED_MAX", "BATCH_ITEMS_MAX", "BATCH_MAX", "BUSY_POLLS_MAX",
    "CONNECTIONS_MAX", "COUNT_MAX", "CURVE_TRIES_MAX", "KEYS_MAX", "LIVE_MAX", "LOOK_S_MAX",
    "MEANS_TURNS_MAX", "NONCE_TRIES_MAX", "PAGES_MAX", "PAYMENTS_MAX", "PAYMENT_BYTES_MAX",
    "SEARCHED_MAX", "STALE_TRIES_MAX",
}  # fmt: skip  # - names only
"""Constants that bound what we do ourselves: turns, pauses, batches, connections, keys."""
ELSEWHERE = {
    "HOPS_MAX": "longer lists are read from their end, and refused never",
    "LARGER_MAX": "held by the conformance of answers that were changed",
    "LENGTH_DIGITS_MAX": "a length with more digits counts as too large, or as none",
    "OFFERS_MAX": "more are left out, and refused never",
    "OPAQUE_BYTES_MAX": "a challenge over it is left out, as one over CHALLENGE_BYTES_MAX is",
    "PLANS_MAX": "held by the price file's own tests",
    "PREFIX_ROWS_MAX": "bounds what a decision reads; no scheme comes near it",
    "RETRY_AFTER_S_MAX": "a longer wait is shortened, and refused never",
    "BRACKETS_MAX": "held by the kept inputs of auditing.entries.read",
}


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: f"{limit.name}-{limit.code}")
def test_a_limit_holds_at_its_value_and_not_one_beyond_and_knows_absence(limit: Limit) -> None:
    assert code_of(limit, limit.value) != limit.code
    assert code_of(limit, limit.value + 1) == limit.code
    assert code_of(limit, 0) == limit.absent


def test_limits_that_the_documentation_promises_are_what_it_says() -> None:
    kib, mib = 1024, 1024 * 1024
    assert (32 * kib, 100) == (heads.HEADERS_BYTES_MAX, heads.HEADERS_MAX)
    assert (16 * kib, mib) == (offers.CREDENTIAL_BYTES_MAX, tokens.TOKEN_CHARS_MAX)
    assert (mib, mib) == (bodies.BOUND_BYTES_MAX, asgi.BUFFER_BYTES_MAX)
    assert (sealed.ENVELOPE_BYTES_MAX // mib, sealing.MESSAGE_BYTES_MAX) == (1, mib)
    assert (8, 64, 4 * kib) == (codec.JSON_DEPTH_MAX, codec.JSON_MEMBERS_MAX, codec.JSON_STRING_MAX)
    assert (cbor.CBOR_DEPTH_MAX, cbor.CBOR_ITEMS_MAX) == (8, 4_096)
    assert (codec.JSON_INT_MAX, money.PAYMENT_MICRO_MAX) == (2**53 - 1, 10**9)
    assert (money.ACCOUNT_MICRO_MAX, chain.LENGTH_MAX) == (10**15, 100_000)
    assert (10_000, 8 * mib) == (redeeming.CLAIMS_MAX, api.BATCH_BYTES_MAX)
    assert (shapes.EXTERNAL_ID_BYTES_MAX, shapes.DESCRIPTION_BYTES_MAX) == (128, 256)


def code_of(limit: Limit, size: int) -> str:
    try:
        limit.read(size)
    except Refusal as refusal:
        return refusal.code
    return READ


def test_every_limit_is_tried_here_or_by_a_test_that_names_it() -> None:
    named = {limit.name for limit in LIMITS} | OWN_WORK | set(ELSEWHERE)
    for path in (SOURCE.parents[1] / "tests").rglob("test_*.py"):
        named.update(re.findall(r"\b[A-Z][A-Z0-9_]*_MAX\b", path.read_text()))
    assert not constants() - named


def constants() -> set[str]:
    found: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        if path.relative_to(SOURCE).parts[0] not in OWN_FOLDERS:
            found |= set(re.findall(r"^([A-Z][A-Z0-9_]*_MAX)\b *=", path.read_text(), re.MULTILINE))
    return found
