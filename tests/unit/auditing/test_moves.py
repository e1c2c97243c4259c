"""Which ways money goes, kind by kind and scheme by scheme."""

import pytest

from farthing.auditing import moves
from farthing.auditing.books import CHART
from farthing.schemes import registry
from farthing.schemes.chain.words.closing import WordVendorMint

SCHEMES = {scheme.traits.name for scheme in registry.all_schemes()}


def is_way(scheme: str, kind: str, debits: set[str], credited: set[str]) -> bool:
    return moves.is_way(scheme, kind, frozenset(debits), frozenset(credited))


def test_every_scheme_has_its_ways_and_no_other_scheme_has() -> None:
    assert moves.SCHEMES.keys() == SCHEMES


def test_every_way_is_of_a_kind_and_between_accounts_that_there_are() -> None:
    for table in (moves.PLAIN, moves.ANY, *moves.SCHEMES.values()):
        for kind, ways in table.items():
            assert moves.is_known(kind)
            for debits, credited in ways:
                assert debits | credited <= CHART.keys()
    assert not moves.is_known("refund")
    assert not moves.PLAIN.keys() & moves.ANY.keys()


def test_an_entry_goes_one_way_of_its_kind_and_no_two_at_once() -> None:
    stick = {"liability/payer"}, {"liability/vendor", "liability/outstanding"}
    assert is_way("ikp", "redeem", *stick)
    assert not is_way("payword", "redeem", *stick)
    both = {"liability/payer", "liability/outstanding"}, {"liability/vendor"}
    assert not is_way("ikp", "redeem", *both)


def test_a_claim_that_closes_pays_vendor_and_payer_of_what_lay_ready() -> None:
    closing = {"liability/outstanding"}, {"liability/vendor", "liability/payer", "asset/credit"}
    for scheme in SCHEMES:
        mint = registry.by_name(scheme).vendor_mint
        is_closed = mint is not None and issubclass(mint, WordVendorMint)
        assert is_way(scheme, "redeem", *closing) is is_closed


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
def test_a_void_gives_back_and_takes_nothing_but_a_hold(scheme: str) -> None:
    ways = moves.SCHEMES[scheme]
    assert all(debits == {"liability/hold"} for debits, _ in ways["void"])
    backs = {back for _, back in ways["void"]}
    assert backs == {taken for taken, _ in ways["reserve"]}


def test_only_what_was_bought_ahead_is_granted_and_nothing_is_found() -> None:
    shelf, vendor = {"asset/stock"}, {"liability/vendor"}
    for scheme in ("millicent", "somebodys-own"):
        assert is_way(scheme, "grant", shelf, vendor)
        for source in ("liability/payer", "liability/outstanding"):
            assert not is_way(scheme, "grant", {source}, vendor)
            assert not is_way(scheme, "found", {source}, vendor)
    assert not is_way("cashu", "grant", shelf, vendor)


def test_marks_alone_may_be_of_any_kind() -> None:
    assert is_way("ecash", "redeem", set(), set())
    assert not is_way("ecash", "redeem", {"asset/bank"}, set())
    assert not is_way("ecash", "redeem", set(), {"asset/bank"})
