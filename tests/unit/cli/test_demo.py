"""`farthing demo --json` is one object with the documented members, and its money is right."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from farthing import gazette
from farthing.cli import build, servers
from farthing.errors import Misconfigured
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


@pytest.mark.parametrize(
    ("url", "code"),
    [("http://127.0.0.1:9", "upstream_unreachable"), ("127.0.0.1:9", "upstream_malformed")],
)
def test_a_site_that_does_not_answer_is_said_before_anything_starts(url: str, code: str) -> None:
    done = CliRunner().invoke(build(["demo"]), ["demo", "--upstream", url])
    assert isinstance(done.exception, Misconfigured)
    assert done.exception.code == code


def test_a_site_of_the_users_own_is_sold_page_by_page(tmp_path: Path) -> None:
    """Its front page, and what that links to; nothing is tried there that must be refused."""
    (tmp_path / "site").mkdir()
    front = (
        '<a href="/one.html">1</a> <a href="two.html#x">2</a> <a href="https://b.example/">b</a>'
    )
    for name, text in (("index.html", front), ("one.html", "one"), ("two.html", "two")):
        (tmp_path / "site" / name).write_text(text)
    port = str(servers.free_port())
    url = f"http://127.0.0.1:{port}"
    folder = str(tmp_path / "site")
    web = servers.python("-m", "http.server", port, "--bind", "127.0.0.1", "--directory", folder)
    with servers.running(web, url=url, log=tmp_path / "log", env={}):
        demo = servers.python("-m", "farthing.cli", "demo", "--upstream", url)
        said = servers.run_once([*demo, "--scheme", "payword"], env={}).decode()
    assert [line.split()[:2] for line in said.splitlines() if "payword" in line] == [
        ["payword", "3"]
    ]
    assert "what was tried" not in said
    assert said.endswith("all accounts sum to 0\n")


@pytest.mark.timeout(120)
def test_a_demo_that_is_told_to_end_takes_its_programs_along(tmp_path: Path) -> None:
    command = servers.python("-m", "farthing.cli", "demo", "--serve", "--scheme", "payword")
    env = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=env) as demo:
        assert demo.stdout is not None
        while b"Ctrl-C ends it" not in demo.stdout.readline():
            assert demo.poll() is None
        assert _running_in(tmp_path)
        demo.terminate()
        assert demo.wait(30) == 143
    assert not _running_in(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.timeout(120)
def test_a_demo_that_is_kept_can_be_paid_and_audited(tmp_path: Path) -> None:
    """By the very commands that it says."""
    arguments = ("--serve", "--scheme", "millicent", "--data", "demo")
    farthing = f'farthing() {{ {sys.executable} -m farthing.cli "$@"; }}; '

    def shell(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S602 - what the demo says is typed into a shell
            farthing + command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True
        )

    command = servers.python("-m", "farthing.cli", "demo", *arguments)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as demo:
        assert demo.stdout is not None
        said: dict[str, str] = {}
        while "pay there" not in " ".join(said):
            about, _, what = demo.stdout.readline().partition(": ")
            said[about] = what
        paid = shell(said["pay there from another terminal"])
        demo.terminate()
        assert demo.wait(30) == 143
    assert "<h1>" in paid.stdout
    assert "paid 0.0002 EUR (0.02 cent) by millicent" in paid.stderr
    assert "sum of all accounts: 0" in shell(said["its books"]).stdout
    assert "/articles/" in shell(said["its wallet"]).stdout
    done = CliRunner().invoke(build(["demo"]), ["demo", "--data", str(tmp_path / "demo")])
    assert isinstance(done.exception, Misconfigured)
    assert done.exception.code == "folder_exists"


def _running_in(folder: Path) -> list[str]:
    """Programs that were started with their data in this folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"FARTHING_DATA={folder}".encode() in (process / "environ").read_bytes():
                found.append(process.name)
    return found
