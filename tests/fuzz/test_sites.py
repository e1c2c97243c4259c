"""Whatever reads what somebody else wrote is fed by the table, or has its reason."""

from functools import cache

from tests.fuzz.reached import SOURCE, called
from tests.fuzz.sites import Site, sites
from tests.fuzz.table import table

OWN_ROW = "reads what this program itself has stored, in its own file or under its own seal"
OWN_ENTRY = "reads what this program has written into its own journal, which the auditor reads too"
OWN_INSTRUMENT = "reads an instrument of its own wallet, which a purse has checked when it came"
OWN_RECORD = "reads a record that this scheme has written in its own store"
CHECKED = ", and decodes what its check has read"
OTHERS = "is named so, and gives others bytes to read that come from their own rows"
LIKE = "asks over HTTP, and reads the answer with what this row feeds: "
LIKE_FILE = "reads a file as somebody gave it, and gives it to what this row feeds: "
UNHEARD = "its message is in no conversation of the lab; its unit tests have the inputs: "
AS_OPTION = "is of an option whose payments its row does not begin with; the inputs are in "
DEMO = "of the demonstration, which reads what its own broker and gate have said"

EXCUSED = {
    "auditing/records.py parts_of": "`compare` notes whatever it raises: " + OWN_ROW,
    "broker/answers.py unpack": OWN_ROW,
    "broker/cashu/loading.py _require_owner": UNHEARD + "test_loading.py",
    "broker/conflicts.py _found": OWN_ROW,
    "broker/checks.py check_tasks": LIKE + "codec.read_json, and the scheme's mint",
    "broker/courier.py HttpCourier.carry": LIKE + "broker.courier.answer",
    "broker/courier.py HttpCourier.meet": LIKE + "wallet.account.balance",
    "broker/errands.py Errands._read": OWN_ROW,
    "broker/fast.py Fast._settle": LIKE + "broker.fast.verify",
    "broker/publishing.py last_s": OWN_ROW,
    "broker/redeeming.py Redeeming._one": OWN_ROW,
    "broker/reservations.py _read": OWN_ROW,
    "broker/settling.py Settling._answer": OWN_ROW,
    "broker/settling.py Settling._reserved": OWN_ROW,
    "broker/store.py _payout": OWN_ROW,
    "broker/web.py problem_of": "reads a problem body that it has just written",
    "cli/broker_disputes.py _keys_of": LIKE + "schemes.attestations.keys",
    "cli/broker_disputes.py judge": "reads a file; test_broker_disputes.py has the inputs",
    "cli/broker_disputes.py verify_proof": LIKE_FILE + "schemes.attestations.verify",
    "cli/attempts.py _code": DEMO,
    "cli/attempts.py _tamper": DEMO,
    "cli/bookkeeping.py publish": OWN_ROW,
    "cli/broker.py buy": LIKE + "codec.read_json",
    "cli/broker.py keys": OWN_ROW,
    "cli/showroom.py Showroom._vendor": DEMO,
    "ledger/transfers.py read": OWN_ENTRY,
    "schemes/chain/agent/mint.py AgentMint.account_in": OWN_RECORD,
    "schemes/chain/agent/mint.py AgentMint.lapse": OWN_RECORD,
    "schemes/chain/agent/mint.py AgentMint.put_back": OWN_RECORD,
    "schemes/chain/agent/mint.py _give_back": OWN_RECORD,
    "schemes/chain/agent/purse.py AgentPurse.give_back": OWN_INSTRUMENT,
    "schemes/chain/agent/purse.py AgentPurse.merge": OWN_INSTRUMENT,
    "schemes/chain/agent/purse.py AgentPurse.prove": OWN_INSTRUMENT,
    "schemes/chain/agent/reports.py Paying.__init__": OWN_RECORD,
    "schemes/chain/agent/reports.py Paying.decided": OWN_RECORD + CHECKED,
    "schemes/chain/agent/reports.py judged": UNHEARD + "agent/test_reports.py",
    "schemes/chain/credit/contradictions.py judged": UNHEARD + "credit/test_contradictions.py",
    "schemes/chain/credit/contradictions.py _evidence": OWN_RECORD,
    "vendor/disputing.py conflicts": OWN_RECORD,
    "schemes/chain/agent/till.py AgentTill.sweep": OWN_RECORD,
    "schemes/chain/credit/promised.py _read": OWN_RECORD,
    "schemes/chain/credit/purse.py CreditPurse.give_back": OWN_INSTRUMENT,
    "schemes/chain/credit/purse.py CreditPurse.is_billed": OWN_INSTRUMENT,
    "schemes/chain/credit/purse.py CreditPurse.prove": OWN_INSTRUMENT,
    "schemes/chain/credit/reserve.py given_back": OWN_RECORD,
    "schemes/chain/credit/reserve.py read": OWN_RECORD,
    "schemes/chain/ecoupon/mint.py EcouponMint.due": "decodes a word that `check` has read",
    "schemes/chain/ecoupon/purse.py EcouponPurse.secret_of": OWN_INSTRUMENT,
    "schemes/chain/ecoupon/purse.py EcouponPurse.share": OWN_INSTRUMENT,
    "schemes/chain/ecoupon/tesla.py Known.after": AS_OPTION + "test_tesla.py",
    "schemes/chain/ecoupon/tesla.py Known.read": OWN_RECORD,
    "schemes/chain/ecoupon/tesla.py begin": AS_OPTION + "test_tesla.py",
    "schemes/chain/ecoupon/till.py EcouponTill._unproved": AS_OPTION + "test_tesla.py",
    "schemes/chain/ecoupon/till.py EcouponTill.sweep": OWN_RECORD,
    "schemes/chain/ikp.py IkpTill.disclose": OWN_RECORD,
    "schemes/chain/ticket/mint.py TicketMint.proofs": UNHEARD + "test_mint.py",
    "schemes/chain/ticket/mint.py TicketMint.verify_claim": UNHEARD + "test_mint.py",
    "schemes/chain/ticket/purse.py TicketPurse.secret_of": OWN_INSTRUMENT,
    "schemes/chain/ticket/till.py TicketTill.sweep": OWN_RECORD,
    "schemes/chain/upayword/commitment.py Continuation.verify": UNHEARD + "test_commitment.py",
    "schemes/chain/upayword/mint.py UpaywordMint.due": "decodes a word that `check` has read",
    "schemes/chain/upayword/purse.py UpaywordPurse.secret_of": OWN_INSTRUMENT,
    "schemes/chain/upayword/purse.py _next": OWN_INSTRUMENT,
    "schemes/chain/upayword/till.py UpaywordTill.sweep": OWN_RECORD,
    "schemes/chain/upayword/till.py _Way._continue": OWN_RECORD,
    "schemes/chain/words/mint.py WordMint.due": "decodes a word that `check` has read",
    "schemes/chain/words/till.py WordTill.sweep": OWN_RECORD,
    "schemes/chain/fairchain/mint.py FairMint.apply": "keeps a key that its check has read",
    "schemes/chain/fairchain/mint.py FairMint.lapse": OWN_RECORD,
    "schemes/chain/fairchain/mint.py _assigned": OWN_RECORD,
    "schemes/chain/fairchain/mint.py _collect": OWN_RECORD,
    "schemes/chain/fairchain/mint.py _own_escrow": OWN_RECORD,
    "schemes/chain/fairchain/mint.py _give": UNHEARD + "fairchain/test_mint.py",
    "schemes/chain/fairchain/mint.py _submit": "keeps a word that its check has verified",
    "schemes/chain/fairchain/purse.py FairPurse.give_back": OWN_INSTRUMENT,
    "schemes/chain/fairchain/purse.py FairPurse.receipt_key": OWN_INSTRUMENT,
    "schemes/chain/fairchain/till.py FairTill.sweep": OWN_RECORD,
    "schemes/chain/credit/reserve.py closed": OWN_RECORD,
    "schemes/chain/credit/reserve.py is_closed": OWN_RECORD,
    "schemes/chain/words/closing.py WordVendorMint.check": AS_OPTION + "words/test_closing.py",
    "schemes/chain/words/purse.py WordPurse.close": OWN_INSTRUMENT,
    "schemes/coin/blind/coinage.py Coinage.read_token": "says only what a coinage does",
    "schemes/coin/blind/messages.py Proof.verify": UNHEARD + "blind/test_mint.py",
    "schemes/coin/blind/mint.py BlindMint.check_payment": UNHEARD + "blind/test_mint.py",
    "schemes/coin/blind/mint.py BlindMint._deposit": "keeps a code that its check has read",
    "schemes/coin/blind/mint.py BlindMint._told": OWN_RECORD,
    "schemes/coin/blind/purse.py BlindPurse._swapped": UNHEARD + "blind/test_purse.py",
    "schemes/coin/blind/restoring.py Restorer.with_signatures": UNHEARD + "test_restoring.py",
    "schemes/coin/blind/restoring.py Restorer.with_spent": UNHEARD + "blind/test_restoring.py",
    "schemes/coin/cashu/at_gate.py ChangeMaker.tokens": UNHEARD + "cashu/test_at_gate.py",
    "schemes/coin/cashu/mint.py CashuMint._check_token": UNHEARD + "cashu/test_mint.py",
    "schemes/coin/cashu/mint.py CashuMint.coin_mark": UNHEARD + "blind/test_mint.py",
    "schemes/coin/cashu/transactions.py signature_in": OWN_RECORD,
    "schemes/coin/ecash/mint.py EcashMint.coin_mark": UNHEARD + "blind/test_mint.py",
    "schemes/mac/millicent/abroad.py show_abroad": UNHEARD + "test_abroad.py",
    "schemes/mac/millicent/claims.py body_of": OWN_RECORD,
    "schemes/mac/millicent/mint.py MillicentMint.lapse": OWN_RECORD,
    "schemes/mac/millicent/vendor_mint.py MillicentVendorMint._check_renewal": UNHEARD
    + "test_vendor_mint.py",
    "schemes/mac/millicent/orders.py _key": OWN_RECORD,
    "schemes/mac/millicent/orders.py open_licence": OWN_RECORD,
    "schemes/mac/millicent/orders.py unredeemed": OWN_RECORD,
    "schemes/mac/millicent/orders.py used_up": OWN_RECORD,
    "schemes/mac/millicent/purse.py MillicentPurse._renewed": UNHEARD + "test_renewal.py",
    "schemes/mac/millicent/purse.py MillicentPurse.ask": OWN_INSTRUMENT,
    "schemes/mac/millicent/purse.py MillicentPurse.give_back": OWN_INSTRUMENT,
    "schemes/mac/millicent/purse.py MillicentPurse.prove": OWN_INSTRUMENT,
    "schemes/mac/millicent/purse.py MillicentPurse.receipt_key": OWN_INSTRUMENT,
    "schemes/mac/millicent/purse.py MillicentPurse.seal_request": OWN_INSTRUMENT,
    "schemes/mac/millicent/refund.py _row": OWN_RECORD,
    "schemes/mac/millicent/refund.py message_of": OWN_RECORD,
    "schemes/mac/millicent/subscription.py bought": UNHEARD + "test_subscription.py",
    "schemes/mac/millicent/subscription.py mark_of": UNHEARD + "test_subscription.py",
    "schemes/mac/millicent/till.py MillicentTill._take_subscribed": UNHEARD + "test_till.py",
    "schemes/mac/millicent/till.py _require_owner": "compares an id that reading has checked",
    "schemes/mac/millicent/warehouse.py Batch.__post_init__": UNHEARD + "test_warehouse.py",
    "schemes/mac/millicent/warehouse.py _read_stock": OWN_RECORD,
    "schemes/mac/millicent/warehouse.py buy": UNHEARD + "test_warehouse.py",
    "schemes/mac/millicent/warehouse.py closed": OWN_RECORD,
    "schemes/mac/millicent/warehouse.py find": OWN_RECORD,
    "schemes/mac/millicent/warehouse.py sell": OWN_RECORD,
    "schemes/mac/millicent/warehouse.py write_off": OWN_RECORD,
    "schemes/coin/netcash/abroad.py _require_credit": UNHEARD + "netcash/test_abroad.py",
    "schemes/coin/netcash/live.py taken_by": OWN_RECORD,
    "schemes/coin/netcash/mint.py NetcashMint._say": OWN_RECORD,
    "schemes/coin/netcash/purse.py NetcashPurse.give_back": OWN_INSTRUMENT,
    "schemes/coin/netcash/purse.py NetcashPurse.inquire": OWN_INSTRUMENT,
    "schemes/coin/netcash/purse.py NetcashPurse.learn": UNHEARD + "netcash/test_purse.py",
    "schemes/coin/netcash/purse.py NetcashPurse.prove": OWN_INSTRUMENT,
    "schemes/coin/netcash/purse.py _key_of": OWN_INSTRUMENT,
    "schemes/till.py Till.read": "is the contract, which each scheme fills",
    "schemes/till.py Till.sweep": OWN_RECORD,
    "schemes/coin/cashu/keysets.py Keyset.old_id": "decodes keys that are held to their spelling",
    "stores/commit.py Committer.read": OTHERS,
    "stores/keys.py KeyRing.goes_on_from": UNHEARD + "cli/test_bookkeeping.py",
    "stores/database.py Writer.read": OTHERS,
    "stores/sqlite.py _confirm": OWN_ROW,
    "stores/sqlite.py _give_back": OWN_ROW,
    "vendor/authorizations.py Authorizing._row": "reads a record that the till has just made",
    "vendor/bodies.py read": OTHERS,
    "vendor/delivery.py Delivery.serve_held": OWN_ROW,
    "vendor/heads.py read_head": "reads what the site behind the gate says, which is the vendor's",
    "vendor/driver.py Exchange.read": OTHERS,
    "vendor/gate.py _endorsed": "reads once more a payload that its row `till.take` feeds",
    "vendor/refunding.py _find": OWN_ROW,
    "vendor/topping.py Topping._priced": OWN_ROW,
    "vendor/refunding.py find_charged": OWN_ROW,
    "vendor/refunding.py is_waiting": OWN_ROW,
    "vendor/refunding.py refund": OWN_ROW,
    "vendor/resolving.py Resolving._ask": OWN_ROW,
    "vendor/resolving.py Resolving._taken_again": OWN_ROW,
    "vendor/resolving.py Resolving.end": OWN_ROW,
    "wallet/stocks.py Stocks._read": OWN_ROW,
    "wallet/proving.py _keys_of": LIKE + "schemes.attestations.keys",
    "wallet/book.py Book._reference_in": OWN_ROW,
    "wallet/book.py Book.floats": OWN_ROW,
    "wallet/book.py Book.holdings": OWN_ROW,
    "wallet/book.py Book.limits": OWN_ROW,
    "wallet/grants.py Grants.find": OWN_ROW,
    "wallet/grants.py Grants.listed": OWN_ROW,
    "wallet/line.py Line.read": OTHERS,
    "wallet/policy.py read_cap": "reads what its payer types; test_policy.py has the inputs",
    "wallet/refunds.py _fetch": LIKE + "wallet.refunds.Found",
    "wallet/reissuing.py _end": LIKE + "wallet.reissuing.Comeback",
    "wallet/rows.py Rows.unseal": OWN_ROW,
    "wallet/returning.py _give_back_one": LIKE + "wallet.reissuing.Comeback",
    "wallet/seed.py read_seed": "reads what its payer types; test_seed.py has the inputs",
}
"""Functions that no row feeds, each with the reason."""


@cache
def fed() -> frozenset[Site]:
    return frozenset(
        Site(code.co_filename.removeprefix(SOURCE), code.co_qualname)
        for code in called(table().values())
    )


def test_every_parser_is_fed_or_excused() -> None:
    left = {f"{site.path} {site.name}" for site in sites() - fed()}
    assert left <= set(EXCUSED), "give these a row in the table, or a reason here"


def test_every_excuse_is_needed() -> None:
    names = {f"{site.path} {site.name}" for site in sites()}
    assert set(EXCUSED) <= names, "these are gone"  # what rows feed besides goes by the seed


def test_a_parser_that_is_added_is_found() -> None:
    found = sites()
    assert Site("wire/mpp.py", "read_challenges") in found
    assert Site("schemes/chain/words/till.py", "WordTill.read") in found
    assert Site("vendor/clearing.py", "show") in found
    # What this reads with is another module's.
    assert Site("schemes/coin/cashu/mint.py", "CashuMint._check_token") in found
    assert len(found) > len(EXCUSED)
