"""The broker: escrows, ranges, submissions, and who gives way about a lone half."""

import msgspec
import pytest

from farthing import codec
from farthing.errors import (
    Conflict,
    Denied,
    Expired,
    Forged,
    Late,
    NotYetValid,
    OutOfRange,
    Replayed,
    Unsupported,
    WrongPayer,
    WrongVendor,
)
from farthing.schemes.chain.fairchain.ticket import ESCROW_LIFE_S, SUBMIT_S, VENDOR_KEY, escrow_key
from farthing.schemes.chain.times import DISPUTE_S, LAPSE_S, SKEW_S
from farthing.schemes.contract import Account, Instrument, Json, Operation
from tests.kit.canaries import canary
from tests.kit.fairchain import ESCROW_MICRO, UNIT_MICRO, Scene, held_of, link
from tests.kit.parties import (
    DAY_S,
    PAYER,
    VENDOR,
    on_the_wire,
    payer_account,
    vendor_account,
)

OVER_S = SUBMIT_S + SKEW_S + LAPSE_S  # from a ticket's end to when its rest goes back


def run(scene: Scene, operation: Operation, message: Json, account: Account | None = None) -> Json:
    return scene.broker.run(operation, message, account or scene.account).answer


def name_of(scene: Scene) -> str:
    assert scene.escrow is not None
    return scene.escrow.id.removeprefix("fc:")


def claim_of(ticket: Instrument, index: int) -> dict[str, Json]:
    return link(ticket, index, whole=True)


def end(scene: Scene, ticket: Instrument, after_s: int = OVER_S) -> None:
    scene.pass_time(ticket.expires_at_s - scene.clock.now_s + after_s)


def test_money_moves_into_the_escrow_of_a_pseudonym_that_only_the_record_links() -> None:
    scene = Scene()
    assert scene.micro("payer", PAYER) == -ESCROW_MICRO
    assert scene.micro("outstanding") == ESCROW_MICRO
    assert PAYER not in name_of(scene)
    assert PAYER.encode() in scene.broker.records[escrow_key(name_of(scene))]


def test_tickets_of_one_order_cover_ranges_side_by_side_each_under_another_name() -> None:
    scene = Scene()
    wants = [[VENDOR, 200, 10], ["daily", 50, 4], [VENDOR, 200, 3]]
    answer = run(scene, "issue", {"escrow": name_of(scene), "wants": wants})
    tickets = [one["ticket"] for one in answer["tickets"]]
    ranges = [(t["firstMicro"], t["unitMicro"] * t["units"]) for t in tickets]
    assert ranges == [(0, 2000), (2000, 200), (2200, 600)]
    for name in ("id", "payer", "root", "tau"):
        assert len({t[name] for t in tickets}) == 3, name
    assert len({one["receiptKey"] for one in answer["tickets"]}) == 3


def test_an_escrow_is_assigned_to_its_end_and_no_further() -> None:
    scene = Scene(1_000)
    name = name_of(scene)
    run(scene, "issue", {"escrow": name, "wants": [[VENDOR, 200, 4]]})
    before = scene.broker.snapshot()
    with pytest.raises(Replayed, match="escrow_used_up"):
        run(scene, "issue", {"escrow": name, "wants": [[VENDOR, 200, 2]]})
    assert scene.broker.snapshot() == before
    run(scene, "issue", {"escrow": name, "wants": [[VENDOR, 200, 1]]})


def test_an_escrow_is_its_payers_and_vendors_must_have_granted_a_key() -> None:
    scene = Scene()
    order = {"escrow": name_of(scene), "wants": [[VENDOR, 200, 1]]}
    with pytest.raises(WrongPayer, match="escrow_of_another"):
        run(scene, "issue", order, payer_account("eve"))
    with pytest.raises(Unsupported, match="vendor_without_key"):
        run(scene, "issue", order | {"wants": [["nobody", 200, 1]]})
    with pytest.raises(Replayed, match="escrow_unknown"):
        run(scene, "issue", order | {"escrow": "n_" + "00" * 12})
    with pytest.raises(Denied, match="wrong_kind_of_account"):
        run(scene, "issue", order, vendor_account())


def test_no_ticket_outlives_its_escrow() -> None:
    scene = Scene()
    assert scene.escrow is not None
    scene.clock.now_s = scene.escrow.expires_at_s - 1
    order = {"escrow": name_of(scene), "wants": [[VENDOR, 200, 1]]}
    answer = run(scene, "issue", order)
    assert answer["tickets"][0]["ticket"]["endsAtS"] == scene.escrow.expires_at_s
    scene.clock.now_s += 2
    with pytest.raises(Expired, match="escrow_over"):
        run(scene, "issue", order)


