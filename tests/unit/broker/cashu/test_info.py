from pathlib import Path

from farthing.broker.answers import KEPT_S
from farthing.crypto import bdhke
from tests.unit.broker.cashu.stall import Stall, at_the_stall


def test_the_mint_says_what_it_serves(tmp_path: Path) -> None:
    async def talk(stall: Stall) -> None:
        found = await stall.get("info")
        assert found["name"] == "test-broker"
        assert found["version"].startswith("Farthing/")
        assert found["time"] == stall.desk.now_s
        bdhke.point(bytes.fromhex(found["pubkey"]))
        nuts = found["nuts"]
        assert {int(number) for number in nuts} == {4, 5, 7, 8, 9, 10, 11, 12, 14, 19, 20}
        (method,) = nuts["4"]["methods"]
        assert method == {"method": "bolt11", "unit": "eur", "min_amount": 1, "max_amount": 100_000}
        assert nuts["19"]["ttl"] == KEPT_S
        for endpoint in nuts["19"]["cached_endpoints"]:
            assert endpoint["path"].startswith("/v1/")

    at_the_stall(tmp_path, talk)


def test_each_keyset_has_the_id_that_wallets_compute(tmp_path: Path) -> None:
    async def talk(stall: Stall) -> None:
        for unit in ("eur", "microeur"):
            one = stall.beside(unit)
            (listed,) = (await one.get("keysets"))["keysets"]
            assert listed == {
                "id": (await one.keyset()).id,
                "unit": unit,
                "active": True,
                "input_fee_ppk": 0,
                "final_expiry": None,
            }

    at_the_stall(tmp_path, talk)
