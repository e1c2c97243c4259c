"""The vendor's commands on folders that are wrong."""

from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from farthing.cli import vendor
from farthing.errors import Misconfigured, Throttled, Unavailable
from farthing.schemes.contract import Json
from farthing.vendor.broker_client import BrokerClient
from tests.kit.folder import PRICES, Folder
from tests.kit.site import Site, with_site

RUNNER = CliRunner()


def test_a_folder_that_is_no_vendors_is_said_with_the_command(tmp_path: Path) -> None:
    serve = ["serve", "--upstream", "http://x"]
    changes = (["clear"], ["grant"], ["rotate", "change"], ["refund", "mc:1"])
    for command in (["prices"], ["report"], *changes, serve):
        done = RUNNER.invoke(vendor.app, [*command, "--data", str(tmp_path)])
        assert isinstance(done.exception, Misconfigured), command
        assert done.exception.code == "vendor_not_initialised"
        assert "farthing vendor init" in done.exception.detail


@pytest.mark.parametrize("upstream", ["foo", "http://127.0.0.1:8000/shop"])
def test_an_upstream_that_is_none_is_said_before_anything_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, upstream: str
) -> None:
    monkeypatch.setattr("farthing.cli.servers.serve", pytest.fail)
    Folder(tmp_path)
    done = RUNNER.invoke(vendor.app, ["serve", "--upstream", upstream, "--data", str(tmp_path)])
    assert isinstance(done.exception, Misconfigured)
    assert done.exception.code == "upstream_malformed"
    assert "as in http://127.0.0.1:8000" in done.exception.detail


@pytest.mark.parametrize(
    ("upstream", "port"),
    [("http://127.0.0.1:8402", "8402"), ("http://localhost:9000", "9000"), ("http://[::1]", "80")],
)
def test_a_gate_that_is_to_sell_itself_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, upstream: str, port: str
) -> None:
    monkeypatch.setattr("farthing.cli.servers.serve", pytest.fail)
    Folder(tmp_path)
    command = ["serve", "--upstream", upstream, "--port", port, "--data", str(tmp_path)]
    done = RUNNER.invoke(vendor.app, command)
    assert isinstance(done.exception, Misconfigured)
    assert done.exception.code == "upstream_is_the_gate"


