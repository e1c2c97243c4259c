"""The sealed file that the processes of one role share."""

import os
import stat
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from farthing.errors import Misconfigured
from farthing.schemes.contract import Key, Ring
from farthing.stores import keys
from farthing.stores.keys import KeyRing, make_secret_key, make_signing_key

PASSPHRASE = "correct horse battery staple"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ring"


def entropy(n: int) -> bytes:
    return bytes([n]) * 32


def refused(code: str) -> pytest.RaisesExc[Misconfigured]:
    return pytest.RaisesExc(Misconfigured, check=lambda refusal: refusal.code == code)


# --- keys ---------------------------------------------------------------------------------------


def test_a_signing_key_is_the_pair_its_entropy_makes() -> None:
    key = make_signing_key("receipt", entropy(1), not_after_s=9)
    assert (key.purpose, key.secret, key.not_after_s) == ("receipt", entropy(1), 9)
    Ed25519PublicKey.from_public_bytes(key.public)
    assert key == make_signing_key("receipt", entropy(1), not_after_s=9)
    assert key.id != make_signing_key("receipt", entropy(2)).id


def test_a_symmetric_key_has_an_id_that_does_not_show_it() -> None:
    key = make_secret_key("challenge", entropy(1))
    assert (key.secret, key.public, len(key.id)) == (entropy(1), b"", 12)
    assert key.id != make_secret_key("challenge", entropy(2)).id
    assert "AQEB" not in key.id


# --- the ring -----------------------------------------------------------------------------------


def test_the_newest_key_is_current_and_the_older_ones_are_found(path: Path) -> None:
    ring: Ring = KeyRing.create(path)
    assert isinstance(ring, KeyRing)
    added = [make_secret_key("challenge", entropy(n)) for n in range(1, 4)]
    for key in added:
        ring.add(key)
        assert ring.current("challenge") == key
    assert list(ring.live("challenge")) == [added[2], added[1]]
    assert [ring.find("challenge", key.id) for key in added] == added
    assert ring.find("challenge", "none") is None
    assert ring.find("receipt", added[0].id) is None


def test_a_missing_purpose_says_so(path: Path) -> None:
    ring = KeyRing.create(path)
    for ask in (ring.current, ring.live):
        with refused("key_missing"):
            ask("receipt")


def test_a_public_half_is_found_and_never_current(path: Path) -> None:
    ring = KeyRing.create(path)
    theirs = Key(id="broker", purpose="certificate", public=bytes(32))
    ring.add(theirs)
    assert ring.find("certificate", "broker") == theirs
    with refused("key_missing"):
        ring.current("certificate")


def test_one_key_has_one_purpose_and_one_name(path: Path) -> None:
    ring = KeyRing.create(path)
    ring.add(make_secret_key("challenge", entropy(1)))
    with refused("key_reused"):
        ring.add(make_secret_key("receipt", entropy(1)))
    with refused("key_id_taken"):
        ring.add(make_secret_key("challenge", entropy(1)))
    assert ring.generation == 2


def test_keys_are_added_together_or_not_at_all(path: Path) -> None:
    ring = KeyRing.create(path)
    added = [make_secret_key(purpose, entropy(n)) for n, purpose in enumerate(("a", "b"))]
    with refused("key_reused"):
        ring.add(*added, make_secret_key("c", entropy(0)))
    assert not ring.known("a")
    ring.add(*added)
    assert [ring.current(key.purpose) for key in added] == added
    assert ring.generation == 2, "one write for all"


def test_rotation_makes_a_key_of_the_same_kind(path: Path) -> None:
    ring = KeyRing.create(path)
    ring.add(make_secret_key("challenge", entropy(1)))
    ring.add(make_signing_key("receipt", entropy(2)))
    assert ring.rotate("challenge", entropy(3)) == make_secret_key("challenge", entropy(3))
    new = ring.rotate("receipt", entropy(4), not_after_s=7)
    assert new == make_signing_key("receipt", entropy(4), not_after_s=7)
    assert ring.current("receipt") == new
    with refused("key_missing"):
        ring.rotate("none", entropy(5))


