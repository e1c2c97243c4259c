"""A recount of three records finds where one of them is wrong."""

import re
from typing import Any

import pytest

from farthing.lab.faults import CALM, JUMP_S
from farthing.lab.invariants import Place
from farthing.lab.liveness import finish
from farthing.lab.payer import PayerParty
from farthing.lab.recount import open_matters, require_honest_sums, require_sums
from farthing.lab.world import World
from farthing.ledger import accounts
from farthing.schemes import registry

DRAWN = [one.traits.name for one in registry.all_schemes() if one.traits.drawn]


def finished(world: World) -> World:
    world.run(world.act(range(30), CALM))
    world.run(finish(world))
    assert world.ground.checks.findings == []
    return world


def test_a_purchase_that_is_not_finished_is_an_open_matter() -> None:
    with World(9) as world:
        finished(world)
        assert open_matters(world) == []
        payer = next(p for p in world.payers if p.book and p.book.history())
        payer.connection.execute(
            "UPDATE purchases SET state = 'undecided' WHERE id = (SELECT min(id) FROM purchases)"
        )
        assert [matter for matter in open_matters(world) if "undecided" in matter]


@pytest.mark.parametrize(
    ("whose", "query", "finds"),
    [
        ("payer", "UPDATE purchases SET state = 'released'", "no wallet knows"),
        ("broker", "DELETE FROM entries WHERE seq = 30", "audit"),
    ],
)
def test_records_that_disagree_are_found(whose: str, query: str, finds: str) -> None:
    with World(9) as world:
        finished(world)
        if whose == "payer":
            for payer in world.payers:
                payer.connection.execute(query)
        else:
            world.broker.connection.execute(query)
        require_sums(world)
        assert any(finds in finding for finding in world.ground.checks.findings)


@pytest.mark.parametrize(
    ("whose", "finds"),
    [("payer", "never took it"), ("vendor", "its payer paid"), ("account", "5 too much")],
)
def test_where_somebody_cheats_the_records_of_the_honest_are_compared(
    whose: str, finds: str
) -> None:
    with World(9) as world:
        finished(world)
        checks, payer = world.ground.checks, next(p for p in world.payers if _bought(p))
        vendor_id, k = _bought(payer)[0]
        if whose == "payer":
            del checks.sold[vendor_id][k]
        elif whose == "vendor":
            checks.sold[vendor_id][k] += 1
        else:
            world.topped_up[payer.name] -= 5
        require_honest_sums(world, {payer.name, vendor_id})
        assert checks.findings == [], "what crooks say is not believed"
        require_honest_sums(world, set())
        assert [finding for finding in checks.findings if finds in finding]


def test_where_somebody_cheats_the_books_are_audited() -> None:
    with World(9) as world:
        finished(world)
        world.broker.connection.execute("DELETE FROM entries WHERE seq = 30")
        require_honest_sums(world, {payer.name for payer in world.payers})
        findings = world.ground.checks.findings
        assert findings
        assert all(finding.startswith("audit: ") for finding in findings)


def test_where_somebody_cheats_nothing_of_the_honest_stays_open() -> None:
    with World(9) as world:
        finished(world)
        payer = next(p for p in world.payers if p.book and p.book.history())
        payer.connection.execute(
            "UPDATE purchases SET state = 'undecided' WHERE id = (SELECT min(id) FROM purchases)"
        )
        require_honest_sums(world, {payer.name})
        frozen = [it for it in world.ground.checks.findings if it.startswith("frozen: ")]
        assert frozen == [], "what crooks leave open is their own matter"
        require_honest_sums(world, set())
        (found,) = [it for it in world.ground.checks.findings if it.startswith("frozen: ")]
        assert f"undecided purchases of {payer.name}" in found


def _bought(payer: PayerParty) -> list[tuple[str, str]]:
    """Vendor and K of what a wallet has paid."""
    assert payer.book is not None
    done = [one.id for one in payer.book.history() if one.state == "done"]
    made = [payer.book.purchase(name) for name in done]
    return [(one.vendor_id, one.k) for one in made]


