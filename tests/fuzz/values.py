"""Parsers of single values: base64, JSON, amounts, properties, names, times."""

from typing import Any

from farthing import codec, ids, money, props
from farthing.rails import manual
from farthing.wallet import choice, policy
from farthing.wire import accept, authparams, objects, paths, shapes, timestamps
from tests.fuzz.parser import Parser, given, raw_of, text

NESTED = b'{"a":[1,2,{"b":"c"}],"d":{"e":true,"f":null},"g":"\xc3\xa9"}'
JSONS = (NESTED, b"[]", b'"text"', b"0", b"9007199254740991", b"true", b"[[[[[[[1]]]]]]]")
AMOUNTS = ("0.02c", "200u", "0.0002usd", "200u-eur", "1.25 EUR", "1000eur", "0.0001c")
EUROS = tuple(amount for amount in AMOUNTS if "usd" not in amount)


def parsers() -> list[Parser]:
    """Their rows."""
    return [*_encodings(), *_amounts(), *_names(), *_places()]


def _encodings() -> list[Parser]:
    return [
        Parser(
            "codec.unb64u",
            lambda raw: codec.unb64u(text(raw)),
            given("", "AA", "AAA", "AAAA", "_-8", "c29tZSB0ZXh0"),
            write=lambda value: codec.b64u(value).encode(),
            canonical=True,
        ),
        Parser(
            "codec.unb64",
            lambda raw: codec.unb64(text(raw)),
            given("", "AA==", "AAA=", "AAAA", "+/8=", "c29tZSB0ZXh0"),
            write=lambda value: codec.b64(value).encode(),
            canonical=True,
        ),
        Parser("codec.read_json", codec.read_json, given(*JSONS), write=codec.canonical),
        Parser(
            "codec.read_open",
            lambda raw: codec.read_open(raw, dict),
            given(NESTED, b'{"a":1.5e3,"b":-1}'),
        ),
        Parser(
            "wire.objects.read_object",
            objects.read_object,
            given(NESTED, b"{}"),
            write=lambda value: codec.canonical(value[0]),
        ),
    ]


def _amounts() -> list[Parser]:
    return [
        Parser(
            "money.parse_amount",
            lambda raw: money.parse_amount(text(raw)),
            given(*AMOUNTS),
            write=lambda amount: f"{amount.micro}u{_of(amount.currency)}".encode(),
        ),
        Parser("money.parse_micro", lambda raw: money.parse_micro(text(raw), "eur"), given(*EUROS)),
        Parser(
            "money.from_wire",
            lambda raw: money.from_wire(text(raw)),
            given("0", "200", "9007199254740991"),
            write=lambda micro: money.to_wire(micro).encode(),
            canonical=True,
        ),
        Parser(
            "money.require_currency",
            lambda raw: money.require_currency(text(raw)),
            given("eur", "usd"),
            write=raw_of,
            canonical=True,
        ),
        Parser(
            "wire.shapes.currency_of",
            lambda raw: shapes.currency_of(text(raw)),
            given("microeur", "MicroUSD"),
            write=lambda currency: money.asset_label(currency).encode(),
        ),
        Parser(
            "wallet.policy.read_limits",
            lambda raw: policy.read_limits(
                policy.Limits(), currency="eur", max_per_payment=text(raw), max_per_day=text(raw)
            ),
            given(*EUROS),
        ),
    ]


def _of(currency: str | None) -> str:
    return "" if currency is None else f"-{currency}"


def _names() -> list[Parser]:
    return [
        Parser(
            "props.read",
            lambda raw: props.read(text(raw)),
            given("", "age=18", "age=18;student=true"),
            write=lambda found: props.write(found).encode(),
            canonical=True,
        ),
        Parser(
            "ids.require_broker_id",
            lambda raw: ids.require_broker_id(text(raw)),
            given("broker", "broker-2_A"),
            write=raw_of,
            canonical=True,
        ),
        Parser(
            "wire.authparams.read_parts",
            lambda raw: authparams.read_parts(text(raw)),
            given(
                'Basic realm="a"',
                "Bearer abc, Payment def=",
                'Payment id="a\\"b", x=y,, Digest z=1',
            ),
        ),
        Parser(
            "wire.authparams.tokens_of",
            lambda raw: authparams.tokens_of("payment", text(raw)),
            given("Payment abc", "Bearer x, Payment abc=", 'Digest a="payment", Payment b'),
        ),
        Parser(
            "wire.accept.read_ranges",
            lambda raw: accept.read_ranges(text(raw)),
            given("millicent/charge", "*/charge;q=0.5, payword/*;q=1.0", "*/*"),
        ),
        Parser(
            "wire.timestamps.from_timestamp",
            lambda raw: timestamps.from_timestamp(text(raw)),
            given("2026-11-21T10:00:00Z", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
            write=lambda at_s: timestamps.to_timestamp(at_s).encode(),
            canonical=True,
        ),
        Parser(
            "wire.shapes.digest_of",
            lambda raw: shapes.digest_of(text(raw)),
            given("", f"sha-256=:{codec.b64(bytes(32))}:"),
            write=lambda digest: shapes.digest_text(digest).encode(),
            canonical=True,
        ),
    ]


def _places() -> list[Parser]:
    return [
        Parser("wire.paths.glob", _glob, given("/a/*", "/**", "/a?/[b]/**/c.html", "/x/*.*")),
        Parser(
            "rails.manual.require_destination",
            lambda raw: manual.require_destination(text(raw)),
            given("DE89370400440532013000", "An account at a bank"),
        ),
        Parser(
            "rails.manual.require_reference",
            lambda raw: manual.require_reference(text(raw)),
            given("RF18539007547034", "topup-1"),
        ),
        Parser(
            "wallet.choice.place_of",
            lambda raw: choice.place_of(text(raw)),
            given("https://news.example/a?b=c", "http://127.0.0.1:8402/", "https://[::1]:1/x"),
        ),
        Parser(
            "wallet.choice.site_of",
            lambda raw: choice.site_of(text(raw)),
            given("news.example", "127.0.0.1:8402", "[::1]"),
        ),
    ]


LONG_PATH = "/" + "/".join(["a", "ab", "abc.html", "x" * 60] * 12)


def _glob(raw: bytes) -> Any:
    """Compiled, and then tried on a long path: that is what a pattern can make slow."""
    pattern = paths.glob(text(raw))
    return pattern.fullmatch(LONG_PATH), pattern.fullmatch(LONG_PATH + "!")
