"""One forged entry in a journal that fits otherwise: appended, or with its amount edited.

Whoever forges it moves the balances and statements along and writes the chain of hashes anew.
"""

from tests.unit.auditing.thefts import theft
from tests.unit.auditing.thieves import Thief, pool

BOB, ALICE = "liability/payer/bob", "liability/payer/alice"
V8, BANK = "liability/vendor/v8", "asset/bank/manual"
MANY = 10_000


def out(scheme: str) -> str:
    return f"liability/outstanding/{scheme}"


@theft("records_differ", "posting_not_allowed", "scheme_not_conserved")
def value_voided_that_nobody_reserved(thief: Thief) -> None:
    thief.sell("netcash")
    thief.append("void", "netcash", {out("netcash"): MANY, ALICE: -MANY})


@theft("records_differ", "posting_not_allowed", "scheme_not_conserved", "earnings_unshared")
def value_captured_that_nobody_reserved(thief: Thief) -> None:
    thief.sell("netcash")
    thief.append("capture", "netcash", {out("netcash"): MANY, V8: -MANY}, f"once {b'n'.hex()} 1")


@theft(
    "records_differ", "hold_returned_elsewhere", "scheme_not_conserved", "reservation_without_hold"
)
def a_reservation_of_one_scheme_that_ends_in_another(thief: Thief) -> None:
    hold = "liability/hold/tx_1"
    thief.sell("netcash")
    thief.append("reserve", "netcash", {out("netcash"): MANY, hold: -MANY}, number=1)
    thief.append("void", "coupon", {hold: MANY, out("coupon"): -MANY}, number=2)
    thief.run(
        "INSERT INTO reservations VALUES ('tx_1', 'v8', 'netcash', 1, 'reserved', 0, 'void', 0, "
        "x'', CAST('[[\"liability/outstanding/netcash\",10000]]' AS BLOB), x'')"
    )


@theft("hold_returned_elsewhere")
def a_reservation_captured_for_another_payer(thief: Thief) -> None:
    hold = "liability/hold/tx_1"
    thief.append("reserve", "tab", {BOB: MANY, hold: -MANY}, number=1)
    thief.append("capture", "tab", {hold: MANY, ALICE: -MANY}, "once 00 1", number=2)


@theft("posting_not_allowed")
def money_reserved_twice_by_one_entry(thief: Thief) -> None:
    one, other = "liability/hold/tx_1", "liability/hold/tx_2"
    thief.append("reserve", "tab", {BOB: MANY, one: -5, other: 5 - MANY})


@theft("reservation_without_hold")
def a_reservation_that_shall_go_back_to_another(thief: Thief) -> None:
    hold = "liability/hold/tx_1"
    thief.append("reserve", "tab", {BOB: 7, hold: -7})
    thief.run(
        "INSERT INTO reservations VALUES ('tx_1', 'v8', 'tab', 1, 'reserved', 0, 'void', 0, x'', "
        "CAST('[[\"liability/payer/alice\",7]]' AS BLOB), x'')"
    )


@theft("records_differ", "posting_not_allowed", "scheme_not_conserved")
def value_granted_to_a_vendor(thief: Thief) -> None:
    thief.sell("millicent")
    thief.append("grant", "millicent", {out("millicent/v8"): MANY, V8: -MANY})


@theft("posting_not_allowed")
def a_payer_robbed_by_a_grant(thief: Thief) -> None:
    thief.append("grant", "millicent", {BOB: MANY, V8: -MANY})


@theft("records_differ", "posting_not_allowed", "scheme_not_conserved")
def value_found_by_a_payer(thief: Thief) -> None:
    thief.sell("millicent")
    thief.append("found", "millicent", {out("millicent/v8"): MANY, ALICE: -MANY})


@theft("records_differ", "posting_not_allowed")
def value_that_lapses_to_a_payer(thief: Thief) -> None:
    thief.sell("millicent")
    thief.append("lapse", "millicent", {out("millicent/v8"): MANY, ALICE: -MANY})