def test_a_submission_pays_the_difference_once_in_any_order() -> None:
    scene = Scene()
    ticket = scene.ticket()
    assert scene.broker.redeem(claim_of(ticket, 4)) == 2 * UNIT_MICRO
    assert scene.broker.redeem(claim_of(ticket, 4)) == 0
    assert scene.broker.redeem(claim_of(ticket, 1)) == 0
    assert scene.broker.redeem(claim_of(ticket, 7)) == UNIT_MICRO
    assert scene.micro("vendor", VENDOR) == 3 * UNIT_MICRO
    assert scene.micro("disputed") == UNIT_MICRO


def test_a_forged_ticket_pays_nothing_though_its_vendor_has_the_key() -> None:
    scene = Scene()
    ticket = scene.ticket()
    real = held_of(ticket).ticket
    key = scene.vendor.ring.current(VENDOR_KEY).secret
    for change in ({"units": 90}, {"unit_micro": 9_000}, {"id": "A" * 22}):
        bare = msgspec.structs.replace(real, **change)
        forged = msgspec.structs.replace(bare, tau=bare.tick(key))
        with pytest.raises(Forged):
            scene.broker.redeem(claim_of(ticket, 2) | {"ticket": msgspec.to_builtins(forged)})
    assert scene.micro("vendor", VENDOR) == 0


def test_a_ticket_of_another_vendor_or_changed_or_unknown_is_not_paid() -> None:
    scene = Scene()
    ticket = scene.ticket()
    with pytest.raises(WrongVendor, match="claim_of_another_vendor"):
        scene.broker.redeem(claim_of(ticket, 2), "daily")
    changed = claim_of(ticket, 2)
    changed["ticket"]["payer"] = "p_other"
    with pytest.raises(Forged, match="ticket_forged"):
        scene.broker.redeem(changed)
    scene.broker.records.clear()
    with pytest.raises(Forged, match="ticket_unknown"):
        scene.broker.redeem(claim_of(ticket, 2))
    with pytest.raises(OutOfRange, match="chain_index_above_length"):
        scene.broker.redeem(claim_of(ticket, 2) | {"index": 99})


def test_after_the_window_a_submission_is_late() -> None:
    scene = Scene()
    ticket = scene.ticket()
    scene.clock.now_s = ticket.expires_at_s + SUBMIT_S + SKEW_S
    assert scene.broker.redeem(claim_of(ticket, 2)) == UNIT_MICRO
    scene.clock.now_s += 1
    with pytest.raises(Late, match="claim_after_submit_window"):
        scene.broker.redeem(claim_of(ticket, 4))


def test_a_submission_that_was_checked_in_time_and_comes_after_the_rest_went_back_is_late() -> None:
    """Else payer and vendor take the rest twice, out of other payers' escrows."""
    scene = Scene()
    ticket = scene.ticket()
    scene.broker.redeem(claim_of(ticket, 1))
    scene.clock.now_s = ticket.expires_at_s + SUBMIT_S + SKEW_S
    mint, at = scene.broker.mint, scene.clock.at()
    checked = mint.check("redeem", on_the_wire(claim_of(ticket, 4)), vendor_account(), at)
    end(scene, ticket)
    memory = scene.broker.read(mint.recall(checked))
    with pytest.raises(Late, match="claim_after_submit_window"):
        mint.apply(checked, memory, at)


def test_what_a_ticket_leaves_comes_back_after_the_window_and_not_before() -> None:
    scene = Scene()
    ticket = scene.ticket()
    scene.broker.redeem(claim_of(ticket, 4))
    end(scene, ticket, OVER_S - 1)
    assert scene.micro("payer", PAYER) == -ESCROW_MICRO
    scene.pass_time(1)
    assert scene.micro("payer", PAYER) == 10 * UNIT_MICRO - ESCROW_MICRO
    assert scene.assigned(ticket) is None


def test_a_range_that_came_back_is_not_assigned_again() -> None:
    scene = Scene()
    first = held_of(scene.ticket()).ticket
    scene.pass_time(5 * DAY_S)
    second = held_of(scene.ticket()).ticket
    assert second.first_micro == first.first_micro + first.worth_micro
    assert second.root != first.root


def test_an_escrow_comes_back_by_itself_or_when_asked_for() -> None:
    scene = Scene()
    scene.ticket()
    answer = run(scene, "take_back", {"escrow": name_of(scene)})
    assert answer == {"returnedMicro": ESCROW_MICRO - 12 * UNIT_MICRO}
    assert run(scene, "take_back", {"escrow": name_of(scene)}) == {"returnedMicro": 0}
    other = Scene()
    other.pass_time(ESCROW_LIFE_S + 3 * DAY_S)
    assert other.micro("payer", PAYER) == other.micro("outstanding") == 0
    with pytest.raises(WrongPayer, match="escrow_of_another"):
        run(Scene(), "take_back", {"escrow": name_of(Scene())}, payer_account("eve"))


