import pytest

from farthing.errors import Overlimit
from farthing.marks import Memory
from farthing.schemes.chain.credit import promised
from farthing.schemes.chain.credit.pledge import SLOTS
from farthing.schemes.chain.times import SKEW_S
from farthing.schemes.revocations import listing
from tests.kit.parties import DAY_S, NOW_S, payer_account
from tests.kit.payword import SLOT_MICRO, TODAY, Hand, Scene

END_S, KEPT_S = NOW_S + 30 * DAY_S, NOW_S + 60 * DAY_S


def test_live_and_revoked_ones_of_all_members_are_added_up() -> None:
    account = payer_account(credit_limit_micro=100)
    live = promised.certified(Memory(), account, (END_S, 60, "p_1"), NOW_S, KEPT_S)
    memory = Memory(records={live.key: live.value})
    with pytest.raises(Overlimit, match="credit_all_certified"):
        promised.certified(memory, account, (END_S, 41, "p_2"), NOW_S, KEPT_S)
    promised.certified(memory, account, (END_S, 40, "p_2"), NOW_S, KEPT_S)
    records = promised.revoked(memory, account.id, "p_1", listing("payer", NOW_S), NOW_S, KEPT_S)
    memory = Memory(records={one.key: one.value for one in records})
    promised.certified(memory, account, (END_S, 100, "p_2"), NOW_S, KEPT_S)
    again = promised.revoked(memory, account.id, "p_1", listing("payer", NOW_S), NOW_S, KEPT_S)
    assert again == records, "what is revoked is revoked"


def test_a_certificate_counts_no_longer_than_it_lasts() -> None:
    account, end_s = payer_account(credit_limit_micro=100), NOW_S + 10
    live = promised.certified(Memory(), account, (end_s, 100, "p_1"), NOW_S, KEPT_S)
    memory = Memory(records={live.key: live.value})
    records = promised.revoked(memory, account.id, "p_1", listing("payer", NOW_S), NOW_S, KEPT_S)
    memory = Memory(records={one.key: one.value for one in records})
    for name in ("p_2", "p_3"):
        live = promised.certified(memory, account, (END_S, 50, name), NOW_S, KEPT_S)
        memory = Memory(records=memory.records | {live.key: live.value})
    records = promised.revoked(memory, account.id, "p_2", listing("x", NOW_S), NOW_S, KEPT_S)
    memory = Memory(records={one.key: one.value for one in records})
    asked = (account, (END_S, 50, "p_4"))
    with pytest.raises(Overlimit, match="credit_revoked_lately"):
        promised.certified(memory, *asked, end_s + SKEW_S, KEPT_S)
    promised.certified(memory, *asked, end_s + SKEW_S + 1, KEPT_S)


def test_what_is_prepaid_is_out_until_its_day_is_over() -> None:
    account, end_s = payer_account(credit_limit_micro=100), NOW_S + 10
    live = promised.certified(Memory(), account, (END_S, 60, "p_1"), NOW_S, KEPT_S)
    dated = promised.dated("ticks", account.id, "p_2", end_s)
    keys = promised.recall("ticks", account.id)
    assert live.key in keys.records
    assert dated.key.startswith(keys.prefixes)
    assert not promised.dated("ticks", account.id + "2", "p_2", end_s).key.startswith(keys.prefixes)
    memory = Memory(records={one.key: one.value for one in (live, dated)})
    assert promised.serials(memory, end_s + SKEW_S) == ("p_1", "p_2")
    assert promised.serials(memory, end_s + SKEW_S + 1) == ("p_1",)


def test_an_account_has_so_many_certificates_and_no_more() -> None:
    account, memory = payer_account(credit_limit_micro=10**6), Memory()
    for number in range(promised.LIVE_MAX):
        promise = (END_S, 1, f"p_{number}")
        put = promised.certified(memory, account, promise, NOW_S, KEPT_S)
        memory = Memory(records={put.key: put.value})
    with pytest.raises(Overlimit, match="certificates_too_many"):
        promised.certified(memory, account, (END_S, 1, "p_last"), NOW_S, KEPT_S)


@pytest.mark.parametrize(("listed", "last"), [(b"7 payer 86400", 2), (b"7 broker", 1), (b"", 1)])
def test_the_news_of_a_revocation_may_take_a_day(listed: bytes, last: int) -> None:
    assert promised.last_day(listed) == last


def test_who_revokes_and_certifies_in_turn_gets_twice_the_credit_at_most() -> None:
    scene = Scene(credit_micro=SLOTS * SLOT_MICRO)
    certificates = [scene.certificate]
    for _ in range(2):
        serial = Hand(certificates[-1]).commitment.certificate.serial
        scene.broker.run("take_back", {"serial": serial}, scene.account)
        if len(certificates) == 1:
            certificates.append(scene.certify())
    revoked_s = scene.clock.now_s
    for at_s in (revoked_s, (TODAY + 2) * DAY_S + SKEW_S):
        scene.clock.now_s = at_s
        with pytest.raises(Overlimit, match="credit_revoked_lately"):
            scene.certify()
    scene.clock.now_s += 1
    scene.certify()
