"""The thefts that a broker's books allow, each with the findings that name it."""

import json
from collections.abc import Callable

from tests.unit.auditing.thieves import Theft, Thief

THEFTS: dict[str, tuple[Theft, set[str]]] = {}
"""By name: what the thief does, and the findings that name it. The chain is written anew after."""


def theft(*codes: str) -> Callable[[Theft], Theft]:
    def keep(steal: Theft) -> Theft:
        THEFTS[steal.__name__.replace("_", " ")] = (steal, set(codes))
        return steal

    return keep


@theft("posting_not_allowed")
def minted_without_deposit(thief: Thief) -> None:
    seq, body = thief.find("topup")
    body["postings"][0][0] = "equity/rounding"
    thief.rewrite(seq, body)
    thief.rebalance()


@theft("balance_differs", "books_do_not_sum_to_zero")
def a_balance_raised(thief: Thief) -> None:
    thief.move("liability/payer/alice", -5_000)


@theft("balance_differs")
def a_balance_taken_from_another(thief: Thief) -> None:
    thief.move("liability/payer/alice", -5_000)
    thief.move("liability/payer/bob", 5_000)


@theft("entry_unbalanced", "books_do_not_sum_to_zero")
def a_posting_deleted(thief: Thief) -> None:
    seq, body = thief.find("transfer")
    body["postings"] = [body["postings"][1]] * 2
    thief.rewrite(seq, body)
    thief.rebalance()


@theft("entry_missing")
def an_entry_deleted(thief: Thief) -> None:
    seq, _ = thief.find("take_back")
    thief.run("DELETE FROM entries WHERE seq = ?", (seq,))
    thief.rebalance()


@theft("earnings_overstated")
def an_entry_deleted_and_the_numbers_closed(thief: Thief) -> None:
    thief.drop(thief.entries("redeem")[1][0])
    thief.rebalance()


@theft("share_wrong")
def an_amount_edited(thief: Thief) -> None:
    seq, body = thief.find("commission")
    body["postings"][0][1] += 5
    body["postings"][1][1] -= 5
    thief.rewrite(seq, body)
    thief.rebalance()


@theft(
    "account_below_floor",
    "balance_differs",
    "entry_unreadable",
    "scheme_not_conserved",
    "statement_differs",
)
def an_amount_that_is_no_number(thief: Thief) -> None:
    seq, body = thief.find("issue")
    body["postings"][0][1] = 1001.5
    thief.rewrite(seq, body)


@theft("earnings_overstated", "earnings_unshared")
def a_swapped_payee(thief: Thief) -> None:
    seq, body = thief.entries("redeem")[1]
    body["postings"][1][0] = "liability/vendor/v8"
    thief.rewrite(seq, body)
    thief.rebalance()


@theft("earnings_unshared", "entry_back_dated", "entry_twice", "mark_used_twice")
def a_claim_paid_twice_by_its_own_entry(thief: Thief) -> None:
    _, body = thief.find("redeem")
    raw = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    entry_id = bytes.fromhex(body["id"])
    thief.run("INSERT INTO entries (id, body, hash) VALUES (?, ?, x'')", (entry_id, raw))
    thief.rebalance()


@theft("earnings_unshared", "mark_used_twice")
def a_claim_paid_twice_by_another_entry(thief: Thief) -> None:
    _, body = thief.entries("redeem")[-1]
    thief.insert(body | {"id": "ab" * 16})
    thief.rebalance()


@theft("statement_differs")
def a_statement_edited(thief: Thief) -> None:
    thief.run("UPDATE lines SET amount = amount - 5 WHERE account = 'liability/payer/alice'")


@theft("statement_differs")
def a_line_left_out_of_a_statement(thief: Thief) -> None:
    thief.run("DELETE FROM lines WHERE seq = (SELECT max(seq) FROM lines)")


@theft("earnings_unshared", "mark_missing")
def a_claim_that_nobody_made(thief: Thief) -> None:
    _, body = thief.entries("redeem")[-1]
    body.pop("notes")
    thief.insert(body | {"id": "ab" * 16})
    thief.rebalance()