@theft("records_differ", "posting_not_allowed")
def value_issued_backwards(thief: Thief) -> None:
    thief.sell("netcash")
    thief.append("issue", "netcash", {out("netcash"): MANY, ALICE: -MANY})


@theft("posting_not_allowed")
def coins_of_a_scheme_that_has_none(thief: Thief) -> None:
    thief.append("issue", "payword", {BOB: MANY, out("payword"): -MANY})


@theft("counter_skipped", "earnings_unshared")
def steps_of_a_chain_left_out(thief: Thief) -> None:
    word, mark, _, to, until_s = thief.entries("redeem")[5][1]["notes"][0].split(" ")
    place = int(to) + 500
    thief.run("UPDATE counters SET place = ? WHERE id = ?", (place + 1, bytes.fromhex(mark)))
    note = f"{word} {mark} {place} {place + 1} {until_s}"
    thief.append("redeem", "tab", {BOB: 1, V8: -1}, note)


@theft("counter_skipped", "earnings_unshared")
def a_chain_that_begins_in_its_middle(thief: Thief) -> None:
    thief.append("redeem", "tab", {BOB: 1, V8: -1}, "advance 00 500 501 1")


@theft("steps_mispriced", "earnings_unshared")
def a_credit_claim_raised(thief: Thief) -> None:
    claim_steps(thief)
    raise_by(thief, -1, 13_000, "redeem")


@theft("steps_mispriced", "earnings_unshared")
def a_step_that_is_no_whole_price(thief: Thief) -> None:
    claim_steps(thief)
    raise_by(thief, -2, 1, "redeem")


@theft("earnings_unshared")
def a_claim_raised(thief: Thief) -> None:
    raise_by(thief, -1, 400, "redeem")


@theft("payout_differs")
def a_payout_raised_in_the_journal(thief: Thief) -> None:
    raise_by(thief, 0, 5, "payout")


@theft("rate_differs")
def a_share_at_three_times_the_rate(thief: Thief) -> None:
    seq, body = thief.entries("commission")[-1]
    word, account, earned, rate, before, _ = body["notes"][0].split(" ")
    due, left = divmod(int(earned) * int(rate) * 3 + int(before), 10_000)
    body["notes"] = [f"{word} {account} {earned} {int(rate) * 3} {before} {left}"]
    body["postings"] = [[account, due], ["income/commission", -due]]
    thief.rewrite(seq, body)
    thief.run("UPDATE parties SET carry = ? WHERE id = ?", (left, account.split("/")[2]))
    thief.rebalance()


@theft("rate_differs")
def a_contract_raised(thief: Thief) -> None:
    thief.run("UPDATE parties SET commission = commission * 3 WHERE id = 'v7'")


@theft("share_wrong")
def a_share_of_one_vendor_that_another_pays(thief: Thief) -> None:
    note = "share liability/vendor/v7 0 333 {0} {0}"
    carry = thief.run("SELECT carry FROM parties WHERE id = 'v7'").get
    moved = {V8: 5, "income/commission": -5}
    thief.append("commission", "v7", moved, note.format(carry))


@theft("reference_booked_twice")
def a_payment_of_a_peer_booked_twice(thief: Thief) -> None:
    for number in (1, 2):
        thief.append("peer", "once", {BANK: 5_000, "asset/peer/north": -5_000}, number=number)


@theft("scheme_not_conserved", "balance_differs", "books_do_not_sum_to_zero")
def coins_minted_above_what_was_paid(thief: Thief) -> None:
    thief.sell("ecash")
    thief.move(out("ecash/e9-k1"), -MANY)


@theft("account_below_floor", "earnings_unshared")
def coins_of_a_keyset_above_what_it_sold(thief: Thief) -> None:
    pool = out("ecash/e9-k1")
    thief.sell("ecash", MANY)
    thief.append("redeem", "ecash", {pool: MANY + 1, V8: -MANY - 1}, "once 00 1")
    thief.run(
        "UPDATE records SET value = CAST('-1' AS BLOB) WHERE key = CAST('ecash/out/9-k1' AS BLOB)"
    )