def test_a_revoked_key_is_neither_current_nor_found_and_its_secret_is_gone(path: Path) -> None:
    ring = KeyRing.create(path)
    old, new = (make_signing_key("receipt", entropy(n)) for n in (1, 2))
    ring.add(old)
    ring.add(new)
    ring.revoke("receipt", new.id)
    ring.revoke("receipt", new.id)
    for seen in (ring, KeyRing.open(path)):
        assert seen.current("receipt") == old
        assert seen.find("receipt", new.id) is None
        assert seen.is_revoked("receipt", new.id)
        assert not seen.is_revoked("receipt", old.id)
        assert not seen.is_revoked("receipt", "none")
        assert entropy(2) not in b"".join(e.key.secret for e in seen._entries)
    with refused("key_id_taken"):
        ring.add(new)
    with refused("key_unknown"):
        ring.revoke("receipt", "none")


# --- the file -----------------------------------------------------------------------------------


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_a_ring_opened_again_has_its_keys(path: Path, passphrase: str | None) -> None:
    key = make_signing_key("receipt", entropy(1))
    KeyRing.create(path, passphrase).add(key)
    assert KeyRing.open(path, passphrase).current("receipt") == key


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_no_secret_lies_in_the_file_or_shows_in_a_repr(path: Path, passphrase: str | None) -> None:
    ring = KeyRing.create(path, passphrase)
    ring.add(make_signing_key("receipt", entropy(0x41)))
    assert b"AAAA" not in path.read_bytes()
    assert "AAAA" not in repr(ring) + repr(ring.current("receipt"))


def test_the_files_are_for_the_owner_alone(path: Path) -> None:
    KeyRing.create(path).add(make_secret_key("challenge", entropy(1)))
    for name in ("ring", "ring.secret"):
        assert stat.S_IMODE(path.with_name(name).stat().st_mode) == 0o600
    assert {file.name for file in path.parent.iterdir()} == {"ring", "ring.secret"}


@pytest.mark.parametrize("name", ["ring", "ring.secret"])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_that_others_may_touch_is_refused(path: Path, name: str, mode: int) -> None:
    KeyRing.create(path)
    path.with_name(name).chmod(mode)
    with refused("ring_open_to_others"):
        KeyRing.open(path)


def test_a_wrong_missing_or_needless_passphrase_is_refused(path: Path) -> None:
    KeyRing.create(path, PASSPHRASE)
    with refused("ring_not_opened"):
        KeyRing.open(path, PASSPHRASE + " ")
    with refused("passphrase_missing"):
        KeyRing.open(path)
    with refused("passphrase_missing"):
        KeyRing.create(path.with_name("other"), "")
    KeyRing.create(path.with_name("third"))
    with refused("passphrase_unused"):
        KeyRing.open(path.with_name("third"), PASSPHRASE)


def test_every_flipped_bit_of_the_file_is_refused(path: Path) -> None:
    ring = KeyRing.create(path)
    ring.add(make_secret_key("challenge", entropy(1)))
    raw = path.read_bytes()
    for bit in range(len(raw) * 8):
        at = bit // 8
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 1 << bit % 8]) + raw[at + 1 :])
        with pytest.raises(Misconfigured):
            KeyRing.open(path)


@pytest.mark.parametrize("raw", [b"", b"junk", bytes(keys.RING_BYTES_MAX + 1)])
def test_what_is_no_ring_is_refused(path: Path, raw: bytes) -> None:
    KeyRing.create(path)
    path.write_bytes(raw)
    with refused("ring_damaged"):
        KeyRing.open(path)


def test_a_ring_is_never_written_over(path: Path) -> None:
    KeyRing.create(path).add(make_secret_key("challenge", entropy(1)))
    with refused("ring_exists"):
        KeyRing.create(path)
    assert KeyRing.open(path).current("challenge").secret == entropy(1)


def test_a_place_that_is_not_there_says_so_without_the_path(tmp_path: Path) -> None:
    path = tmp_path / "none" / "ring"
    for make in (KeyRing.create, KeyRing.open):
        with refused("ring_unreadable") as raised:
            make(path)
        assert str(tmp_path) not in str(raised.value)


