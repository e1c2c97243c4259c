"""Below the edge there is no clock, no randomness, no socket, no file and no log.

import-linter holds the order of the layers. This rule holds what the lower ones may bring in from
outside; it reads the source itself, so that a layer not yet written is no error.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.tidy.tree import Tree

# Everything from the wire downwards, so that nothing impure comes in through a lower layer either.
PURE = frozenset(
    {"cbor", "codec", "crypto", "errors", "ids", "ledger", "marks", "money", "schemes", "wire"}
)

IMPURE_STANDARD = frozenset(
    {
        "asyncio", "concurrent", "ctypes", "glob", "http", "importlib", "io", "logging",
        "multiprocessing", "os", "pathlib", "random", "secrets", "select", "selectors", "shutil",
        "signal", "socket", "socketserver", "sqlite3", "ssl", "subprocess", "sys", "tempfile",
        "threading", "time", "urllib", "uuid", "warnings",
    }
)  # fmt: skip  # - one name a line would hide that this is one list

PURE_MODULES = frozenset({"urllib.parse", "importlib.resources"})  # no I/O; read-only package data

# Of other people's packages: the message library and the cryptographic ones.
PURE_LIBRARIES = frozenset(
    {"coincurve", "cryptography", "gmpy2", "msgspec", "nacl", "numba", "numpy"}
)


def impure_imports(tree: Tree) -> Iterator[str]:
    for path in tree.python_files("src/farthing"):
        if path.relative_to("src/farthing").parts[0].removesuffix(".py") not in PURE:
            continue
        for node in ast.walk(tree.parse(path)):
            yield from _impure_in(node, path)


def _impure_in(node: ast.AST, path: Path) -> Iterator[str]:
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        names = [f"{node.module}.{alias.name}" for alias in node.names]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        names = [node.func.id] if node.func.id in {"open", "print", "input", "__import__"} else []
        if names:
            yield f"{path}:{node.lineno}: calls {names[0]}() below the edge"
            return
    for name in names:
        if not _is_pure(name):
            yield f"{path}:{getattr(node, 'lineno', 0)}: imports {name} below the edge"


def _is_pure(name: str) -> bool:
    if any(name == pure or name.startswith(f"{pure}.") for pure in PURE_MODULES):
        return True
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names:
        return top not in IMPURE_STANDARD
    return top == "farthing" or top in PURE_LIBRARIES
