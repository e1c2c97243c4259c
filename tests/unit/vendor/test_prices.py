import os
from pathlib import Path

import pytest

from farthing.errors import BadRequest, Misconfigured, OutOfRange
from farthing.money import PAYMENT_MICRO_MAX
from farthing.vendor.prices import (
    ORIGIN_TIMEOUT_S_MAX,
    Options,
    Priced,
    PriceFile,
    Prices,
    Verify,
    anything,
    read,
)
from farthing.wire.published import ROUTES_MAX

KNOWN = ("millicent", "payword")
SHOP = """\
accept = ["payword", "millicent"]
free = ["/", "/img/**"]

[[route]]
path = "/articles/*"
price = "0.02c"

[[route]]
path = "/articles/**"
price = "200u-eur"
methods = ["GET", "POST"]
accept = ["millicent"]
clearing = "before"
hold = false
replay_body = true
repeat_s = 0
origin_timeout_s = 1
description = "Old articles"
external_id = "old"
"""


def test_a_file_that_is_not_needed_may_be_wrong(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text("accept = [")
    with pytest.raises(Misconfigured, match="prices_not_toml"):
        PriceFile(path, currency="eur", known=["millicent"])
    file = PriceFile(path, currency="eur", known=["millicent"], needed=False)
    assert file.trouble is not None
    assert file.prices.routes == ()


def test_a_byte_order_mark_is_no_part_of_the_prices(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_bytes(b"\xef\xbb\xbf" + SHOP.encode())
    assert open_file(path).prices.routes == prices(SHOP).routes


def prices(text: str) -> Prices:
    return read(text, currency="eur", known=KNOWN)


def route(line: str) -> str:
    """A file whose one route has `line` as its line 4."""
    return f'[[route]]\npath = "/a"\nprice = "1c"\n{line}\n'


def test_the_first_route_that_matches_decides() -> None:
    shop = prices(SHOP)
    recent = shop.find("GET", "/articles/1")
    old = shop.find("GET", "/articles/1999/1")
    assert recent is not None
    assert old is not None
    assert (recent.price_micro, recent.accept) == (200, ("payword", "millicent"))
    assert (old.price_micro, old.accept) == (200, ("millicent",))
    assert (old.route.clearing, old.route.hold, old.route.replay_body) == ("before", False, True)


def test_free_paths_win_and_so_does_what_nothing_matches() -> None:
    shop = prices(SHOP)
    for path in ("/", "/img/a/b.svg", "/about", "/articles"):
        assert shop.find("GET", path) is None
    everything = prices(SHOP + '[[route]]\npath = "/**"\nprice = "1c"\n')
    assert everything.find("GET", "/img/a.svg") is None
    assert everything.find("GET", "/about") is not None


def test_a_route_is_for_its_methods() -> None:
    shop = prices(SHOP)
    assert shop.find("POST", "/articles/x/1") == shop.routes[1]
    for method in ("HEAD", "DELETE", "BREW"):
        assert shop.find(method, "/articles/x/1") is None


def test_a_route_that_names_no_method_costs_with_all_but_options() -> None:
    shop = prices(SHOP)
    for method in ("GET", "HEAD", "POST", "DELETE", "BREW"):
        assert shop.find(method, "/articles/1") == shop.routes[0]
    assert shop.find("OPTIONS", "/articles/1") is None


@pytest.mark.parametrize("path", ["/articles//1", "/articles;x/1", "/articles;/1"])
def test_another_spelling_of_a_path_is_no_way_around_its_price(path: str) -> None:
    assert prices(SHOP).find("GET", path) is not None


@pytest.mark.parametrize(
    "path",
    [
        "//articles/1", "/./articles/1", "/img/../articles/1", "/img/./../articles//1",
        "/../articles/1", "///articles/./1", "/img//..//articles/1", "/articles/./1",
        "/articles/x/../1", "/articles/../articles/1/.", "/articles/../about", "/img/..",
        "//x/articles/1", "/articles\\1", "/x\\..\\articles/1",
    ],
)  # fmt: skip  # - one spelling a line would hide that this is one list
def test_a_path_that_sites_read_in_several_ways_is_refused(path: str) -> None:
    with pytest.raises(BadRequest, match="path_ambiguous"):
        prices(SHOP).find("GET", path)


@pytest.mark.parametrize("path", ["", ".evil.example/x", "@127.0.0.1/x", "articles/1", "*"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(BadRequest, match="path_malformed"):
        prices(SHOP).find("GET", path)
    assert prices(SHOP).find("OPTIONS", "*") is None


@pytest.mark.parametrize("method", ["get", "Get", "gET", "", "ǦET", "1"])
def test_a_method_in_small_letters_is_refused(method: str) -> None:
    """Some sites, and libraries on the way, take it for the other."""
    with pytest.raises(BadRequest, match="method_malformed"):
        prices(SHOP).find(method, "/articles/1")


def test_a_path_is_sold_if_it_costs_with_any_method() -> None:
    shop = prices(SHOP)
    assert [shop.sells(path) for path in ("/articles/1", "/articles/x/1", "/img/a.png")] == [
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (route('price2 = "1c"'), 4, "price2"),
        (route("hold = 1"), 4, "Expected `bool`"),
        (route('clearing = "later"'), 4, "write before or during or batch: "),
        (route("methods = []"), 4, "name a method"),
        (route('methods = ["get"]'), 4, "'get' is no method: GET is one"),
        (route('methods = ["GET", "BREW"]'), 4, "'BREW' is no method: GET is one"),
        (route('accept = ["gold"]'), 4, "no scheme 'gold' here; known: millicent, payword"),
        (route("repeat_s = -1"), 4, "at least 0 seconds"),
        (route("origin_timeout_s = 0"), 4, "at least 1 seconds"),
        (route(f"origin_timeout_s = {ORIGIN_TIMEOUT_S_MAX + 1}"), 4, "at most an hour"),
        ('[[route]]\npath = "/a"\n', 1, "missing required field `price`"),
        ('[[route]]\n\npath = "/a"\nprice = 200\n', 4, "Expected `str`, got `int`"),
        ('[[route]]\npath = "/a"\n# why\nprice = "0c"\n', 4, "list a free path under `free`"),
        ('[[route]]\npath = "/a"\nprice = "-1u"\n', 3, "write '-1u' as"),
        ('[[route]]\npath = "/a"\nprice = "0.00001c"\n', 3, "smallest amount"),
        ('[[route]]\npath = "/a"\nprice = "1usd"\n', 3, "'1usd' is not in eur; write 0.02c"),
        ('[[route]]\npath = "/a"\nprice = "0.02 cnt"\n', 3, "'0.02 cnt' is not in eur"),
        (f'[[route]]\npath = "/a"\nprice = "{PAYMENT_MICRO_MAX + 1}u"\n', 3, "amounts are 0 to"),
        ('[[route]]\nprice = "1c"\npath = "a"\n', 3, "a path begins with /"),
        ('accept = []\n[[route]]\npath = "/a"\nprice = "1c"\n', 3, "name a scheme in `accept`"),
        (SHOP + '[[route]]\npath = "/b"\nprice = "free"\n', 22, "write 'free' as"),
        ("fee = 1\n", 1, "fee"),
        ('free = "/a"\n', 1, "Expected `array`"),
        ('\nfree = ["/**/**/**"]\n', 2, "2 `**`"),
        ('\n\nfree = ["/a", "b.css"]\n', 3, "'b.css' is no path: a path begins with /"),
        ('accept = []\n[[routes]]\npath = "/a"\n', 2, "unknown field `routes`"),
        (SHOP + "[gold]\nunit = 1\n", 20, "unknown field `gold`"),
        (route('requires.age = "18 or so"'), 4, "key=value pairs"),
        (
            route('[[route.reduced]]\nprice = "2c"\nprops.student = true'),
            4,
            "below the route's own",
        ),
        (route('[[route.reduced]]\nprice = "1u"'), 4, "missing required field `props`"),
        (route('[[route.reduced]]\nprice = "1u"\nprops.student = 1.5'), 4, "Expected"),
        ('[[route]]\npath = "/*a*b*"\nprice = "1c"\n', 2, "2 `*` a segment"),
    ],
)
def test_a_wrong_file_is_refused_with_line_and_reason(text: str, line: int, reason: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        prices(text)
    assert caught.value.detail.startswith(f"prices.toml, line {line}: ")
    assert reason in caught.value.detail


def test_what_is_not_toml_is_refused_with_its_line() -> None:
    with pytest.raises(Misconfigured, match="prices_not_toml") as caught:
        prices('accept = ["millicent"]\n[[route\n')
    assert "line 2" in caught.value.detail


def test_the_highest_price_and_the_most_routes_are_read() -> None:
    dear = prices(f'[[route]]\npath = "/a"\nprice = "{PAYMENT_MICRO_MAX}u"\n')
    assert dear.routes[0].price_micro == PAYMENT_MICRO_MAX
    one = '[[route]]\npath = "/a"\nprice = "1c"\n'
    assert len(prices(one * ROUTES_MAX).routes) == ROUTES_MAX
    with pytest.raises(Misconfigured, match="prices_too_many_routes"):
        prices(one * (ROUTES_MAX + 1))


def test_an_empty_file_sells_nothing() -> None:
    assert prices("").find("GET", "/a") is None


def write(path: Path, text: str, *, stamp_s: int) -> None:
    path.write_text(text)
    os.utime(path, (stamp_s, stamp_s))


def open_file(path: Path) -> PriceFile:
    return PriceFile(path, currency="eur", known=KNOWN)


def test_a_new_version_comes_into_force(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    write(path, SHOP, stamp_s=1)
    file = open_file(path)
    assert file.refresh() == "same"
    write(path, SHOP.replace("0.02c", "0.03c"), stamp_s=2)
    assert file.refresh() == "new"
    assert file.prices.routes[0].price_micro == 300
    assert file.refresh() == "same"


def test_a_wrong_new_version_leaves_the_old_in_force_until_it_is_right(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    write(path, SHOP, stamp_s=1)
    file = open_file(path)
    old = file.prices
    write(path, SHOP.replace("0.02c", "free"), stamp_s=2)
    assert file.refresh() == "refused"
    assert file.prices is old
    assert file.trouble is not None
    assert "line 6" in file.trouble.detail
    assert file.refresh() == "same"
    assert file.trouble is not None
    write(path, SHOP, stamp_s=3)
    assert file.refresh() == "new"
    assert file.trouble is None


@pytest.mark.parametrize("text", ["", "# to be written\n", 'accept = ["coupons"]\n'])
def test_a_file_that_was_emptied_gives_nothing_away(tmp_path: Path, text: str) -> None:
    path = tmp_path / "prices.toml"
    write(path, SHOP, stamp_s=1)
    file = open_file(path)
    old = file.prices
    write(path, text, stamp_s=2)
    assert file.refresh() == "refused"
    assert file.prices is old
    assert file.trouble is not None
    assert file.trouble.code == "prices_without_route"
    with pytest.raises(Misconfigured, match="prices_without_route"):
        open_file(path)


def test_a_file_that_is_gone_leaves_the_old_in_force_until_it_is_back(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    write(path, SHOP, stamp_s=1)
    file = open_file(path)
    old = file.prices
    path.rename(tmp_path / "away")
    assert file.refresh() == "refused"
    assert file.refresh() == "refused"
    assert file.trouble is not None
    assert file.trouble.code == "prices_unreadable"
    assert file.prices is old
    (tmp_path / "away").rename(path)
    assert file.refresh() == "new"
    assert file.trouble is None


@pytest.mark.parametrize("raw", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_refused_at_the_start(
    tmp_path: Path, raw: bytes | None
) -> None:
    path = tmp_path / "prices.toml"
    if raw is not None:
        path.write_bytes(raw)
    with pytest.raises(Misconfigured, match="prices_unreadable"):
        open_file(path)


@pytest.mark.parametrize(("key", "most"), [("description", 256), ("external_id", 128)])
def test_what_an_offer_shows_is_bounded_in_bytes(key: str, most: int) -> None:
    head = '[[route]]\npath = "/**"\nprice = "200u"\n'
    read(head + f'{key} = "{"é" * (most // 2)}"', currency="eur", known=["millicent"])
    with pytest.raises(Misconfigured, match="text_too_long") as refused:
        read(head + f'{key} = "{"é" * (most // 2)}e"', currency="eur", known=["millicent"])
    assert "line 4" in refused.value.detail


def test_a_route_may_cost_less_for_some_and_be_for_some_only() -> None:
    text = """\
[[route]]
path = "/**"
price = "1c"
requires.country = "fr"

[[route.reduced]]
price = "0.1c"
props.student = true
props.age = 18

[[route.reduced]]
price = "0.5c"
props = { student = true }
"""
    found = prices(text).find("GET", "/a")
    assert found is not None
    assert found.reduced == (("age=18;student=true", 1_000), ("student=true", 5_000))
    assert (found.requires, found.is_conditional) == ("country=fr", True)


def verify(scheme: str, priced: Priced) -> None:
    """A gate whose coins are worth 100."""
    if scheme == "coins" and priced.price_micro % 100:
        raise OutOfRange("price_not_in_units", "coins are worth 100")
    if priced.route.clearing == "before":
        raise Misconfigured("clearing_unsupported", "coins are never cleared before")


def read_with(text: str) -> Prices:
    return read(text, currency="eur", known=["coins", "scrip"], fit=lambda _: verify)


def test_of_the_files_own_list_a_route_takes_what_can_express_its_price() -> None:
    text = 'accept = ["coins", "scrip"]\n[[route]]\npath = "/a"\nprice = "250u"\n'
    found = read_with(text).find("GET", "/a")
    assert found is not None
    assert found.accept == ("scrip",)


@pytest.mark.parametrize(
    "text",
    [
        '[[route]]\npath = "/a"\nprice = "250u"\naccept = ["coins", "scrip"]\n',
        'accept = ["coins"]\n[[route]]\npath = "/a"\nprice = "250u"\n',
    ],
)
def test_a_price_that_a_named_scheme_cannot_express_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match="price_not_payable") as refused:
        read_with(text)
    assert "coins are worth 100" in refused.value.detail


def test_a_clearing_that_no_scheme_can_keep_is_refused_with_its_line() -> None:
    text = 'accept = ["scrip"]\n[[route]]\npath = "/a"\nprice = "200u"\nclearing = "before"\n'
    with pytest.raises(Misconfigured, match="clearing_unsupported") as refused:
        read_with(text)
    assert "line 5" in refused.value.detail


def fit(options: Options) -> Verify:
    """Schemes that have one option, `size`, which is 1 or 2."""
    for table in options.values():
        for name, value in table.items():
            if name != "size" or value not in {1, 2}:
                raise Misconfigured("size_wrong", "size is 1 or 2", option=name)
    return anything


def read_options(text: str) -> Options:
    return read(text, currency="eur", known=["coins", "scrip"], fit=fit).options


def test_the_table_of_a_scheme_holds_its_options() -> None:
    text = 'accept = ["coins"]\n[scrip]\nsize = 2\n[[route]]\npath = "/a"\nprice = "1c"\n[coins]\n'
    assert read_options(text) == {"scrip": {"size": 2}, "coins": {}}
    assert read_options("") == {}


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ("[coins]\nsize = 3\n[scrip]\nsize = 1\n", 6),
        ("[scrip]\nsize = 1\n\n[coins]\nsize = 1\ncolour = 3\n", 10),
        ("\n[coins]\n# size\n  size = 0\n", 8),
    ],
)
def test_a_wrong_option_is_refused_with_its_line(table: str, line: int) -> None:
    text = '[[route]]\npath = "/a"\nprice = "1c"\nrepeat_s = 0\n' + table
    with pytest.raises(Misconfigured, match="size_wrong") as refused:
        read_options(text)
    assert refused.value.detail.startswith(f"prices.toml, line {line}: size is 1 or 2")


def test_options_stand_in_a_table() -> None:
    with pytest.raises(Misconfigured, match="options_not_a_table") as refused:
        read_options("coins = 3\n")
    assert "write the options under [coins]" in refused.value.detail
    with pytest.raises(Misconfigured, match="prices_malformed"):
        read_options("[shells]\nsize = 1\n")
