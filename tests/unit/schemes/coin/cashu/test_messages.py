import json

import pytest

from farthing.errors import Malformed, OutOfRange, Refusal, TooLarge
from farthing.schemes.coin.cashu import messages
from farthing.schemes.coin.cashu.messages import Output, Proof, Witness
from tests.kit import cashu

OUTPUT = {"amount": 8, "id": "00aa", "B_": cashu.public("any")}
PROOF = {"amount": 8, "id": "00aa", "secret": "s", "C": cashu.public("any")}


def read(kind: type, value: object) -> object:
    return messages.read(json.dumps(value).encode(), kind)


def test_unknown_members_pass() -> None:
    found = read(Output, OUTPUT | {"p2pk_e": "x"})
    assert found == Output(amount=8, id="00aa", B_=cashu.public("any"))


@pytest.mark.parametrize(
    "amount", [-1, 2**53, 2**63, 2**64, 1.0, 1.5, 1e3, "8", True, None, [8], {"a": 8}]
)
def test_an_amount_that_is_no_number_of_ours_is_refused(amount: object) -> None:
    for kind, value in ((Output, OUTPUT), (Proof, PROOF)):
        with pytest.raises(Malformed, match="payload_malformed"):
            read(kind, value | {"amount": amount})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", "GG"),
        ("id", "0" * (messages.KEYSET_ID_CHARS_MAX + 1)),
        ("B_", "02"),
        ("B_", cashu.public("any").upper()),
        ("B_", cashu.public("any") + "\n"),
        ("id", "00aa\n"),
        ("B_", 2),
    ],
)
def test_a_name_or_point_in_another_spelling_is_refused(name: str, value: object) -> None:
    with pytest.raises(Malformed, match="payload_malformed"):
        read(Output, OUTPUT | {name: value})


def test_secrets_and_witnesses_have_limits() -> None:
    longest = "s" * messages.SECRET_CHARS_MAX
    assert isinstance(read(Proof, PROOF | {"secret": longest}), Proof)
    refused: list[dict[str, str]] = [
        {"secret": longest + "s"},
        {"secret": ""},
        {"witness": "w" * (messages.WITNESS_CHARS_MAX + 1)},
    ]
    for wrong in refused:
        with pytest.raises(OutOfRange):
            read(Proof, PROOF | wrong)


def test_a_witness_is_text_or_an_object() -> None:
    found = read(Proof, PROOF | {"witness": {"signatures": ["aa"]}})
    assert isinstance(found, Proof)
    assert found.witness == Witness(signatures=("aa",))


def test_a_transaction_has_a_thousand_coins() -> None:
    messages.require_few([0] * messages.INPUTS_MAX, [0] * messages.INPUTS_MAX)
    with pytest.raises(TooLarge, match="inputs_too_many"):
        messages.require_few([0] * (messages.INPUTS_MAX + 1), [])
    with pytest.raises(TooLarge, match="outputs_too_many"):
        messages.require_few([], [0] * (messages.INPUTS_MAX + 1))


def test_no_secret_is_shown() -> None:
    assert "CANARY" not in repr(Proof(amount=1, id="00", secret="CANARY", C=cashu.public("any")))


@pytest.mark.parametrize("raw", [b"", b"{", b"[" * 1_000_000, b"null", b"\xff", b'{"inputs":[]}'])
def test_rubbish_is_malformed(raw: bytes) -> None:
    with pytest.raises(Refusal):
        messages.read(raw, messages.Spend)
