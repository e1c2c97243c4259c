import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.errors import Broken, Denied, Misconfigured
from farthing.wallet.vault import Cost, Lock, create, unlock
from tests.unit.wallet.world import CHEAP, PASSPHRASE


def test_the_passphrase_opens_what_was_sealed_under_it() -> None:
    lock, vault = create(PASSPHRASE, CHEAP)
    sealed = vault.seal(b"secret", "asks", "1")
    stored = msgspec.json.decode(msgspec.json.encode(lock), type=Lock)
    assert unlock(stored, PASSPHRASE).open(sealed, "asks", "1") == b"secret"


def test_another_passphrase_is_denied() -> None:
    lock, _ = create(PASSPHRASE, CHEAP)
    with pytest.raises(Denied, match="passphrase_wrong"):
        unlock(lock, PASSPHRASE + " ")


def test_an_empty_passphrase_is_denied() -> None:
    with pytest.raises(Denied, match="passphrase_missing"):
        create("", CHEAP)


@given(position=st.integers(0, 33), bit=st.integers(0, 7))
def test_a_flipped_bit_in_a_cell_is_noticed(position: int, bit: int) -> None:
    _, vault = create(PASSPHRASE, CHEAP)
    sealed = bytearray(vault.seal(b"secret", "asks", "1"))
    sealed[position] ^= 1 << bit
    with pytest.raises(Broken, match="wallet_file_damaged"):
        vault.open(bytes(sealed), "asks", "1")


@pytest.mark.parametrize("place", [("asks", "2"), ("purchases", "1"), ("asks1",)])
def test_a_cell_does_not_open_in_another_place(place: tuple[str, ...]) -> None:
    _, vault = create(PASSPHRASE, CHEAP)
    with pytest.raises(Broken):
        vault.open(vault.seal(b"secret", "asks", "1"), *place)


def test_tags_find_the_same_and_tell_fields_apart() -> None:
    _, vault = create(PASSPHRASE, CHEAP)
    _, other = create(PASSPHRASE, CHEAP)
    assert vault.tag("GET", "ab") == vault.tag("GET", "ab")
    assert vault.tag("GET", "ab") != vault.tag("GETa", "b")
    assert vault.tag("GET", "ab") != other.tag("GET", "ab")


@pytest.mark.parametrize(
    "cost",
    [
        {"memory_kib": 2**20 + 1},
        {"memory_kib": 7, "lanes": 1},
        {"iterations": 0},
        {"iterations": 65},
        {"lanes": 17},
    ],
)
def test_a_cost_that_would_stop_the_machine_is_refused(cost: dict[str, int]) -> None:
    with pytest.raises(Misconfigured, match="wallet_cost_out_of_range"):
        Cost(**cost)


def test_the_usual_cost_is_that_of_the_recommendation() -> None:
    assert Cost() == Cost(memory_kib=64 * 1024, iterations=3, lanes=4)
