from collections.abc import Iterator
from pathlib import Path

import pytest

from farthing.errors import OutOfRange
from farthing.schemes.contract import Instrument
from farthing.wallet.commands import Wish
from farthing.wallet.file import File, create
from farthing.wallet.grants import Grant, Grants, Made
from farthing.wallet.rows import AT_ONCE, Rows
from tests.unit.wallet.world import CHEAP, PASSPHRASE

NOW_S = 1_000
WISH = Wish(scheme="x", broker_id="b", vendor_id="news", currency="eur", price_micro=100)


def instrument(name: str, vendor_id: str = "news", worth_micro: int = 500) -> Instrument:
    return Instrument(
        id=name, scheme="x", vendor_id=vendor_id, currency="eur", worth_micro=worth_micro,
        expires_at_s=NOW_S + 10, body=b"secret",
    )  # fmt: skip  # - an instrument in one glance


def grant_of(name: str = "g_1") -> Grant:
    return Grant(
        id=name, created_at_s=NOW_S, site="https://news.example", broker_id="b", scheme="x",
        vendor_id="news", currency="eur", amount_micro=100, until_s=NOW_S + 5, token="fg1x",
        withdrawal=None,
    )  # fmt: skip  # - a grant in one glance


@pytest.fixture
def file(tmp_path: Path) -> Iterator[File]:
    made = create(tmp_path / "wallet.db", PASSPHRASE, CHEAP)
    yield made
    made.close()


def put(file: File, *instruments: Instrument) -> None:
    with file.write():
        for each in instruments:
            Rows(file).put_instrument("b", "https://news.example", each)


def states(file: File) -> dict[str, tuple[str, int]]:
    with file.write():
        rows = file.rows("SELECT id, state, worth_micro FROM instruments")
    return {name: (state, worth_micro) for name, state, worth_micro in rows}


def test_the_vendors_own_come_before_general_ones_and_too_little_never(file: File) -> None:
    put(file, instrument("any", ""), instrument("small", worth_micro=99), instrument("fit"))
    seen: list[str] = []
    assert Grants(file).hand_over(WISH, NOW_S, lambda each: seen.append(each.id)) is None
    assert seen == ["fit", "any"]


@pytest.mark.parametrize("count", [AT_ONCE, AT_ONCE + 1])
def test_every_instrument_is_looked_at_for_a_grant(file: File, count: int) -> None:
    put(file, *(instrument(f"n{number}") for number in range(count)))
    seen: list[str] = []
    assert Grants(file).hand_over(WISH, NOW_S, lambda each: seen.append(each.id)) is None
    assert len(set(seen)) == len(seen) == count


def test_what_is_left_and_the_grant_are_written_together(file: File) -> None:
    put(file, instrument("fit"), instrument("used up"))

    def make(each: Instrument) -> Made:
        return grant_of(), (
            instrument("fit", worth_micro=400),
            instrument("used up", worth_micro=0),
        )

    assert Grants(file).hand_over(WISH, NOW_S, make) == grant_of()
    assert states(file) == {"fit": ("ready", 400), "used up": ("spent", 0)}
    assert Grants(file).find("g_1") == grant_of()


def test_a_refusal_in_the_middle_changes_nothing(file: File) -> None:
    put(file, instrument("fit"))

    def make(each: Instrument) -> Made:
        raise OutOfRange("no", "not this one")

    with pytest.raises(OutOfRange):
        Grants(file).hand_over(WISH, NOW_S, make)
    assert states(file) == {"fit": ("ready", 500)}
    assert Grants(file).listed() == ()


def test_a_grant_is_listed_until_and_after_it_is_withdrawn(file: File) -> None:
    put(file, instrument("fit"))
    Grants(file).hand_over(WISH, NOW_S, lambda each: (grant_of(), (each,)))
    assert [line.state for line in Grants(file).listed()] == ["given"]
    Grants(file).withdrawn("g_1")
    assert [line.state for line in Grants(file).listed()] == ["withdrawn"]
    assert Grants(file).find("g_2") is None


def test_what_was_received_is_kept_once_whatever_became_of_it(file: File) -> None:
    assert Grants(file).keep("b", "https://news.example", instrument("got"))
    with file.write():
        Rows(file).mark("spent", "p", "b", "x", "got")
    assert not Grants(file).keep("b", "https://news.example", instrument("got"))
    assert states(file)["got"][0] == "spent"


def test_no_repr_shows_a_token() -> None:
    assert "fg1" not in repr(grant_of())
