"""`farthing demo --json` is one object with the documented members, and its money is right."""

import msgspec

from farthing import gazette
from farthing.cli import servers
from farthing.schemes import registry

PRICE_MICRO = 200
PAGES = 12
DRAWN = {"ticket"}  # pays a prize now and then, right on average
PRIZE_MICRO = 10_000


def test_the_demo_buys_every_page_with_every_scheme_and_its_books_sum_to_zero() -> None:
    raw = servers.run_once(servers.python("-m", "farthing.cli", "demo", "--json"), env={})
    shown = msgspec.json.decode(raw)
    members = {"schemes", "refusals", "ledger_sum_micro", "outstanding_micro", "stream"}
    assert set(shown) == members
    stream = shown["stream"]
    assert (stream["scheme"], stream["ticks"], stream["paid_micro"]) == ("tick", 5, 500)
    assert (stream["paused_after_bytes"], stream["resumed_to_bytes"]) == (2000, 3000)
    assert stream["received_bytes"] == (gazette.site_path() / "index.html").stat().st_size
    assert set(shown["schemes"]) == {scheme.traits.name for scheme in registry.all_schemes()}
    for name, line in shown["schemes"].items():
        assert line["pages"] == PAGES
        assert line["spent_micro"] == PAGES * PRICE_MICRO
        if name in DRAWN:
            assert line["earned_micro"] % PRIZE_MICRO == 0
        else:
            assert line["earned_micro"] == PAGES * PRICE_MICRO
        assert line["payment_bytes"] > 0
        assert line["p50_ms"] > 0
    assert shown["refusals"] == {
        "replay": "same page, same receipt",
        "double_spending": "instrument_already_spent",
        "origin_failure": "404, charged 0",
        "forgery": "scrip_certificate_wrong",
    }
    assert shown["ledger_sum_micro"] == 0
    assert shown["outstanding_micro"] > 0


def test_the_demo_can_show_one_scheme_alone() -> None:
    command = servers.python("-m", "farthing.cli", "demo", "--scheme", "payword", "--json")
    shown = msgspec.json.decode(servers.run_once(command, env={}))
    assert list(shown["schemes"]) == ["payword"]
    assert shown["refusals"]["double_spending"] == "chain_index_not_above_last"
    assert shown["refusals"]["forgery"] == "word_does_not_hash_to_last"
