import hashlib
import json

import pytest

from farthing.errors import Forged, Malformed, TooLarge
from farthing.schemes.coin.cashu import conditions
from farthing.schemes.coin.cashu.conditions import lock_of, require_unlocked
from farthing.schemes.coin.cashu.messages import Output, Proof
from tests.kit import cashu
from tests.kit.cashu import blank, lock, public, unlocked

NOW_S = 1_800_000_000
PREIMAGE = cashu.scalar("preimage").hex()
HASH = hashlib.sha256(bytes.fromhex(PREIMAGE)).hexdigest()


def proof(secret: str) -> Proof:
    return Proof(amount=1, id="00", secret=secret, C=public("any"))


def opens(*inputs: Proof, now_s: int = NOW_S) -> bool:
    try:
        require_unlocked(inputs, (), now_s)
    except Forged:
        return False
    return True


@pytest.mark.parametrize(
    "secret", ["plain", "", "[", "[1, 2]", '["P2PK"]', '["NEW", {"nonce": "", "data": ""}]', "{}"]
)
def test_what_is_no_lock_is_plain(secret: str) -> None:
    assert lock_of(secret) is None


def test_a_key_opens_its_own_lock_only() -> None:
    locked = proof(lock("P2PK", public("alice")))
    assert not opens(locked)
    assert not opens(unlocked(locked, "bob"))
    assert not opens(unlocked(locked, "alice", message="another"))
    assert opens(unlocked(locked, "alice"))
    assert opens(unlocked(locked, "bob", "alice"))


def test_a_lock_after_white_space_is_one() -> None:
    assert not opens(proof("\n " + lock("P2PK", public("alice"))))


def test_one_key_signs_for_one() -> None:
    """Schnorr signatures are many for one message; so are the two keys with one x."""
    twin = "03" + public("alice")[2:] if public("alice")[:2] == "02" else "02" + public("alice")[2:]
    locked = proof(lock("P2PK", public("alice"), pubkeys=[public("bob")], n_sigs="2"))
    assert not opens(unlocked(locked, "alice", "alice"))
    assert opens(unlocked(locked, "bob", "alice"))
    with pytest.raises(Malformed, match="lock_malformed"):
        opens(unlocked(proof(lock("P2PK", public("alice"), pubkeys=[twin], n_sigs="2")), "alice"))


def test_the_refund_opens_after_its_time_and_the_main_path_stays() -> None:
    at_s = str(NOW_S)
    locked = proof(lock("P2PK", public("alice"), locktime=at_s, refund=[public("carol")]))
    by_carol, by_alice = unlocked(locked, "carol"), unlocked(locked, "alice")
    assert not opens(by_carol, now_s=NOW_S - 1)
    assert not opens(by_carol, now_s=NOW_S)
    assert opens(by_carol, now_s=NOW_S + 1)
    assert not opens(locked, now_s=NOW_S + 1)
    assert opens(by_alice, now_s=NOW_S - 1)
    assert opens(by_alice, now_s=NOW_S + 1)


def test_without_refund_keys_anyone_may_spend_after_the_time() -> None:
    locked = proof(lock("P2PK", public("alice"), locktime=str(NOW_S)))
    assert not opens(locked, now_s=NOW_S)
    assert opens(locked, now_s=NOW_S + 1)


def test_a_time_that_is_none_never_comes() -> None:
    locked = proof(lock("P2PK", public("alice"), locktime="soon"))
    assert not opens(locked, now_s=NOW_S * 10)


def test_paths_do_not_mix() -> None:
    refund = [public("carol"), public("dave")]
    tags = {"n_sigs": "2", "pubkeys": [public("bob")], "locktime": "1"}
    locked = proof(lock("P2PK", public("alice"), refund=refund, n_sigs_refund="2", **tags))
    assert not opens(unlocked(locked, "alice", "carol"))
    assert opens(unlocked(locked, "dave", "carol"))


def test_a_preimage_opens_a_hash_lock_and_keys_are_asked_besides() -> None:
    free, locked = proof(lock("HTLC", HASH)), proof(lock("HTLC", HASH, pubkeys=[public("alice")]))
    assert not opens(free)
    assert not opens(unlocked(free, preimage="00" * 32))
    assert opens(unlocked(free, preimage=PREIMAGE))
    assert not opens(unlocked(locked, preimage=PREIMAGE))
    assert not opens(unlocked(locked, "alice"))
    assert opens(unlocked(locked, "alice", preimage=PREIMAGE))


