"""Makes `wire-mpp.json` beside it: `python -m tests.vectors.wire_mpp` writes the file anew.

The worked example and its ids are the wire format's own; the refusals are its section 7.
"""

import json
from pathlib import Path
from typing import Any

import msgspec

from farthing import codec
from farthing.wire import mpp
from tests.unit.wire.examples import KEY, NONCE, OFFER, OLD_KEY, PAYLOAD, TENDER

FILE = Path(__file__).with_name("wire-mpp.json")


def built() -> dict[str, Any]:
    """The whole file, as JSON values."""
    return {
        "source": "the project's wire format, section 16 (challenge ids also of pympp 0.16.0)",
        "note": "keys are ASCII; a token is what follows 'Payment '; realm and target are what "
        "the gate expects",
        "keys": [KEY.secret.decode(), OLD_KEY.secret.decode()],
        "realm": TENDER.realm,
        "target": TENDER.target,
        "vectors": [*_challenges(), *_taken(), *_refused()],
    }


def _challenges() -> list[dict[str, Any]]:
    digest = bytes(range(32))
    vectors = []
    for name, use_header, body_digest in (
        ("worked example", False, b""),
        ("worked example in Payment-Authorization", True, b""),
        ("worked example with a body", False, digest),
    ):
        tender = msgspec.structs.replace(TENDER, body_digest=body_digest)
        header = mpp.challenge(tender, OFFER, key=KEY, nonce=NONCE, use_header=use_header)
        vectors.append(
            {
                "kind": "challenge",
                "name": name,
                "nonce": codec.b64u(NONCE),
                "useHeader": use_header,
                "bodyDigest": body_digest.hex(),
                "expiresAtS": tender.expires_at_s,
                "request": _request(header),
                "id": mpp.challenge_id(header),
                "header": header,
            }
        )
    return vectors


def _request(header: str) -> Any:
    [received] = mpp.read_challenges([header])
    return json.loads(codec.unb64u(received.echo["request"]))


def _token(message: object) -> str:
    return codec.b64u(codec.canonical(message))


def _message(*, key: Any = KEY, use_header: bool = False, **changed: str) -> dict[str, Any]:
    tender = msgspec.structs.replace(TENDER, **changed)
    header = mpp.challenge(tender, OFFER, key=key, nonce=NONCE, use_header=use_header)
    [received] = mpp.read_challenges([header])
    return {"challenge": dict(received.echo), "payload": PAYLOAD}


def _taken() -> list[dict[str, Any]]:
    sourced = {**_message(), "source": "did:key:z6Mk"}
    return [
        {"kind": "taken", "name": name, "in": where, "token": _token(message)}
        for name, where, message in (
            ("worked example", "authorization", _message()),
            ("in the other header", "payment-authorization", _message(use_header=True)),
            ("under the key before", "authorization", _message(key=OLD_KEY)),
            ("with a source", "authorization", sourced),
        )
    ]


def _refused() -> list[dict[str, Any]]:
    good = _message()
    echo = good["challenge"]
    with_header = _message(use_header=True)
    bar = {**with_header["challenge"], "digest": "|Payment-Authorization"}
    del bar["header"]
    raw = codec.canonical(good)
    twice = raw.replace(b'"payload":', b'"payload":{},"payload":', 1)
    other_key = msgspec.structs.replace(KEY, secret=b"farthing-example-challenge-key-x")

    def changed(**members: str) -> str:
        return _token({**good, "challenge": {**echo, **members}})

    cases: list[tuple[str, str, str, str]] = [
        ("empty", "", "Malformed", "credential_malformed"),
        ("padded", _token(good) + "=", "Malformed", "credential_malformed"),
        ("standard base64", codec.b64(raw[:-1] + b"~?}"), "Malformed", "credential_malformed"),
        ("not JSON", codec.b64u(b"pay"), "Malformed", "credential_malformed"),
        ("not an object", codec.b64u(b"[]"), "Malformed", "credential_malformed"),
        ("no payload", _token({"challenge": echo}), "Malformed", "credential_malformed"),
        ("no challenge", _token({"payload": PAYLOAD}), "Malformed", "credential_malformed"),
        ("unknown member", _token({**good, "x": 1}), "Malformed", "credential_malformed"),
        ("member twice", codec.b64u(twice), "Malformed", "credential_malformed"),
        ("unknown intent", changed(intent="subscribe"), "Malformed", "credential_malformed"),
        ("other id", changed(id=echo["id"][::-1]), "Unsolicited", "challenge_unknown"),
        ("empty id", changed(id=""), "Unsolicited", "challenge_unknown"),
        ("other price", changed(request=_cheaper(echo)), "Unsolicited", "challenge_unknown"),
        ("other scheme", changed(method="millicent"), "Unsolicited", "challenge_unknown"),
        ("other intent", changed(intent="session"), "Unsolicited", "challenge_unknown"),
        ("later", changed(expires="2026-11-20T12:06:00Z"), "Unsolicited", "challenge_unknown"),
        ("digest added", changed(digest="sha-256=:AA==:"), "Unsolicited", "challenge_unknown"),
        ("slot with a bar", _token({**good, "challenge": bar}), "Unsolicited", "challenge_unknown"),
        ("key of another", _token(_message(key=other_key)), "Unsolicited", "challenge_unknown"),
        (
            "another site",
            _token(_message(realm="other.example")),
            "Unsolicited",
            "challenge_for_another_target",
        ),
        (
            "another page",
            _token(_message(target="GET /a/1")),
            "Unsolicited",
            "challenge_for_another_target",
        ),
        ("wrong header", _token(with_header), "BadRequest", "credential_in_other_header"),
        ("payload no object", _token({**good, "payload": []}), "Malformed", "json_not_object"),
        (
            "payload with a fraction",
            codec.b64u(raw.replace(b"100,42", b"100,42.0")),
            "Malformed",
            "json_number_not_integer",
        ),
    ]
    return [
        {
            "kind": "refused",
            "name": name,
            "in": "authorization",
            "token": token,
            "class": refusal,
            "code": code,
        }
        for name, token, refusal, code in cases
    ]


def _cheaper(echo: dict[str, str]) -> str:
    request = codec.unb64u(echo["request"]).replace(b'"amount":"200"', b'"amount":"100"')
    return codec.b64u(request)


if __name__ == "__main__":
    FILE.write_text(json.dumps(built(), indent=1) + "\n", encoding="utf-8")
