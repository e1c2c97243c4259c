"""Small wrong changes to the source: each mutant is one function with one thing altered.

- A changed comparison, operator, truth value or number; a condition turned round; a statement
  that changes something, or raises, left out; a returned value lost; two arguments swapped.
- Messages, docstrings, annotations and asserts are left alone: no caller depends on them.
- Only what lies inside a function: a mutant is put in place by giving the function other code, so
  that tests, already imported, meet it. Constants and tables of a module are not altered.
"""

import ast
import copy
from collections.abc import Iterator
from typing import NamedTuple

COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
COUNTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.Pow: ast.Mult,
}
SYMMETRIC = frozenset({"max", "min", "compare_digest"})  # either order is the same program


class Mutant(NamedTuple):
    """One altered module."""

    path: str
    line: int
    last: int
    was: str
    became: str
    node_index: int
    """Which node of the source it alters, and with which of that node's changes."""
    change_index: int

    @property
    def name(self) -> str:
        """Where it is and what it does; the same on every run of one commit."""
        return f"{self.path}:{self.line}: {self.was} -> {self.became}"


def mutants(path: str, source: str) -> Iterator[Mutant]:
    """Every mutant of a module, in the order of the source."""
    for index, node in enumerate(_inside_functions(ast.parse(source, filename=path))):
        for change, became in enumerate(_changes(node)):
            first, last = _lines(node)
            yield Mutant(path, first, last, _shown(node), _shown(became), index, change)


def altered(mutant: Mutant, source: str) -> ast.Module:
    """The module with this mutant in it; made when it is tried, since trees are large."""
    tree = ast.parse(source, filename=mutant.path)
    node = list(_inside_functions(tree))[mutant.node_index]
    of_class = [each for each in _methods(tree) if _names_super(each)]
    _replace(tree, node, list(_changes(node))[mutant.change_index])
    for method in of_class:
        # A function takes other code only with the same free variables: `super` needs the class.
        method.body.append(
            ast.copy_location(ast.Expr(ast.Name("super", ast.Load())), method.body[-1])
        )
    return ast.fix_missing_locations(tree)


def _methods(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    found = ast.walk(tree)
    return [each for each in found if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]


def _names_super(function: ast.AST) -> bool:
    return any(isinstance(each, ast.Name) and each.id == "super" for each in ast.walk(function))


def _lines(node: ast.AST) -> tuple[int, int]:
    """The first line and the last; a compound statement is where its condition is."""
    if isinstance(node, ast.If | ast.While):
        node = node.test
    if isinstance(node, ast.comprehension):
        node = node.target
    assert isinstance(node, ast.expr | ast.stmt)  # nothing else is altered
    return node.lineno, node.end_lineno or node.lineno


def _shown(node: ast.AST) -> str:
    if isinstance(node, ast.If | ast.While):
        return f"if {ast.unparse(node.test)}"[:90]
    return " ".join(ast.unparse(node).split())[:90]


def _inside_functions(tree: ast.Module) -> Iterator[ast.AST]:
    """Every expression and statement of every function body, outermost functions only once."""
    for holder in ast.walk(tree):
        if not isinstance(holder, ast.Module | ast.ClassDef):
            continue
        for function in holder.body:
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for statement in function.body:
                    yield from _below(statement)


def _below(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Assert):
        return
    yield node
    if isinstance(node, ast.Raise):
        return  # the code of a refusal is what tests compare; its words are for people
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _below(child)


def _changes(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.stmt):
        yield from _left_out(node)
    if isinstance(node, ast.Compare | ast.BinOp | ast.AugAssign | ast.BoolOp | ast.UnaryOp):
        yield from _operators(node)
    if isinstance(node, ast.If | ast.While | ast.IfExp) and not isinstance(
        node.test,
        ast.Compare | ast.UnaryOp,  # those are turned round by themselves
    ):
        turned = copy.deepcopy(node)
        turned.test = ast.copy_location(ast.UnaryOp(ast.Not(), turned.test), node.test)
        yield turned
    yield from _values(node)


def _left_out(node: ast.stmt) -> Iterator[ast.AST]:
    """The statement without its effect."""
    match node:
        case (
            ast.Raise()
            | ast.Delete()
            | ast.AugAssign()
            | ast.Expr(value=ast.Call() | ast.Await())
            | ast.Assign(targets=[ast.Attribute() | ast.Subscript()])
        ):
            yield ast.copy_location(ast.Pass(), node)
        case ast.Return(value=ast.expr() as value) if not _is_none(value):
            yield ast.copy_location(ast.Return(ast.Constant(None)), node)
        case _:
            return


def _operators(
    node: ast.Compare | ast.BinOp | ast.AugAssign | ast.BoolOp | ast.UnaryOp,
) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(ops=ops):
            for at, op in enumerate(ops):
                compared = copy.deepcopy(node)
                compared.ops[at] = COMPARED[type(op)]()
                yield compared
        case ast.BinOp(op=op) | ast.AugAssign(op=op):
            if type(op) in COUNTED:
                counted = copy.deepcopy(node)
                counted.op = COUNTED[type(op)]()
                yield counted
        case ast.BoolOp(op=op):
            joined = copy.deepcopy(node)
            joined.op = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield joined
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield copy.deepcopy(node.operand)
        case _:
            return


def _values(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Constant(value=bool() as truth):
            yield ast.copy_location(ast.Constant(not truth), node)
        case ast.Constant(value=int() as number):
            yield ast.copy_location(ast.Constant(number + 1), node)
        case ast.Call(func=called, args=[first, second, *_]) if (
            ast.dump(first) != ast.dump(second)
            and ast.unparse(called).rpartition(".")[2] not in SYMMETRIC
        ):
            swapped = copy.deepcopy(node)
            swapped.args[:2] = [swapped.args[1], swapped.args[0]]
            yield swapped
        case ast.comprehension(ifs=[_, *_]):
            yield ast.comprehension(node.target, node.iter, [], node.is_async)
        case _:
            return


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _replace(tree: ast.Module, old: ast.AST, new: ast.AST) -> None:
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
                return
            if isinstance(value, list) and any(each is old for each in value):
                value[[each is old for each in value].index(True)] = new
                return