@theft("records_differ", "account_below_floor", "earnings_unshared")
def a_coin_from_a_retired_key(thief: Thief) -> None:
    pool = out("ecash/e9-k1")
    thief.sell("ecash", MANY)
    thief.append("lapse", "ecash", {pool: MANY, "income/breakage": -MANY}, number=2)
    thief.run("DELETE FROM records WHERE key = CAST('ecash/out/9-k1' AS BLOB)")
    thief.append("redeem", "ecash", {pool: MANY, V8: -MANY}, "once 00 1", number=3)


@theft("records_differ", "mark_missing", "earnings_unshared")
def a_receipt_without_a_payment(thief: Thief) -> None:
    thief.sell("millicent")
    thief.append("redeem", "millicent", {out("millicent/v8"): MANY, V8: -MANY})


@theft("mark_used_twice", "earnings_unshared")
def a_receipt_replayed_at_another_vendor(thief: Thief) -> None:
    _, body = thief.entries("redeem")[0]
    moved = {out("coupon"): 1_001, V8: -1_001}
    thief.append("redeem", "coupon", moved, *body["notes"])


@theft("counter_used_twice", "earnings_unshared")
def a_ticket_that_wins_twice(thief: Thief) -> None:
    prize = {BOB: MANY, V8: -MANY}
    until_s = 2**40
    for number in (1, 2):
        ticket, wins = f"advance 01 0 1 {until_s}", f"advance 02 {number - 1} {number} {until_s}"
        thief.append("redeem", "ticket", prize, ticket, wins, number=number)
    for mark, place in ((b"\1", 1), (b"\2", 2)):
        thief.run("INSERT INTO counters VALUES (?, ?, x'', ?)", (mark, place, until_s))


@theft("steps_mispriced", "earnings_unshared")
def a_ticket_whose_prize_was_raised(thief: Thief) -> None:
    until_s = 2**40
    for number in (1, 2):
        ticket = f"advance 1{number} 0 1 {until_s}"
        wins = f"advance 02 {number - 1} {number} {until_s}"
        prize = MANY * number
        thief.append("redeem", "ticket", {BOB: prize, V8: -prize}, ticket, wins, number=number)
    for mark, place in ((b"\x11", 1), (b"\x12", 1), (b"\2", 2)):
        thief.run("INSERT INTO counters VALUES (?, ?, x'', ?)", (mark, place, until_s))


@theft("value_without_end")
def value_frozen_for_ever(thief: Thief) -> None:
    thief.sell("netcash")
    thief.run("DELETE FROM due")


@theft("records_differ")
def coins_taken_off_the_list(thief: Thief) -> None:
    thief.sell("netcash")
    thief.run("DELETE FROM records WHERE key > CAST('netcash/' AS BLOB)")


@theft("records_differ")
def value_issued_for_more_than_was_paid(thief: Thief) -> None:
    thief.sell("millicent")
    thief.run("UPDATE records SET value = ? WHERE value = ?", (pool(999_999), pool(900_000)))


def claim_steps(thief: Thief) -> None:
    """Two claims of one chain, 20 and 13 steps of it."""
    for number, (over, to) in enumerate(((0, 20), (20, 33))):
        note, moved = (
            f"advance 0c {over} {to} {2**40}",
            {BOB: 3 * (to - over), V8: -3 * (to - over)},
        )
        thief.append("redeem", "payword", moved, note, number=number)
    thief.run("INSERT INTO counters VALUES (x'0c', 33, x'', ?)", (2**40,))


def raise_by(thief: Thief, index: int, micro: int, kind: str) -> None:
    """Another amount in one entry."""
    seq, body = thief.entries(kind)[index]
    assert len(body["postings"]) == 2
    for posting in body["postings"]:
        posting[1] += micro if posting[1] > 0 else -micro
    thief.rewrite(seq, body)
    thief.rebalance()
