"""Where in the price file something stands."""

from farthing.errors import Misconfigured
from farthing.vendor.spot import Spot

TEXT = """accept = ["millicent"]
[millicent]
protocol = "loud"
[[route]]
path = "/a"
price = "0.02c"
[[route]]
path = "/b"
subscription.plan = "month"
"""
SPOT = Spot("prices.toml", TEXT)


def test_a_key_of_a_route_is_found_in_that_route() -> None:
    assert SPOT.line("route", 0, "path") == 5
    assert SPOT.line("route", 1, "path") == 8
    assert SPOT.line("route", 1, "subscription") == 9
    assert SPOT.wrong("code", 1, "subscription", "why").detail == "prices.toml, line 9: why"


def test_a_key_that_is_not_there_is_shown_at_the_head() -> None:
    assert SPOT.line("route", 1, "price") == 7
    assert SPOT.in_file("code", "accept", "why").detail == "prices.toml, line 1: why"


def test_an_option_of_a_scheme_is_found_in_its_table() -> None:
    wrong = Misconfigured("protocol_unknown", "why", option="protocol")
    assert SPOT.of_scheme("millicent", wrong).detail == "prices.toml, line 3: why"


def test_what_cannot_be_read_is_shown_where_it_stands() -> None:
    assert SPOT.unreadable("Expected `str` - at `$.route[1].path`").detail.startswith(
        "prices.toml, line 8: "
    )