def test_a_change_that_fails_midway_leaves_the_ring_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = KeyRing.create(path)
    ring.add(make_secret_key("challenge", entropy(1)))
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "no space")

    for step in ("fsync", "rename"):
        with monkeypatch.context() as patch:
            patch.setattr(os, step, fail)
            with pytest.raises(Exception, match="disk_full"):
                ring.add(make_secret_key("challenge", entropy(2)))
        assert path.read_bytes() == before
        assert ring.current("challenge").secret == entropy(1)
    ring.add(make_secret_key("challenge", entropy(2)))
    assert KeyRing.open(path).current("challenge").secret == entropy(2)


# --- several processes --------------------------------------------------------------------------


def test_another_process_sees_a_change_when_it_refreshes(path: Path) -> None:
    one = KeyRing.create(path)
    two = KeyRing.open(path)
    assert not two.refresh()
    key = make_secret_key("challenge", entropy(1))
    one.add(key)
    with pytest.raises(Misconfigured, match="key_missing"):
        two.current("challenge")
    assert two.refresh()
    assert two.current("challenge") == key
    assert not two.refresh()
    two.revoke("challenge", key.id)
    assert one.refresh()
    assert one.is_revoked("challenge", key.id)


def test_a_key_that_another_process_has_just_made_is_found(path: Path) -> None:
    """What it has minted with it may be paid here before anybody looks at the file."""
    one = KeyRing.create(path)
    two, generation = KeyRing.open(path), one.generation
    key = make_secret_key("challenge", entropy(1))
    one.add(key)
    assert two.find("challenge", key.id) == key
    assert two.generation == generation + 1
    assert two.missed == set()
    path.write_bytes(b"no ring")
    assert two.find("challenge", "another") is None, "the keys at hand go on"
    assert two.missed == {"challenge"}
    assert two.find("challenge", key.id) == key


def test_no_change_of_two_processes_is_lost(path: Path) -> None:
    KeyRing.create(path)

    def add(first: int) -> None:
        ring = KeyRing.open(path)
        for n in range(first, first + 10):
            ring.add(make_secret_key("challenge", entropy(n)))

    threads = [threading.Thread(target=add, args=(first,)) for first in (1, 101)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ring = KeyRing.open(path)
    assert ring.generation == 21
    for n in (*range(1, 11), *range(101, 111)):
        assert ring.find("challenge", make_secret_key("challenge", entropy(n)).id) is not None


def test_an_older_or_another_ring_in_its_place_is_refused_and_the_keys_in_use_stay(
    path: Path,
) -> None:
    ring = KeyRing.create(path)
    key = make_secret_key("challenge", entropy(1))
    ring.add(key)
    older = path.read_bytes()
    ring.revoke("challenge", key.id)
    newer = path.read_bytes()
    path.write_bytes(older)
    with refused("ring_replaced"):
        ring.refresh()
    assert ring.is_revoked("challenge", key.id)
    path.unlink()
    with refused("ring_unreadable"):
        ring.refresh()
    KeyRing.create(path)
    with refused("ring_replaced"):
        ring.refresh()
    path.write_bytes(newer)
    ring.refresh()
    assert ring.is_revoked("challenge", key.id)


def test_a_ring_tells_which_keys_were_asked_for_in_vain(path: Path) -> None:
    ring = KeyRing.create(path)
    key = make_signing_key("receipt", entropy(1))
    ring.add(key)
    assert ring.find("receipt", key.id) is not None
    assert ring.missed == set()
    ring.find("receipt", "another")
    ring.find("challenge", "1")
    assert ring.missed == {"receipt", "challenge"}
    ring.missed.clear()
    ring.revoke("receipt", key.id)
    assert ring.find("receipt", key.id) is None
    assert ring.missed == set(), "it is not missing, it is revoked"


def test_every_key_that_may_still_verify_is_known_newest_first(path: Path) -> None:
    ring = KeyRing.create(path)
    keys = [make_signing_key("receipt", entropy(n)) for n in range(1, 5)]
    for key in keys:
        ring.add(key)
    ring.revoke("receipt", keys[1].id)
    assert [key.id for key in ring.known("receipt")] == [keys[n].id for n in (3, 2, 0)]
    assert len(ring.live("receipt")) == 2
    assert ring.known("none") == []
