"""The demo's stream pauses where it is not paid for, and goes on with the next tick."""

import io
from pathlib import Path

from farthing.cli import streamed
from farthing.cli.showroom import Showroom
from farthing.cli.streamed import show_stream


def test_a_stream_pauses_and_goes_on_and_a_wallet_reads_it_whole(tmp_path: Path) -> None:
    with Showroom(tmp_path, ["tick"], "", quiet=True) as room:
        url = room.gate_url + streamed.PATH
        with room.open_wallet(tmp_path / "wallet.db", "tick") as wallet:
            shown = show_stream(wallet, url)
            out = io.BytesIO()
            heard = wallet.listen(url, out)
            limited = wallet.listen(url, io.BytesIO(), most="0.02c")
    assert (shown.paused_after_bytes, shown.resumed_to_bytes) == (2000, 3000)
    assert (shown.ticks, shown.paid_micro) == (5, 500)
    assert (heard.ended, heard.ticks, heard.openings) == ("whole", 5, 1)
    assert len(out.getvalue()) == heard.received_bytes == shown.received_bytes
    assert (limited.ended, limited.ticks, limited.paid_micro) == ("unpaid", 2, 200)
    assert limited.refused == "above_most"
    assert limited.received_bytes <= 3000
