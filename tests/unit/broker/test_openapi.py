"""The description at `/schema` says what the broker does."""

from pathlib import Path
from typing import Any

from farthing.broker import openapi
from farthing.broker.fast import HOT
from tests.unit.broker.test_api import Callers, over_http


def test_every_route_is_described_with_key_token_and_problem(tmp_path: Path) -> None:
    async def talk(callers: Callers) -> None:
        schema = await callers.get("nobody", "/schema")
        assert schema == await callers.get("nobody", "/schema/openapi.json")
        paths: dict[str, Any] = schema["paths"]
        assert HOT.keys() <= paths.keys()
        assert schema["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
        assert "Problem" in schema["components"]["schemas"]
        for path, operations in paths.items():
            for method, operation in operations.items():
                assert operation["responses"].keys() <= {"200", "201", "default"}, path
                is_public = path.startswith(openapi.PUBLIC)
                assert ("security" in operation) != is_public, path
                named = {one["name"]: one for one in operation.get("parameters", [])}
                assert ("Idempotency-Key" in named) == (method == "post"), path
                if method == "post":
                    assert named["Idempotency-Key"]["required"] == (path not in HOT)
                    assert "requestBody" in operation, path
        transfer = schema["components"]["schemas"]["Transfer"]
        assert {"id", "to", "amountMicro"} == set(transfer["required"])
        assert "201" in paths["/accounts"]["post"]["responses"]
        assert "200" in paths["/topup"]["post"]["responses"]

    over_http(tmp_path, talk)


def test_what_the_description_says_is_so(tmp_path: Path) -> None:
    """A key is needed on our own POSTs and taken on the others; a problem is one."""

    async def talk(callers: Callers) -> None:
        topup = {"payer": "alice", "amountMicro": 1, "reference": "r2"}
        problem = await callers.post("operator", "/topup", topup, "", 400)
        assert problem["code"] == "idempotency_key_missing"
        schema = await callers.get("nobody", "/schema")
        assert set(schema["components"]["schemas"]["Problem"]["required"]) <= problem.keys()
        transfer = {"id": "0" * 32, "to": "vendor/v7", "amountMicro": 1}
        with_key = await callers.post("alice pay", "/transfer", transfer, "any key at all")
        assert await callers.post("alice pay", "/transfer", transfer) == with_key
        page = (await callers.client.get("/schema")).text
        assert "<script" not in page, "nothing is loaded from other people's servers"

    over_http(tmp_path, talk)
