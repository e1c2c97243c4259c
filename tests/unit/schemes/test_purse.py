"""A purse that declares nothing."""

from typing import Any

import pytest

from farthing.errors import Refusal
from farthing.schemes.contract import At
from tests.kit.bare import BARE
from tests.kit.parties import Ring, setting_of

PURSE: Any = BARE.purse(setting_of(Ring()))
AT, ANY = At(now_s=1), None


@pytest.mark.parametrize(
    ("attempt", "code"),
    [
        (lambda: PURSE.learn(ANY, {}, AT), "status_unsupported"),
        (lambda: PURSE.seal_request(ANY, b"", AT), "private_unsupported"),
        (lambda: PURSE.unseal_answer(ANY, b"", b""), "private_unsupported"),
        (lambda: PURSE.give_back(ANY, AT), "take_back_unsupported"),
        (lambda: PURSE.accept_refund(ANY, {}), "refund_unsupported"),
        (lambda: PURSE.survey(), "reissue_unsupported"),
        (lambda: PURSE.reclaim({}), "reissue_unsupported"),
        (lambda: PURSE.disclose(ANY), "disclosure_unsupported"),
        (lambda: PURSE.share(ANY, 1, AT), "share_unsupported"),
        (lambda: PURSE.accept({}, b"", AT), "share_unsupported"),
    ],
)
def test_what_a_purse_does_not_declare_it_refuses(attempt: Any, code: str) -> None:
    with pytest.raises(Refusal) as caught:
        attempt()
    assert caught.value.code == code


def test_what_a_purse_does_not_declare_is_nothing() -> None:
    assert PURSE.give_way({}) is None
    assert (PURSE.means, PURSE.prove(ANY, b""), PURSE.receipt_key(ANY)) == ("", "", b"")
