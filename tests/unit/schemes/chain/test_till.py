import pytest

from farthing.errors import Unsupported
from farthing.schemes.chain.till import ChainTill
from farthing.schemes.contract import Charged
from tests.kit.bare import TRAITS
from tests.kit.parties import Ring, setting_of

CHARGED = Charged(reference="x:1", payer="p", value_micro=100, kept=b"")


class Bare(ChainTill):
    """With traits only."""

    traits = TRAITS


def test_a_word_that_is_out_is_not_given_back() -> None:
    with pytest.raises(Unsupported, match="a chain only goes forward"):
        Bare(setting_of(Ring())).refund_series(CHARGED)