@theft("account_below_floor", "hold_returned_elsewhere", "scheme_not_conserved")
def a_reservation_given_to_another(thief: Thief) -> None:
    seq, body = thief.find("void")
    body["postings"][1][0] = "liability/payer/bob"
    thief.rewrite(seq, body)
    thief.rebalance()


@theft("payout_differs", "posting_not_allowed")
def a_payout_booked_backwards(thief: Thief) -> None:
    seq, body = thief.entries("payout")[1]
    body["postings"] = [[name, -micro] for name, micro in body["postings"]]
    thief.rewrite(seq, body)
    thief.rebalance()


@theft("posting_not_allowed")
def a_scheme_that_spends_the_money_of_another(thief: Thief) -> None:
    seq, body = thief.find("redeem")
    thief.rewrite(seq, body | {"ref": "tab"})


@theft("entry_id_differs")
def a_transfer_that_looks_undone(thief: Thief) -> None:
    seq, _ = thief.find("transfer")
    thief.run("UPDATE entries SET id = zeroblob(16) WHERE seq = ?", (seq,))


@theft("row_unreadable")
def a_balance_that_is_no_number(thief: Thief) -> None:
    thief.run("UPDATE accounts SET balance = 'much' WHERE name = 'liability/payer/alice'")


@theft("row_unreadable")
def a_published_document_that_is_none(thief: Thief) -> None:
    thief.run("INSERT INTO settings VALUES ('published/2026-01-01', 'nothing')")


@theft("row_unreadable")
def a_reservation_that_is_none(thief: Thief) -> None:
    thief.run(
        "INSERT INTO reservations VALUES ('t', 'v', 's', 0, 'reserved', 0, '', 0, x'', x'00', x'')"
    )


@theft("limit_differs")
def a_floor_that_was_lowered(thief: Thief) -> None:
    thief.run("UPDATE accounts SET low = low - 1 WHERE name = 'liability/payer/alice'")


@theft("mark_removed")
def a_mark_removed(thief: Thief) -> None:
    thief.run("DELETE FROM once WHERE id IN (SELECT id FROM once LIMIT 1)")


@theft("mark_removed")
def a_counter_removed(thief: Thief) -> None:
    thief.run("DELETE FROM counters")


@theft("counter_set_back")
def a_counter_set_back(thief: Thief) -> None:
    thief.run("UPDATE counters SET place = 1")


@theft("counter_used_twice", "earnings_unshared")
def steps_of_a_chain_paid_twice(thief: Thief) -> None:
    _, body = thief.entries("redeem")[-2]
    assert any(note.startswith("advance") for note in body["notes"])
    thief.insert(body | {"id": "ab" * 16, "at_s": thief.entries("redeem")[-1][1]["at_s"]})
    thief.rebalance()


@theft("entry_back_dated")
def a_back_dated_entry(thief: Thief) -> None:
    seq, body = thief.entries("issue")[-1]
    thief.rewrite(seq, body | {"at_s": body["at_s"] - 86_400})


@theft(
    "counter_skipped",
    "counter_used_twice",
    "earnings_overstated",
    "entry_back_dated",
    "rate_differs",
    "statement_differs",
)
def a_reordered_log(thief: Thief) -> None:
    last = int(thief.run("SELECT max(seq) FROM entries").get)
    earlier, _ = thief.entries("redeem")[3]
    for seq, to in ((last, 0), (earlier, last), (0, earlier)):
        thief.run("UPDATE entries SET seq = ? WHERE seq = ?", (to, seq))


@theft("carry_differs")
def a_wrong_rounding_kept(thief: Thief) -> None:
    thief.run("UPDATE parties SET carry = 0 WHERE id = 'v7'")


@theft("carry_differs", "earnings_overstated")
def a_fee_taken_twice(thief: Thief) -> None:
    _, body = thief.entries("commission")[-1]
    thief.insert(body | {"id": "ab" * 16})
    thief.rebalance()


