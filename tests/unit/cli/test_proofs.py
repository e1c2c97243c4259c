"""What a proof says in words; docs/how-to/settle-a-dispute.md shows the commands."""

from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from farthing.cli import build, proofs
from farthing.errors import Denied, Malformed, Misconfigured, Unavailable
from farthing.schemes.attestations import Attested, Record

PAID = Record(at_s=1_795_294_336, order="o", price_micro=200, vendor="gazette")


def test_it_says_who_was_paid_how_much_when_for_what_or_that_nothing_was() -> None:
    attested = Attested(
        at_s=1_795_294_400,
        broker="demo",
        paid=PAID,
        payer="p",
        since_s=1_792_702_400,
        target="GET /a.html",
    )
    assert proofs.told(attested, "eur") == (
        "demo said on 2026-11-21 20:53 UTC: gazette was paid 0.0002 EUR (0.02 cent)"
        " on 2026-11-21 20:52 UTC for GET /a.html"
    )
    nothing = msgspec.structs.replace(attested, paid=None)
    said = proofs.told(nothing, "eur")
    assert said.endswith("nothing was paid with this purchase's key since 2026-10-22 20:53 UTC")


@pytest.mark.parametrize(
    ("raw", "broker", "kind"),
    [
        (None, "http://127.0.0.1:1", Misconfigured),
        (b"{}", "http://127.0.0.1:1", Malformed),
        (b"", "http://far.example", Denied),
        (b"", "http://127.0.0.1:1", Unavailable),
    ],
)
def test_a_file_or_a_broker_that_is_none_is_refused(
    tmp_path: Path, raw: bytes | None, broker: str, kind: type[Exception]
) -> None:
    file = tmp_path / "proof.json"
    if raw is not None:
        file.write_bytes(raw or b'{"answer":{},"body":"","scheme":"ecash","target":"GET /"}')
    command = ["broker", "verify-proof", str(file), "--broker", broker]
    done = CliRunner().invoke(build(["broker"]), command)
    assert isinstance(done.exception, kind)


def test_both_commands_have_an_example() -> None:
    for group, name in (("wallet", "prove"), ("broker", "verify-proof")):
        done = CliRunner().invoke(build([group]), [group, name, "--help"])
        assert f"farthing {group} {name}" in done.stdout