def test_init_without_a_broker_leaves_no_half_made_vendor(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("made up")
    data = tmp_path / "vendor"
    command = ["init", "gazette", "--broker", "http://127.0.0.1:9", "--token-file", str(token)]
    done = RUNNER.invoke(vendor.app, [*command, "--data", str(data)])
    assert isinstance(done.exception, Unavailable)
    assert not (data / "vendor.json").exists()


def test_prices_shows_what_was_set_for_a_scheme(tmp_path: Path) -> None:
    Folder(tmp_path, prices=PRICES + '[millicent]\nprotocol = "private"\nrenew_fee_e4 = 50\n')
    done = RUNNER.invoke(vendor.app, ["prices", "--data", str(tmp_path)])
    assert "/sold/**" in done.stdout
    assert done.stdout.endswith("millicent: protocol is private\nmillicent: renew_fee_e4 is 50\n")


def test_prices_shows_what_a_stream_is_sold_by(tmp_path: Path) -> None:
    stream = '[[route]]\npath = "/radio"\nprice = "0.01c"\nper = "1s"\n'
    large = '[[route]]\npath = "/film"\nprice = "0.01c"\nper = "16kB"\ngrace = 64\n'
    Folder(tmp_path, prices=f'accept = ["tick"]\n{stream}{large}')
    done = RUNNER.invoke(vendor.app, ["prices", "--data", str(tmp_path)])
    assert "0.0001 EUR (0.01 cent) per 1s, grace 3 " in done.stdout
    assert "0.0001 EUR (0.01 cent) per 16kB, grace 64 " in done.stdout
    done = RUNNER.invoke(vendor.app, ["prices", "--json", "--data", str(tmp_path)])
    rows = msgspec.json.decode(done.stdout)
    assert [(row["per"], row["grace"]) for row in rows] == [("1s", 3), ("16kB", 64)]


def test_a_typo_in_the_prices_stops_only_what_needs_them(tmp_path: Path) -> None:
    Folder(tmp_path, prices="accept = [")
    for command in (["report"], ["clear"], ["rotate", "change"]):
        done = RUNNER.invoke(vendor.app, [*command, "--data", str(tmp_path)])
        assert done.exit_code == 0, command
    for command in (["prices"], ["serve", "--upstream", "http://127.0.0.1:8000"]):
        done = RUNNER.invoke(vendor.app, [*command, "--data", str(tmp_path)])
        assert isinstance(done.exception, Misconfigured), command
        assert done.exception.code == "prices_not_toml"


@pytest.mark.parametrize(("sweeps", "code"), [(2, 0), (vendor.SWEEP_TRIES, 1)])
def test_clear_waits_for_the_sweep_of_a_gate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sweeps: int, code: int
) -> None:
    async def redeem(_: BrokerClient, scheme: str, batch_id: str, claims: list[Json]) -> Json:
        asked.append(batch_id)
        if len(asked) <= sweeps:
            raise Throttled("batch_in_flight")
        return [{"state": "paid", "paidMicro": claim["priceMicro"]} for claim in claims]

    async def buy(site: Site) -> None:
        async with site.client() as opened:
            assert (await site.buy(opened)).is_success

    asked: list[str] = []
    monkeypatch.setattr(BrokerClient, "redeem", redeem)
    monkeypatch.setattr(vendor, "SWEEP_PAUSE_S", 0)
    with_site(Folder(tmp_path), buy)
    done = RUNNER.invoke(vendor.app, ["clear", "--data", str(tmp_path)])
    assert done.exit_code == code
    assert len(set(asked)) == 1
    assert len(asked) == min(sweeps + 1, vendor.SWEEP_TRIES)
    if code == 0:
        assert "millicent: 1 claim, 0.0002 EUR (0.02 cent)" in done.stdout
    else:
        assert isinstance(done.exception, Throttled)


def test_clear_tells_what_waits_and_until_when(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a gate's crash: what it had reserved ends by itself a minute later."""
    held = {"state": "refused", "code": "mark_held", "retry": "same", "facts": {"untilS": 90}}

    async def redeem(_: BrokerClient, scheme: str, batch_id: str, claims: list[Json]) -> Json:
        return [held for _ in claims]

    async def buy(site: Site) -> None:
        async with site.client() as opened:
            assert (await site.buy(opened)).is_success

    monkeypatch.setattr(BrokerClient, "redeem", redeem)
    with_site(Folder(tmp_path), buy)
    done = RUNNER.invoke(vendor.app, ["clear", "--data", str(tmp_path)])
    assert done.stdout == (
        "millicent: 1 claim open until 1970-01-01 00:01 UTC (mark_held); shown again by the next"
        " clearing\n"
    )
    told = RUNNER.invoke(vendor.app, ["clear", "--json", "--data", str(tmp_path)]).stdout
    found = {one["scheme"]: one for one in msgspec.json.decode(told)}["millicent"]
    assert (found["claims"], found["waiting"], found["waits_until_s"]) == (0, {"mark_held": 1}, 90)


def test_payout_says_what_goes_and_not_what_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def post(_: BrokerClient, path: str, message: Json, key: str) -> Json:
        assert (path, message, bool(key)) == ("/payout", {"amountMicro": 15_900}, True)
        return {"payout": "po_1", "amountMicro": 10_000, "state": "planned"}

    token = tmp_path / "token"
    token.write_text("made up")
    monkeypatch.setattr(BrokerClient, "post", post)
    Folder(tmp_path / "vendor")
    command = ["payout", "0.0159eur", "--token-file", str(token)]
    done = RUNNER.invoke(vendor.app, [*command, "--data", str(tmp_path / "vendor")])
    assert done.stdout == "po_1: 0.01 EUR (1 cent) planned\n"
