from pathlib import Path

import pytest

from farthing.broker.cashu import routes
from tests.unit.broker.cashu.stall import Refused, Stall, at_the_stall


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "v1/nothing"),
        ("POST", "v1/info"),
        ("GET", "v1/swap"),
        ("POST", "v1/keys/00"),
        ("DELETE", "v1/keys"),
        ("GET", "v1/"),
    ],
)
def test_a_route_that_is_none_is_not_found(tmp_path: Path, method: str, path: str) -> None:
    async def talk(stall: Stall) -> None:
        with pytest.raises(Refused) as refused:
            await stall.send(method, path)
        assert refused.value.status == 404

    at_the_stall(tmp_path, talk)


def test_a_unit_that_the_broker_has_not_is_not_found(tmp_path: Path) -> None:
    async def talk(stall: Stall) -> None:
        for unit in ("sat", "usd", "..", ""):
            with pytest.raises(Refused) as refused:
                await stall.beside(unit).get("info")
            assert refused.value.status == 404

    at_the_stall(tmp_path, talk)


def test_an_unknown_keyset_or_quote_is_refused_in_the_wallets_terms(tmp_path: Path) -> None:
    async def talk(stall: Stall) -> None:
        for path, code in (("keys/00", 12_001), ("mint/quote/bolt11/x", 11_000)):
            with pytest.raises(Refused) as refused:
                await stall.get(path)
            assert (refused.value.status, refused.value.code) == (400, code)
            assert set(refused.value.body) == {"detail", "code"}

    at_the_stall(tmp_path, talk)


def test_a_body_is_bounded(tmp_path: Path) -> None:
    async def talk(stall: Stall) -> None:
        for raw in (b" " * (routes.BODY_BYTES_MAX + 1), b"[" * 1_000_000, b"", b"{"):
            with pytest.raises(Refused) as refused:
                await stall.post("swap", raw)
            assert (refused.value.status, refused.value.code) == (400, 11_000)

    at_the_stall(tmp_path, talk)


def test_accounts_show_their_token_and_wallets_none(tmp_path: Path) -> None:
    async def talk(stall: Stall) -> None:
        quote = await stall.quote(1)
        stall.tokens["nobody"] = "ft_wrong"
        for deed in (stall.pay(quote, "nobody"), stall.code(1, "nobody")):
            with pytest.raises(Refused) as refused:
                await deed
            assert (refused.value.status, refused.value.code) == (403, "token_unknown")
        token = {"authorization": f"Bearer {stall.tokens['alice']}"}
        for path, body, code in (
            ("payouts", {"amount": 1}, "idempotency_key_missing"),
            ("loads/unknown", None, "quote_unknown"),
            ("loads", None, "quote_unknown"),
            ("other", None, "route_unknown"),
        ):
            with pytest.raises(Refused) as refused:
                await stall.send("POST", path, body, **token)
            assert refused.value.code == code
        keyed = token | {"idempotency-key": "k"}
        for wrong in ({"amount": -1}, {"amount": 0}, {"amount": 10**9}, {}, {"amount": 1, "x": 1}):
            with pytest.raises(Refused):
                await stall.send("POST", "payouts", wrong, **keyed)

    at_the_stall(tmp_path, talk)


def test_wallets_in_browsers_may_ask(tmp_path: Path) -> None:
    async def talk(stall: Stall) -> None:
        asked = await stall.http.options("/cashu/eur/v1/swap")
        assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (204, "*")
        found = await stall.http.get("/cashu/eur/v1/info")
        assert found.headers["access-control-allow-origin"] == "*"

    at_the_stall(tmp_path, talk)