def test_a_hash_lock_has_a_refund_as_any_other() -> None:
    refund = [public("carol")]
    locked = proof(lock("HTLC", HASH, locktime=str(NOW_S), refund=refund))
    assert not opens(unlocked(locked, "carol"), now_s=NOW_S)
    assert opens(unlocked(locked, "carol"), now_s=NOW_S + 1)


@pytest.mark.parametrize(
    ("data", "tags"),
    [
        ("02" + "ff" * 32, {}),
        (public("alice"), {"sigflag": "SIG_SOME"}),
        (public("alice"), {"n_sigs": "0"}),
        (public("alice"), {"n_sigs": "2"}),
        (public("alice"), {"n_sigs": "-1"}),
        (public("alice"), {"n_sigs": ["1", "1"]}),
        (public("alice"), {"n_sigs_refund": "1"}),
        (public("alice"), {"locktime": []}),
        (public("alice"), {"refund": ["zz"]}),
        (public("alice"), {"pubkeys": ["zz"]}),
    ],
)
def test_a_malformed_lock_never_opens(data: str, tags: dict[str, str | list[str]]) -> None:
    with pytest.raises(Malformed, match="lock_malformed"):
        opens(unlocked(proof(lock("P2PK", data, **tags)), "alice"), now_s=NOW_S * 2)


def test_a_tag_twice_and_a_body_of_another_shape_never_open() -> None:
    twice = [["locktime", "1"], ["locktime", "2"]]
    for body in ({"nonce": "", "data": public("alice"), "tags": twice}, {"data": 1}, "x"):
        with pytest.raises(Malformed, match="lock_malformed"):
            opens(proof(json.dumps(["P2PK", body])))
    with pytest.raises(Malformed, match="lock_malformed"):
        opens(proof(lock("HTLC", "00")))


def test_with_all_signed_the_outputs_cannot_be_exchanged() -> None:
    locked = [proof(lock("P2PK", public("alice"), sigflag="SIG_ALL")) for _ in range(2)]
    outputs = [blank("00", 1).output, blank("00", 2).output]
    message = "".join(one.secret + one.C for one in locked)
    message += "".join(f"{one.amount}{one.B_}" for one in outputs)
    inputs = [unlocked(locked[0], "alice", message=message), locked[1]]
    require_unlocked(inputs, outputs, NOW_S)
    refused: list[tuple[list[Proof], list[Output], str]] = [
        (inputs, outputs[::-1], ""),
        (inputs, outputs[:1], ""),
        (inputs[:1], outputs, ""),
        (inputs, outputs, "quote"),
        ([unlocked(one, "alice") for one in locked], outputs, ""),
        ([*inputs, proof("plain")], outputs, ""),
        ([*inputs, proof(lock("P2PK", public("alice")))], outputs, ""),
    ]
    for wrong, made, quote in refused:
        with pytest.raises(Forged):
            require_unlocked(wrong, made, NOW_S, quote)


def test_witnesses_of_another_shape_are_refused() -> None:
    locked = proof(lock("P2PK", public("alice")))
    for witness in ("x", "[]", '{"signatures": "aa"}', '{"signatures": ["zz"]}', "[" * 1000):
        with pytest.raises(Malformed, match="witness_malformed"):
            opens(Proof(amount=1, id="00", secret=locked.secret, C=locked.C, witness=witness))


def test_nobody_has_the_mint_try_signatures_without_end() -> None:
    keys = [public(f"key {number}") for number in range(6)]
    locked = proof(lock("P2PK", keys[0], pubkeys=[*keys[1:], public("alice")]))
    strangers = [f"stranger {number}" for number in range(6)]
    signed = unlocked(locked, *strangers, "alice")  # 7 signatures, each tried with up to 7 keys
    count = conditions.CHECKS_MAX // 49
    assert opens(*[signed] * count)
    with pytest.raises(TooLarge, match="signatures_too_many"):
        opens(*[signed] * (count + 1))