@theft("share_wrong")
def a_fee_without_a_reason(thief: Thief) -> None:
    _, body = thief.entries("commission")[-1]
    body.pop("notes")
    thief.insert(body | {"id": "ab" * 16})
    thief.rebalance()


@theft("entry_kind_unknown", "mark_used_twice", "scheme_not_conserved")
def a_refund_of_no_sale(thief: Thief) -> None:
    _, body = thief.find("take_back")
    thief.insert(body | {"id": "ab" * 16, "kind": "refund"})
    thief.rebalance()


@theft("account_below_floor")
def a_take_back_of_what_was_spent(thief: Thief) -> None:
    _, body = thief.find("take_back")
    body = body | {"id": "ab" * 16, "notes": [f"once {b'coupon/once/x'.hex()} 1"]}
    body["postings"] = [[name, micro * 1_000] for name, micro in body["postings"]]
    thief.insert(body)
    thief.rebalance()


@theft(
    "account_below_floor",
    "balance_differs",
    "books_do_not_sum_to_zero",
    "earnings_unshared",
    "hold_ended_twice",
)
def a_reservation_captured_twice(thief: Thief) -> None:
    _, body = thief.find("capture")
    thief.insert(body | {"id": "ab" * 16, "notes": ["once 00 1"]})
    thief.rebalance()


@theft("reservation_without_hold")
def a_reservation_invented(thief: Thief) -> None:
    thief.run(
        "UPDATE reservations SET state = 'reserved', "
        "postings = CAST('[[\"liability/payer/bob\",7]]' AS BLOB)"
    )


@theft("account_below_floor", "hold_without_reservation")
def money_held_for_nobody(thief: Thief) -> None:
    thief.drop(thief.entries("void")[-1][0])
    thief.rebalance()


@theft("payout_without_entry")
def a_payout_that_was_never_booked(thief: Thief) -> None:
    thief.run(
        "INSERT INTO payouts SELECT 'po_x', party, name, rail, destination, amount, 'planned', "
        "at_s FROM payouts LIMIT 1"
    )


@theft("payout_differs")
def a_payout_raised(thief: Thief) -> None:
    thief.run("UPDATE payouts SET amount = amount * 2 WHERE state = 'confirmed'")


@theft("payout_differs")
def a_payout_sent_twice(thief: Thief) -> None:
    thief.run("UPDATE payouts SET state = 'planned' WHERE state = 'confirmed'")


@theft("limit_differs")
def a_credit_limit_raised(thief: Thief) -> None:
    thief.run("UPDATE accounts SET high = 10000000 WHERE name = 'asset/credit/alice'")


@theft("limit_differs")
def an_overdraft_allowed(thief: Thief) -> None:
    thief.run("UPDATE accounts SET high = 10000000 WHERE name = 'liability/payer/bob'")


@theft("reference_booked_twice")
def a_deposit_booked_twice(thief: Thief) -> None:
    _, body = thief.find("topup")
    last = thief.entries("redeem")[-1][1]["at_s"]
    thief.insert(body | {"id": "ab" * 16, "at_s": last})
    thief.rebalance()


@theft("account_not_in_chart", "balance_differs", "books_do_not_sum_to_zero", "posting_not_allowed")
def money_put_where_nobody_looks(thief: Thief) -> None:
    thief.append("transfer", "", {"liability/payer/bob": 5, "liability/offshore/me": -5})


@theft("scheme_not_conserved", "balance_differs", "books_do_not_sum_to_zero")
def value_minted_beside_the_journal(thief: Thief) -> None:
    thief.run(
        "UPDATE accounts SET balance = balance - 700 WHERE name LIKE 'liability/outstanding/%'"
    )


@theft("currency_differs")
def another_unit(thief: Thief) -> None:
    head = thief.run("SELECT hash FROM entries WHERE seq = 1").get
    document = json.dumps({"entries": 1, "head": head.hex(), "currency": "eur"})
    thief.run("INSERT INTO settings VALUES ('published/2027-01-15', ?)", (document,))
    thief.run("UPDATE settings SET value = 'jpy' WHERE name = 'currency'")
