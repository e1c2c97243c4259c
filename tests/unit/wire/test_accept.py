import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.schemes import registry
from farthing.wire.accept import ACCEPT_BYTES_MAX, order, wanted
from tests.unit.wire.examples import OFFER

PAYWORD = OFFER
MILLICENT = msgspec.structs.replace(OFFER, scheme="millicent")
SESSION = msgspec.structs.replace(OFFER, intent="session")
ALL = (MILLICENT, PAYWORD, SESSION)


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("payword/charge", (PAYWORD,)),
        ("payword/charge, millicent/charge;q=0.5", (PAYWORD, MILLICENT)),
        ("millicent/charge;q=0.5 ,payword/charge ; q=0.9", (PAYWORD, MILLICENT)),
        ("*/session, payword/*;q=0.5", (PAYWORD, SESSION)),
        ("*/*", ALL),
        ("*/*;q=0.1, */session;q=0", (MILLICENT, PAYWORD)),
        ("*/*;q=0, */session;q=0.001", (SESSION,)),
        ("payword/*;q=0.1, payword/session;q=1.000", (SESSION, PAYWORD)),
        ("payword/charge;q=0.2, payword/charge", (PAYWORD,)),
        ("tempo/charge, millicent/charge;q=0.1", (MILLICENT,)),
    ],
)
def test_offers_are_filtered_and_ordered(header: str, wanted: tuple[object, ...]) -> None:
    assert order(ALL, header) == wanted


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "tempo/charge",
        "payword/charge;q=0",
        "payword",
        "payword/charge, ,millicent/charge",
        "payword/charge;q=2",
        "payword/charge;q=0.1234",
        "payword/charge;q=-1",
        "Payword/charge",
        "payword/charge;x=1",
        "payword/charge\n",
    ],
)
def test_absent_malformed_and_hopeless_headers_are_ignored(header: str | None) -> None:
    assert order(ALL, header) == ALL


def test_header_over_its_limit_is_ignored() -> None:
    fits = "payword/charge" + "," + "x" * (ACCEPT_BYTES_MAX - 17) + "/*"
    assert len(fits) == ACCEPT_BYTES_MAX
    assert order(ALL, fits) == (PAYWORD,)
    assert order(ALL, fits.replace("/*", "x/*")) == ALL


@given(st.text(max_size=80))
def test_no_header_makes_offers_up_or_loses_all_of_them(header: str) -> None:
    found = order(ALL, header)
    assert found
    assert set(map(id, found)) <= set(map(id, ALL))


def test_what_is_wanted_is_read_back_in_its_order() -> None:
    names = [scheme.traits.name for scheme in registry.all_schemes()]
    header = wanted(names)
    assert len(header) <= ACCEPT_BYTES_MAX
    offers = tuple(msgspec.structs.replace(OFFER, scheme=name) for name in sorted(names))
    assert [offer.scheme for offer in order(offers, header)] == names
    assert wanted(["payword"]) == "payword/*;q=1.000"
    assert order(ALL, wanted(["millicent"])) == (MILLICENT,)
