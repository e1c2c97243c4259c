from pathlib import Path

import pytest

from farthing.broker.peer_api import ROUTES
from tests.kit.brokers import NORTH, SOUTH, Brokers, with_brokers


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/peers", {"id": SOUTH, "url": "https://south.example", "token": "t"}),
        (f"/peers/{SOUTH}/payments", {"amountMicro": 5, "reference": "r"}),
    ],
)
def test_peers_are_the_operators_business_and_every_change_has_a_key(
    tmp_path: Path, path: str, body: dict[str, object]
) -> None:
    async def talk(brokers: Brokers) -> None:
        client = brokers.clients[NORTH]
        for who, code in (("alice", "scope_missing"), ("operator", "idempotency_key_missing")):
            headers = {"authorization": f"Bearer {brokers.tokens[f'{NORTH} {who}']}"}
            answer = await client.post(path, json=body, headers=headers)
            assert answer.json()["code"] == code
        nobody = await client.post(path, json=body, headers={"idempotency-key": "k"})
        assert nobody.json()["code"] == "token_missing"
        strange = await brokers.post(NORTH, f"{NORTH} operator", path, body | {"more": 1})
        assert strange.status_code == 400

    with_brokers(tmp_path, talk)


def test_the_list_is_the_operators_too_and_shows_no_token(tmp_path: Path) -> None:
    async def talk(brokers: Brokers) -> None:
        shown = await brokers.get(NORTH, f"{NORTH} operator", "/peers")
        assert [sorted(each) for each in shown] == [
            ["commissionE4", "id", "owedMicro", "thereMicro", "url"]
        ]
        denied = await brokers.get(NORTH, f"{NORTH} alice", "/peers")
        assert denied["code"] == "scope_missing"

    with_brokers(tmp_path, talk)


def test_every_route_is_described(tmp_path: Path) -> None:
    async def talk(brokers: Brokers) -> None:
        schema = (await brokers.clients[NORTH].get("/schema/openapi.json")).json()
        for route in ROUTES:
            for path in route.paths:
                assert path.replace(":str", "") in schema["paths"]

    with_brokers(tmp_path, talk)
