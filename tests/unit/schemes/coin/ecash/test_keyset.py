import msgspec
import pytest

from farthing import codec
from farthing.errors import Forged, Malformed, Mismatch, OutOfRange
from farthing.schemes.coin.blind.coinage import OLDER_MAX
from farthing.schemes.coin.ecash.keyset import (
    BITS,
    KEYS,
    LISTS,
    BrokerKeys,
    KeysetList,
    Ref,
    id_of,
)
from farthing.schemes.coin.epochs import Epoch, epoch_at
from farthing.schemes.coin.values import EXPONENT_MAX
from farthing.schemes.contract import Key
from tests.kit.blind import broker_keys
from tests.kit.canaries import canary
from tests.kit.parties import NOW_S, Ring, setting_of

EPOCH = epoch_at(NOW_S)


def keys() -> BrokerKeys:
    return BrokerKeys(setting_of(Ring(*broker_keys())))


def made() -> KeysetList:
    return keys().list_of(EPOCH)


def test_a_list_is_the_same_for_everybody_and_has_a_key_of_each_denomination() -> None:
    found = made()
    assert found == keys().list_of(EPOCH)
    found.verify("test-broker", "eur")
    assert len({keyset.n for keyset in found.keysets}) == EXPONENT_MAX + 1
    assert all(found.public(x).n.bit_length() == BITS for x in range(EXPONENT_MAX + 1))
    assert found.slot(3, 0).micro == 8


def test_the_list_in_json_is_within_the_limits_of_every_reader() -> None:
    raw = codec.canonical(made())
    assert LISTS.read(raw) == made()
    codec.read_json(raw)


def test_an_id_tells_key_denomination_currency_and_epoch_apart() -> None:
    public, other = made().public(0), made().public(1)
    found = {
        id_of(of, epoch, exponent, currency)
        for of in (public, other)
        for epoch in (EPOCH.number, EPOCH.number + 1)
        for exponent in (0, 1)
        for currency in ("eur", "usd")
    }
    assert len(found) == 16
    assert {len(one) for one in found} == {16}


@pytest.mark.parametrize(
    "change",
    [
        {"broker": "other"},
        {"currency": "usd"},
        {"epoch": EPOCH.number + 1},
        {"sealing": codec.b64u(bytes(32))},
        {"key": codec.b64u(canary("k"))},
        {"sig": codec.b64u(bytes(64))},
        {"older": (made().name,)},
        {"keysets": made().keysets[:-1]},
        {"keysets": (made().keysets[1], *made().keysets[1:])},
        {"keysets": made().keysets[::-1]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_list_that_was_changed_anywhere_is_refused(change: dict[str, object]) -> None:
    changed = msgspec.structs.replace(made(), **change)
    with pytest.raises((Forged, Mismatch)):
        changed.verify("test-broker", "eur")


def test_a_modulus_that_is_none_is_refused() -> None:
    first = made().keysets[0]
    for n in (codec.b64u(bytes(256)), first.n[:-4], codec.b64u(b"\1" * 256)):
        keyset = msgspec.structs.replace(first, n=n)
        changed = msgspec.structs.replace(made(), keysets=(keyset, *made().keysets[1:]))
        with pytest.raises((Malformed, OutOfRange, Forged)):
            changed.verify("test-broker", "eur")


def test_a_coins_key_is_found_by_its_name_and_no_other() -> None:
    slot = made().slot(2, 0)
    ref = Ref(slot.period, slot.exponent, slot.id)
    assert keys().find(ref)[1].public == made().public(2)
    for wrong in (
        Ref(ref.epoch, 3, ref.id),
        Ref(ref.epoch + 1, 2, ref.id),
        Ref(ref.epoch, 2, bytes(16)),
        Ref(ref.epoch, 200, ref.id),
    ):
        with pytest.raises(Forged, match="keyset_unknown"):
            keys().find(wrong)


def test_coins_of_the_secret_before_are_still_known_when_there_is_a_new_one() -> None:
    newer = Key(id="k2", purpose=KEYS, secret=canary("newer"))
    ring = Ring(*broker_keys(), newer)
    rotated = BrokerKeys(setting_of(ring))
    assert rotated.list_of(EPOCH).keysets != made().keysets
    first = made().slot(0, 0)
    ref = Ref(first.period, first.exponent, first.id)
    assert rotated.find(ref)[1].public == made().public(0)
    assert len(rotated.box_secrets()) == 2


def test_a_list_names_those_before_it_of_its_epoch_and_each_is_found_by_its_name() -> None:
    newer = Key(id="k2", purpose=KEYS, secret=canary("newer"))
    rotated = BrokerKeys(setting_of(Ring(*broker_keys(), newer)))
    second = rotated.list_of(EPOCH)
    assert second.older == (made().name,)
    epochs = (Epoch(EPOCH.number - 1), EPOCH)
    assert rotated.list_named(second.name, epochs) == second
    assert rotated.list_named(made().name, epochs) == made(), "as everybody was given it"
    assert rotated.list_with(Ref(EPOCH.number, 0, codec.unb64u(made().name))) == made()
    with pytest.raises(Forged, match="keyset_unknown"):
        rotated.list_named(made().name, epochs[:1])
    with pytest.raises(Malformed, match="list_malformed"):
        rotated.list_named("other", epochs)


def test_a_list_names_the_last_before_it_and_the_oldest_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("farthing.schemes.coin.ecash.keyset.OLDER_MAX", 2)
    secrets = [Key(id=name, purpose=KEYS, secret=canary(name)) for name in ("a", "b", "c")]
    names = [
        BrokerKeys(setting_of(Ring(*broker_keys(), *secrets[:count]))).list_of(EPOCH).name
        for count in range(3)
    ]
    third = BrokerKeys(setting_of(Ring(*broker_keys(), *secrets)))
    assert third.list_of(EPOCH).older == tuple(names[1:])


def test_a_reader_takes_so_many_names_and_no_more() -> None:
    listed = made()
    many = tuple(f"{number}" for number in range(OLDER_MAX + 1))
    LISTS.read(codec.canonical(msgspec.structs.replace(listed, older=many[1:])))
    with pytest.raises(Malformed):
        LISTS.read(codec.canonical(msgspec.structs.replace(listed, older=many)))


def test_epochs_have_keys_of_their_own() -> None:
    later = keys().list_of(Epoch(EPOCH.number + 1))
    assert not {one.n for one in later.keysets} & {one.n for one in made().keysets}
    later.verify("test-broker", "eur")
