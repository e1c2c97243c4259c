"""A mint that declares nothing."""

from typing import Any

import pytest

from farthing.errors import Refusal
from farthing.marks import NO_KEYS
from farthing.schemes.contract import At
from tests.kit.bare import BARE
from tests.kit.parties import Ring, setting_of

MINT: Any = BARE.mint(setting_of(Ring()))
AT, ANY = At(now_s=1), None


@pytest.mark.parametrize(
    ("attempt", "code"),
    [
        (lambda: MINT.check("issue", {}, ANY, AT), "operation_unsupported"),
        (lambda: MINT.resume(b"", {}, AT), "peer_unsupported"),
        (lambda: MINT.judge({}), "disclosure_unsupported"),
    ],
)
def test_what_a_mint_does_not_declare_it_refuses(attempt: Any, code: str) -> None:
    with pytest.raises(Refusal) as caught:
        attempt()
    assert caught.value.code == code


def test_what_a_mint_does_not_declare_is_nothing() -> None:
    assert (MINT.is_bearer("issue", {}), MINT.series(ANY), MINT.recall(ANY)) == (False, "", NO_KEYS)
