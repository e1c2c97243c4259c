from pathlib import Path

import pytest

from farthing.broker import facts
from farthing.broker.cashu import quotes
from farthing.broker.cashu.quotes import Code, Load, Melt
from farthing.errors import Unknown
from farthing.schemes.coin.cashu.transactions import SCHEME
from farthing.schemes.contract import Applied
from tests.unit.broker.cashu.stall import Stall, at_the_stall

NOW_S = 1_800_000_000


def test_names_tell_nothing_of_the_secret() -> None:
    assert b"CANARY" not in quotes.melt_key("eur", "CANARY")


def test_what_is_kept_is_found_and_nothing_else(tmp_path: Path) -> None:
    load = Load(amount=8, payer="alice")
    melt = Melt(payment_hash=bytes(32), expires_at_s=NOW_S)
    code = Code(
        amount=8,
        party="alice",
        role="payer",
        preimage=b"CANARY",
        request="lnbcrt",
        expires_at_s=NOW_S,
    )
    assert "CANARY" not in repr(code)

    async def talk(stall: Stall) -> None:
        records = (
            quotes.put(quotes.load_key("eur", b"id"), load, 2**40),
            quotes.put(quotes.melt_key("eur", "quote"), melt, 2**40),
            quotes.put(quotes.code_key("eur", bytes(32)), code, 2**40),
        )
        committer = stall.desk.committer
        await committer.do(lambda db: facts.write(db, SCHEME, Applied(records=records)))
        assert committer.read(lambda db: quotes.find_load(db, "eur", b"id")) == load
        assert committer.read(lambda db: quotes.find_melt(db, "eur", "quote")) == melt
        assert committer.read(lambda db: quotes.find_code(db, "eur", bytes(32))) == code
        assert committer.read(lambda db: quotes.find_load(db, "eur", b"other")) is None
        assert committer.read(lambda db: quotes.find_load(db, "microeur", b"id")) is None
        assert committer.read(lambda db: quotes.find_melt(db, "eur", "other")) is None
        assert committer.read(lambda db: quotes.find_melt(db, "microeur", "quote")) is None
        with pytest.raises(Unknown, match="payout_unknown"):
            committer.read(lambda db: quotes.find_code(db, "eur", bytes(31)))

    at_the_stall(tmp_path, talk)