def test_money_that_goes_to_a_bank_twice_is_found() -> None:
    with World(9) as world:
        payer = world.payers[0]
        state = world.run(world.pay_out(payer, 20_000, ("exported", "confirmed")))
        assert state == "confirmed"
        finished(world)
        checks = world.ground.checks
        checks.paid_out[accounts.payer(payer.name)] += 20_000
        doubled = checks.paid_out[accounts.payer(payer.name)]
        require_sums(world)
        assert [it for it in checks.findings if f"{doubled} went from" in it]


def test_money_that_went_to_a_bank_and_came_back_is_its_payers_again() -> None:
    with World(9) as world:
        payer = world.payers[0]
        states = ("exported", "confirmed", "returned")
        assert world.run(world.pay_out(payer, 20_000, states)) == "returned"
        assert world.run(world.pay_out(payer, 20_000, ())) == "planned"
        assert world.paid_out[accounts.payer(payer.name)] == 20_000
        finished(world)


def test_money_that_came_from_nowhere_is_found() -> None:
    with World(9) as world:
        finished(world)
        world.topped_up[world.payers[0].name] -= 5
        world.ground.checks.earned[world.vendors[0].name] += 7
        require_sums(world)
        findings = world.ground.checks.findings
        assert any("5 too much" in finding for finding in findings)
        assert any(finding.startswith("vendor0 earned") for finding in findings)


@pytest.mark.parametrize("scheme", DRAWN)
def test_what_luck_brought_a_vendor_is_what_it_cost_payers(scheme: str) -> None:
    with World(10, [scheme]) as world:
        finished(world)
        checks = world.ground.checks
        luck = {micro: drawn for drawn in checks.drawn.values() for micro in drawn.values()}
        assert min(luck) < 0 < max(luck), "some draws bring more than a price, some nothing"
        drawn = luck[max(luck)]
        drawn[max(drawn, key=lambda k: drawn[k])] = 0  # as if it had come to its price
        require_sums(world)
        assert any("earned" in finding for finding in checks.findings)


@pytest.mark.parametrize("scheme", DRAWN)
def test_without_luck_each_payment_comes_to_its_price(scheme: str) -> None:
    with World(9, [scheme], luck=False) as world:
        finished(world)
        luck = world.ground.checks.drawn.values()
        assert {micro for drawn in luck for micro in drawn.values()} == {0}


def found_with(world: World, figures: dict[Any, Any], key: object, changed: object) -> list[str]:
    """What a recount finds with another value in one place, which is put right again."""
    findings, before = world.ground.checks.findings, figures.get(key)
    if changed is None:
        del figures[key]
    else:
        figures[key] = changed
    require_sums(world)
    found = findings.copy()
    findings.clear()
    if before is None:
        del figures[key]
    else:
        figures[key] = before
    return found


def test_a_single_micro_unit_too_much_or_too_little_anywhere_is_found() -> None:
    with World(9) as world:
        finished(world)
        checks, home, payer = world.ground.checks, world.broker.name, world.payers[0]
        seller = next(vendor.name for vendor in world.vendors if checks.sold[vendor.name])
        sold, books = checks.sold[seller], checks.books[home]
        k = next(name for name, micro in sold.items() if micro)
        places: list[tuple[dict[Any, Any], object, str]] = [
            (checks.earned, seller, f"{seller} earned"),
            (checks.fees, seller, "mints charged"),
            (sold, k, "its payer paid"),
            (books, accounts.payer(payer.name), f"{payer.name} has |payers lost"),
            (books, accounts.credit(payer.name), f"{payer.name} has |payers lost"),
            (books, accounts.receivable(payer.name), f"{payer.name} has |payers lost"),
            (world.topped_up, payer.name, f"{payer.name} has |payers lost"),
            (world.came_micro, payer.name, f"{payer.name} has |payers lost"),
            (world.paid_out, accounts.vendor(seller), "was told"),
            (checks.paid_out, accounts.vendor(seller), "was told"),
        ]
        for one in world.schemes:
            if not one.traits.credit:
                name = one.traits.name
                places += [
                    (books, accounts.outstanding(name), f"{name} at {home}: "),
                    (checks.lapsed, (home, name), f"{name} at {home}: "),
                ]
        for other in world.brokers[1:]:
            theirs = checks.books[other.name]
            places += [
                (books, accounts.peer(other.name), f"{other.name} has "),
                (checks.shares, other.name, f"{other.name} has "),
                (theirs, accounts.payer(home), f"{other.name} has "),
            ]
        for figures, key, finds in places:
            for by in (1, -1):
                found = found_with(world, figures, key, figures.get(key, 0) + by)
                assert any(re.match(f".*({finds})", it) for it in found), (key, by, found)
        require_sums(world)
        assert checks.findings == []


