"""The description of the broker's API at `/schema`: what Litestar finds, and what it cannot see.

It sees the handlers and their bodies. Added here: tokens, `Idempotency-Key`, problem bodies, and
the hot routes, which are plain ASGI. It is JSON and nothing else: a page to browse it in would load
its scripts from other people's servers.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Request
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

import farthing
from farthing.broker.web import KEY_CHARS_MAX

PUBLIC = ("/health", "/supported", "/lists/", "/.well-known/")  # no token is asked for there
_PROBLEM = {
    "description": "A problem (RFC 9457); `refusal` is its class, `code` the broken rule",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_FIELDS = ("type", "title", "detail", "code", "fault", "retry", "refusal")


class Hot(msgspec.Struct, frozen=True, kw_only=True):
    """A route that Litestar does not know."""

    method: str = "post"
    summary: str
    body: Any = None
    """The type of its body; None for none."""
    produces: str = "application/json"


class Described(JsonRenderPlugin):
    """Serves the description, completed."""

    def __init__(self, hot: Mapping[str, Hot]) -> None:
        """`hot`: routes by path."""
        super().__init__(path=["/", "/openapi.json"])
        self._hot = hot

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """The JSON."""
        return super().render(request, complete(openapi_schema, self._hot))


def config(hot: Mapping[str, Hot]) -> OpenAPIConfig:
    """How Litestar describes this API."""
    return OpenAPIConfig(
        title="Farthing broker",
        version=farthing.__version__,
        render_plugins=[Described(hot)],
        use_handler_docstrings=True,
    )


def complete(schema: dict[str, Any], hot: Mapping[str, Hot]) -> dict[str, Any]:
    """Another description, with what is missing in this one."""
    components = {**schema.get("components", {})}
    schemas = {**components.get("schemas", {}), "Problem": _problem()}
    paths = {path: dict(operations) for path, operations in schema["paths"].items()}
    for path, route in hot.items():
        operation: dict[str, Any] = {
            "summary": route.summary,
            "operationId": path.strip("/"),
            "responses": {"200": {"description": "Done", "content": {route.produces: {}}}},
        }
        if route.body is not None:
            (found,), named = msgspec.json.schema_components(
                [route.body], ref_template="#/components/schemas/{name}"
            )
            schemas |= named
            operation["requestBody"] = {
                "required": True,
                "content": {"application/json": {"schema": found}},
            }
        paths[path] = {route.method: operation}
    for path, operations in paths.items():
        for method, operation in operations.items():
            operations[method] = _completed(path, method, operation, is_hot=path in hot)
    tokens = {"token": {"type": "http", "scheme": "bearer"}}
    components |= {"schemas": schemas, "securitySchemes": tokens}
    return {**schema, "components": components, "paths": paths}


def _completed(
    path: str, method: str, operation: dict[str, Any], *, is_hot: bool
) -> dict[str, Any]:
    done = {**operation, "responses": {**operation["responses"], "default": _PROBLEM}}
    done["responses"].pop("400", None)  # Litestar's own, which nobody is answered with
    if not path.startswith(PUBLIC):
        done["security"] = [{"token": []}]
    if method == "post":
        key = {
            "name": "Idempotency-Key",
            "in": "header",
            "required": not is_hot,
            "description": "The same key with the same request has one effect and one answer. "
            + ("Taken and not needed: the body says which payment it is." if is_hot else ""),
            "schema": {"type": "string", "minLength": 1, "maxLength": KEY_CHARS_MAX},
        }
        done["parameters"] = [*operation.get("parameters", []), key]
    return done


def _problem() -> dict[str, Any]:
    properties: dict[str, Any] = {name: {"type": "string"} for name in _FIELDS}
    properties["status"] = {"type": "integer"}
    return {"type": "object", "required": sorted(properties), "properties": properties}
