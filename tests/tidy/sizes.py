"""How long a file, a function and a line may be."""

import ast
from collections.abc import Iterator

from tests.tidy.tree import Tree

FILE_LINES_MAX = 400  # more than a reader keeps in mind: split by concept
FUNCTION_LINES_MAX = 70  # one screen
LINE_LENGTH_MAX = 100  # two files side by side


def long_files(tree: Tree) -> Iterator[str]:
    for path in tree.python_files():
        count = len(tree.read(path).splitlines())
        if count > FILE_LINES_MAX:
            yield f"{path}: {count} lines, at most {FILE_LINES_MAX}"


def long_functions(tree: Tree) -> Iterator[str]:
    for path in tree.python_files():
        for node in ast.walk(tree.parse(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                count = (node.end_lineno or node.lineno) - node.lineno + 1
                if count > FUNCTION_LINES_MAX:
                    yield (
                        f"{path}:{node.lineno}: {node.name} has {count} lines, "
                        f"at most {FUNCTION_LINES_MAX}"
                    )


def long_lines(tree: Tree) -> Iterator[str]:
    for path in tree.python_files():
        for number, line in enumerate(tree.read(path).splitlines(), start=1):
            if len(line) > LINE_LENGTH_MAX:
                yield f"{path}:{number}: {len(line)} characters, at most {LINE_LENGTH_MAX}"
