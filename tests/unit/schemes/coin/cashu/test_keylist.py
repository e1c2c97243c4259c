import msgspec
import pytest

from farthing import codec
from farthing.errors import Forged, Malformed, Mismatch
from farthing.schemes.coin.blind.coinage import CURRENT, OLDER_MAX
from farthing.schemes.coin.cashu import CASHU
from farthing.schemes.coin.cashu.keylist import LISTS, BrokerKeys, KeyList
from farthing.schemes.coin.cashu.keysets import KEYSET_KEY, SHORT_ID_CHARS
from farthing.schemes.contract import Key
from tests.kit.blind import broker_keys
from tests.kit.canaries import canary
from tests.kit.parties import Ring, on_the_wire, setting_of


def keys_of(*more: Key) -> BrokerKeys:
    return BrokerKeys(setting_of(Ring(*broker_keys(CASHU), *more)))


def newer(name: str = "2", not_after_s: int = 0) -> Key:
    secret = canary(f"newer{name}")
    return Key(id=name, purpose=KEYSET_KEY, secret=secret, not_after_s=not_after_s)


def test_a_list_crosses_the_wire_and_is_named_by_its_keyset() -> None:
    keys = keys_of()
    listed = keys.list_of(CURRENT)
    found = LISTS.convert(on_the_wire(msgspec.to_builtins(listed)))
    found.verify("test-broker", "eur")
    assert found.name == keys.current("microeur").id
    assert found.older == ()
    assert keys.list_of(found.name) == listed
    assert found.slot(3, 7).micro == 8
    assert len({found.label(x) for x in range(found.count)}) == found.count


def test_what_was_changed_in_a_list_is_seen() -> None:
    listed = keys_of().list_of(CURRENT)
    changes: tuple[tuple[KeyList, type[Exception]], ...] = (
        (msgspec.structs.replace(listed, broker="other"), Mismatch),
        (msgspec.structs.replace(listed, currency="usd"), Mismatch),
        (msgspec.structs.replace(listed, keys=listed.keys[:-1]), Forged),
        (msgspec.structs.replace(listed, keys=listed.keys[::-1]), Forged),
        (msgspec.structs.replace(listed, older=("00",)), Forged),
        (msgspec.structs.replace(listed, period=1), Forged),
        (msgspec.structs.replace(listed, sealing=codec.b64u(bytes(32))), Forged),
        (msgspec.structs.replace(listed, sealing="A"), Malformed),
    )
    for changed, refusal in changes:
        with pytest.raises(refusal):
            changed.verify("test-broker", "eur")


def test_rotated_keys_are_named_by_the_newer_and_sign_what_old_lists_ask_for() -> None:
    first = keys_of().current("microeur").id
    twice = keys_of(newer())
    second = twice.list_of(CURRENT)
    assert second.older == (first,)
    assert twice.list_of(first).older == ()
    assert twice.signing(first).id == first, "a wallet may have its list still"
    third = keys_of(newer(), newer("3"))
    assert third.list_of(CURRENT).older == (first, second.name)
    assert third.find(first).id == third.find(first[:SHORT_ID_CHARS]).id == first
    assert third.signing(first).id == first, "however often keys were rotated since"
    assert len(third.box_secrets()) == 3


def test_a_list_names_so_many_older_ones_and_no_more() -> None:
    listed = keys_of(*(newer(str(number)) for number in range(OLDER_MAX + 1))).list_of(CURRENT)
    assert len(listed.older) == OLDER_MAX
    LISTS.convert(on_the_wire(msgspec.to_builtins(listed)))


def test_a_ring_that_changes_is_followed() -> None:
    ring = Ring(*broker_keys(CASHU))
    keys = BrokerKeys(setting_of(ring))
    first = keys.list_of(CURRENT).name
    keys.find(first)
    ring.add(newer())
    second = keys.list_of(CURRENT).name
    assert second != first
    keys.find(second)


def test_strange_keysets_are_not_found() -> None:
    keys = keys_of()
    for name in ("00", 7, "other"):
        with pytest.raises(Forged, match="keyset_unknown"):
            keys.list_of(name)
    with pytest.raises(Forged, match="keyset_unknown"):
        keys.find("01" + "0" * 64)


def test_a_keysets_end_is_in_its_name() -> None:
    ends = keys_of(newer(not_after_s=2_000_000_000)).list_of(CURRENT)
    ends.verify("test-broker", "eur")
    assert ends.period == 2_000_000_000
    assert msgspec.structs.replace(ends, period=0).name != ends.name
