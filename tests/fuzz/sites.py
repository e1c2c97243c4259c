"""Finds, in the source alone, every function that reads what somebody else may have written."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).resolve().parents[2] / "src" / "farthing"
# The simulated world, and the demonstration that shows itself what it has made.
OWN_FOLDERS = ("lab", "gazette")
NAMES = ("read", "parse", "unb64", "decode", "from_wire", "from_json", "from_timestamp")
"""A function of such a name, or with such a head before an underscore, reads something."""
CALLS = {
    ("msgspec.json", "decode"),
    ("msgspec.msgpack", "decode"),
    ("msgspec", "convert"),
    ("json", "loads"),
    ("tomllib", "loads"),
    ("codec", "read_json"),
    ("codec", "read_open"),
    ("codec", "unb64"),
    ("codec", "unb64u"),
    ("bytes", "fromhex"),
    ("binascii", "unhexlify"),
    ("base64", "b64decode"),
    ("csv", "DictReader"),
    ("ipaddress", "ip_address"),
    ("ipaddress", "ip_network"),
}
DECODERS = ("Decoder", "Reader")
"""What is made of one of these, and named in a module, is a parser wherever it is called."""


class Site(NamedTuple):
    """One function."""

    path: str
    """Below the package: `wire/mpp.py`."""
    name: str
    """As Python calls it: `PaywordTill.read`."""


@cache
def sites() -> frozenset[Site]:
    """All of them."""
    modules: dict[str, ast.Module] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        where = path.relative_to(SOURCE)
        if where.parts[0] not in OWN_FOLDERS:
            modules[str(where)] = ast.parse(path.read_text(encoding="utf-8"))
    shared = {name for module in modules.values() for name in _decoders(module) if name[0] != "_"}
    return frozenset(
        site
        for where, module in modules.items()
        for site in _in_module(where, module, shared | _decoders(module))
    )


def _decoders(module: ast.Module) -> set[str]:
    """What a module has made to read with."""
    return {
        target.id
        for node in module.body
        if isinstance(node, ast.Assign) and _makes_decoder(node.value)
        for target in _targets(node)
    }


def _in_module(where: str, module: ast.Module, decoders: set[str]) -> Iterator[Site]:
    """Its sites; `decoders` are its own, and those that it may have of another module."""
    for name, function in _functions(module, ""):
        if _is_named_so(function.name) or any(
            isinstance(node, ast.Call) and _is_read(node.func, decoders)
            for node in _own_nodes(function)
        ):
            yield Site(where, name)


def _targets(node: ast.Assign) -> Iterator[ast.Name]:
    for target in node.targets:
        names = target.elts if isinstance(target, ast.Tuple) else [target]
        yield from (each for each in names if isinstance(each, ast.Name))


def _makes_decoder(value: ast.expr) -> bool:
    return any(
        isinstance(node, ast.Attribute | ast.Name)
        and (node.attr if isinstance(node, ast.Attribute) else node.id) in DECODERS
        for node in ast.walk(value)
    )


def _functions(
    node: ast.AST, head: str
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield head + child.name, child
            yield from _functions(child, f"{head}{child.name}.<locals>.")
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{head}{child.name}.")
        else:
            yield from _functions(child, head)


def _own_nodes(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.AST]:
    """What stands in it, without the functions within it."""
    todo: list[ast.AST] = list(function.body)
    while todo:
        node = todo.pop()
        yield node
        todo += [
            child
            for child in ast.iter_child_nodes(node)
            if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        ]


def _is_named_so(name: str) -> bool:
    return any(name == head or name.startswith(head + "_") for head in NAMES)


def _is_read(called: ast.expr, decoders: set[str]) -> bool:
    if isinstance(called, ast.Name):
        return called.id in decoders
    if not isinstance(called, ast.Attribute):
        return False
    owner = ast.unparse(called.value)
    return (owner, called.attr) in CALLS or (
        called.attr in {"read", "convert", "decode"} and owner.rpartition(".")[2] in decoders
    )