def test_a_payment_that_one_side_alone_knows_is_found() -> None:
    with World(9) as world:
        finished(world)
        checks = world.ground.checks
        seller = next(vendor.name for vendor in world.vendors if checks.sold[vendor.name])
        sold = checks.sold[seller]
        k = next(name for name, micro in sold.items() if micro)
        assert any("never took it" in it for it in found_with(world, sold, k, None))
        assert any("no wallet knows" in it for it in found_with(world, sold, "other", 1))
        assert found_with(world, sold, "half", 0) == [], "wallets keep it with the first half"
        assert any("mints charged" in it for it in found_with(world, checks.fees, "nobody", 1))


def test_what_gates_must_remember_is_looked_for_until_its_time() -> None:
    with World(9) as world:
        finished(world)
        checks, vendor = world.ground.checks, world.vendors[0]
        used, places = checks.used[vendor.name], checks.places[vendor.name]
        now_s = world.ground.wall_s()
        for until_s, is_missed in ((now_s, False), (now_s + 1, True)):
            found = found_with(world, used, b"gone", until_s)
            assert found == [f"{vendor.name} has forgotten 1 marks too early"] * is_missed
            found = found_with(world, places, b"gone", Place(3, until_s))
            said = f"{vendor.name} has a counter at None, it was at 3"
            assert found == [said] * is_missed
        vendor.was_wrong = True
        for until_s, count in ((now_s + JUMP_S, 0), (now_s + JUMP_S + 1, 1)):
            assert len(found_with(world, used, b"gone", until_s)) == count


@pytest.mark.parametrize(
    ("whose", "row", "matter"),
    [
        ("broker", "INSERT INTO holds VALUES (x'00', 'tx_1')", "holds of broker: tx_1"),
        (
            "broker",
            "INSERT INTO reservations VALUES ('tx_1', 'v', 's', 1, 'reserved', 0, '', 0, x'', x'',"
            " x'')",
            "reservations of broker: tx_1",
        ),
        (
            "broker",
            "INSERT INTO errands VALUES ('e1', 's', 'k', 0, 0, x'')",
            "errands of broker: e1",
        ),
    ],
)
def test_what_a_broker_has_not_ended_is_an_open_matter(whose: str, row: str, matter: str) -> None:
    with World(9, ["payword"]) as world:
        assert open_matters(world) == []
        world.broker.connection.execute(row)
        assert open_matters(world) == [matter.replace(whose, world.broker.name)]
        require_honest_sums(world, set())
        assert f"frozen: {open_matters(world)[0]}" in world.ground.checks.findings


def test_what_wallets_hold_is_what_the_books_have_out() -> None:
    with World(9, ["ecash"]) as world:
        world.run(world.act(range(30), CALM))
        world.run(world.settle())
        assert any(payer.held() for payer in world.payers)
        books, name = (
            world.ground.checks.books[world.broker.name],
            accounts.outstanding("ecash", "x"),
        )
        for by in (0, 1, -1):
            found = found_with(world, books, name, by)
            assert any("is outstanding" in it for it in found) == bool(by), (by, found)
