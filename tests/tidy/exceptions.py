"""Exceptions in both senses: broad `except` clauses, and lint rules switched off for a line."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator

from tests.tidy.tree import Exemptions, Tree

# The files that may catch whatever comes, because nothing above them would: each with the reason.
PROCESS_EDGE: Exemptions = {
    "src/farthing/faults.py": "what runs beside requests goes on; the log has what was wrong",
    "src/farthing/broker/front.py": "likewise: whoever asked is told, and the log",
    "src/farthing/broker/alone.py": "likewise the others of a batch",
    "src/farthing/lab/loop.py": "an event loop: what one callback raises is noted, and stops none",
    "src/farthing/lab/conformance/runner.py": "a scheme may raise anything: that is what was found",
    "src/farthing/stores/database.py": "a work's failure belongs to its waiter; others wait too",
    "src/farthing/vendor/asgi.py": "an application behind the gate may raise anything",
    "src/farthing/wsgi.py": "likewise: what it raises is told to the gate, in another thread",
    "src/farthing/wallet/file.py": "a transaction is undone whatever ends it, and it is re-raised",
}

BROAD = frozenset({"Exception", "BaseException"})

SWITCH = re.compile(
    r"#\s*(?:ruff:\s*)?noqa(?P<lint>:\s*[A-Z]+\d+(?:[,\s]+[A-Z]+\d+)*)?(?![\w:])"
    r"|#\s*type:\s*ignore(?P<types>\[[\w\s,\-]+\])?"
    r"|#\s*(?P<other>pragma:\s*no cover|fmt:\s*(?:off|skip)|mypy:\s*[\w\-]+(?:=\S+)?)"
)
REASON = re.compile(r"(?: - | # )\W*(?:likewise|\w+\W+\w+)")  # one word is no reason


def broad_excepts(tree: Tree, exempt: Exemptions = PROCESS_EDGE) -> Iterator[str]:
    for path in tree.python_files("src", "bench"):
        if str(path) in exempt:
            continue
        for node in ast.walk(tree.parse(path)):
            if isinstance(node, ast.ExceptHandler) and _is_broad(node.type):
                yield f"{path}:{node.lineno}: catches everything, and is no process edge"
            elif isinstance(node, ast.Call) and _is_broad_suppress(node):
                yield f"{path}:{node.lineno}: suppresses everything, and is no process edge"


def _is_broad(kind: ast.expr | None) -> bool:
    if kind is None:
        return True
    if isinstance(kind, ast.Tuple):
        return any(_is_broad(each) for each in kind.elts)
    return isinstance(kind, ast.Name) and kind.id in BROAD


def _is_broad_suppress(node: ast.Call) -> bool:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name == "suppress" and any(_is_broad(argument) for argument in node.args)


def lint_exceptions_without_reason(tree: Tree) -> Iterator[str]:
    for path in tree.python_files():
        text = tree.read(path)
        if not SWITCH.search(text):  # most files have none, and to take one apart is slow
            continue
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        for token in tokens:
            if token.type != tokenize.COMMENT:
                continue
            switches = list(SWITCH.finditer(token.string))
            if not switches:
                continue
            if not all(any(switch.groupdict().values()) for switch in switches):
                yield f"{path}:{token.start[0]}: names no rule: {token.string}"
            elif not REASON.search(SWITCH.sub("", token.string)):
                yield f"{path}:{token.start[0]}: gives no reason after ' - ': {token.string}"
