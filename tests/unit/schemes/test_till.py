"""A till that declares nothing."""

from typing import Any

import pytest

from farthing.errors import Refusal
from farthing.marks import NO_KEYS
from farthing.schemes.contract import At
from tests.kit.bare import BARE
from tests.kit.parties import Ring, setting_of

TILL: Any = BARE.till(setting_of(Ring()))
AT, ANY = At(now_s=1), None


@pytest.mark.parametrize(
    ("attempt", "code"),
    [
        (lambda: TILL.seal(ANY, b"", AT), "seal_unsupported"),
        (lambda: TILL.refund_series(ANY), "refund_unsupported"),
        (lambda: TILL.verify_owner(b"", b"", ""), "outcome_proof_wrong"),
        (lambda: TILL.waive(ANY), "waiver_unsupported"),
        (lambda: TILL.disclosing(ANY), "disclosure_unsupported"),
        (lambda: TILL.disclose(ANY), "disclosure_unsupported"),
        (lambda: TILL.unseal(b"", b""), "private_unsupported"),
        (lambda: TILL.seal_answer(b"", b"", b"", AT), "private_unsupported"),
        (lambda: TILL.answer({}, ANY, AT), "challenge_unsupported"),
    ],
)
def test_what_a_till_does_not_declare_it_refuses(attempt: Any, code: str) -> None:
    with pytest.raises(Refusal) as caught:
        attempt()
    assert caught.value.code == code


def test_what_a_till_does_not_declare_is_nothing() -> None:
    assert (TILL.own_k(ANY), TILL.stream_of(ANY), TILL.series(ANY)) == ("", "", "")
    assert (TILL.recall(ANY), TILL.archive(()), TILL.evidence({})) == (NO_KEYS, NO_KEYS, NO_KEYS)
