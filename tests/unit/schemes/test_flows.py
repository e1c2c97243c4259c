"""Ends are named by one fixed set of kinds, which the broker's table of accounts covers."""

from typing import get_args

import pytest

from farthing.broker.clearing import account_of
from farthing.schemes.flows import End, EndKind

SEVERAL = {"credit", "guarantee"}  # a balance, then credit, then what the broker bears


@pytest.mark.parametrize("kind", get_args(EndKind))
def test_every_kind_of_end_has_its_account(kind: EndKind) -> None:
    if kind in SEVERAL:
        with pytest.raises(AssertionError):
            account_of(End(kind=kind, id="x"), "scheme")
    else:
        assert "/" in account_of(End(kind=kind, id="x"), "scheme")