def test_a_lone_half_is_the_payers_to_give_up() -> None:
    scene = Scene()
    ticket = scene.ticket()
    scene.broker.redeem(claim_of(ticket, 1))
    giving = {"index": 2, "released": held_of(ticket).ticket.id, "word": link(ticket, 2)["word"]}
    with pytest.raises(WrongPayer, match="ticket_of_another"):
        run(scene, "take_back", giving, payer_account("eve"))
    with pytest.raises(Forged):
        run(scene, "take_back", giving | {"word": link(ticket, 3)["word"]})
    with pytest.raises(OutOfRange, match="release_without_commit"):
        run(scene, "take_back", giving | {"index": 4})
    end(scene, ticket)
    assert run(scene, "take_back", giving) == {"paidMicro": UNIT_MICRO}
    assert (scene.micro("vendor", VENDOR), scene.micro("disputed")) == (UNIT_MICRO, 0)
    with pytest.raises(Forged, match="ticket_unknown"):
        run(scene, "take_back", giving)


def test_given_up_in_time_the_vendor_is_paid_no_second_time() -> None:
    scene = Scene()
    ticket = scene.ticket()
    scene.broker.redeem(claim_of(ticket, 1))
    giving = {"index": 2, "released": held_of(ticket).ticket.id, "word": link(ticket, 2)["word"]}
    run(scene, "take_back", giving)
    assert scene.broker.redeem(claim_of(ticket, 2)) == 0
    assert scene.broker.redeem(claim_of(ticket, 4)) == UNIT_MICRO
    assert scene.micro("vendor", VENDOR) == 2 * UNIT_MICRO


def test_a_lone_half_is_the_vendors_to_give_up_once_the_window_is_over() -> None:
    scene = Scene()
    ticket = scene.ticket()
    scene.broker.redeem(claim_of(ticket, 1))
    waiver = {"waived": held_of(ticket).ticket.id}
    with pytest.raises(NotYetValid, match="ticket_not_over"):
        scene.broker.redeem(waiver)
    end(scene, ticket)
    with pytest.raises(WrongVendor, match="claim_of_another_vendor"):
        scene.broker.redeem(waiver, "daily")
    assert scene.broker.redeem(waiver) == 0
    assert scene.micro("disputed") == 0
    assert scene.micro("payer", PAYER) == 12 * UNIT_MICRO - ESCROW_MICRO
    with pytest.raises(Forged, match="ticket_unknown"):
        scene.broker.redeem(waiver)


def test_if_nobody_gives_way_it_is_neither_sides_nor_the_brokers() -> None:
    scene = Scene()
    ticket = scene.ticket()
    scene.broker.redeem(claim_of(ticket, 1))
    end(scene, ticket)
    assert scene.micro("disputed") == UNIT_MICRO
    scene.pass_time(DISPUTE_S)
    assert scene.micro("unclaimed") == UNIT_MICRO
    assert scene.micro("disputed") == scene.micro("breakage") == 0


def test_a_ticket_is_put_away_once_it_is_over() -> None:
    scene = Scene()
    ticket = scene.ticket()
    collecting = {"ticket": held_of(ticket).ticket.id}
    with pytest.raises(NotYetValid, match="ticket_not_over"):
        run(scene, "take_back", collecting)
    end(scene, ticket)
    before = dict(scene.broker.balances)
    assert run(scene, "take_back", collecting) == {"collected": collecting["ticket"]}
    assert dict(scene.broker.balances) == before


def test_a_vendor_grants_one_key_and_no_other() -> None:
    scene = Scene()
    key = codec.b64u(canary("k-vb-new", 32))
    assert run(scene, "grant", {"key": key}, vendor_account("weekly")) == {"granted": "weekly"}
    found = scene.broker.ring.find(VENDOR_KEY, "weekly")
    assert found is not None
    assert codec.b64u(found.secret) == key
    run(scene, "grant", {"key": key}, vendor_account("weekly"))
    with pytest.raises(Conflict, match="vendor_key_granted"):
        run(scene, "grant", {"key": codec.b64u(bytes(32))}, vendor_account("weekly"))
    with pytest.raises(Denied):
        run(scene, "grant", {"key": key})


def test_other_operations_are_not_its_own() -> None:
    with pytest.raises(Unsupported, match="operation_unsupported"):
        run(Scene(), "status", {})
