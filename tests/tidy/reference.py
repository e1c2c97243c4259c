"""Makes `docs/reference/schemes/*.md` and `states.md`: `python -m tests.tidy.reference`.

Traits and what can be lost come from the registry; the words on a scheme from its docstring; its
messages, refusals and limits from the source of its package and of the engine that it configures;
the sizes from a payment that is made.
"""

import ast
import importlib
import importlib.util
import inspect
import pkgutil
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import msgspec

from farthing import codec, errors
from farthing.lab.conformance.hand import Hand
from farthing.lab.conformance.stage import Play
from farthing.schemes import registry
from farthing.schemes.contract import Scheme
from farthing.schemes.losses import CAUSES
from tests.tidy import comparison, states
from tests.tidy.typenames import type_name

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "reference" / "schemes"
COMMAND = "python -m tests.tidy.reference"


class Source(NamedTuple):
    """A module and its text."""

    module: ModuleType
    tree: ast.Module
    lines: list[str]


def source_of(name: str) -> Source:
    module = importlib.import_module(name)
    text = inspect.getsource(module)
    return Source(module, ast.parse(text), text.splitlines())


def home_of(scheme: Scheme) -> str:
    """The module or package of the scheme: `farthing.schemes.<mechanism>.<scheme>`."""
    return ".".join(scheme.till.__module__.split(".")[:4])


def own(scheme: Scheme) -> list[Source]:
    """Every module of the scheme, then those of the family that its three sides extend."""
    home = home_of(scheme)
    mechanism = home.rpartition(".")[0] + "."
    homes = [home]
    for kind in (*scheme.till.__mro__, *scheme.mint.__mro__, *scheme.purse.__mro__):
        found = ".".join(kind.__module__.split(".")[:4])
        if found.startswith(mechanism) and found not in homes:
            homes.append(found)
    return [source for found in homes for source in _sources_in(found)]


def _sources_in(home: str) -> list[Source]:
    module = importlib.import_module(home)
    if not hasattr(module, "__path__"):
        return [source_of(home)]
    return [
        source_of(f"{home}.{name}")
        for name in sorted(one.name for one in pkgutil.iter_modules(module.__path__))
    ]


def engine(scheme: Scheme, mine: list[Source]) -> list[Source]:
    """The modules of engine and cryptography that the scheme uses."""
    mechanism = home_of(scheme).rpartition(".")[0]
    known = {source.module.__name__ for source in mine}
    used: set[str] = set()
    for node in (node for source in mine for node in ast.walk(source.tree)):
        if not isinstance(node, ast.ImportFrom) or node.module is None:
            continue
        names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        used |= {
            name
            for name in names
            if name.startswith((mechanism + ".", "farthing.crypto.", "farthing.schemes.proofs"))
            and name not in known
            and importlib.util.find_spec(name.rpartition(".")[0]) is not None
        }
    modules = [name for name in sorted(used) if _is_module(name)]
    return [source_of(name) for name in modules]


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


# --- parts of a page ----------------------------------------------------------------------------


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return [*lines, *("| " + " | ".join(cell(text) for text in row) + " |" for row in rows), ""]


def about(scheme: Scheme) -> list[str]:
    text = inspect.getdoc(importlib.import_module(home_of(scheme))) or ""
    return [text, ""]


def traits(scheme: Scheme) -> list[str]:
    found = scheme.traits
    mint = scheme.mint
    name = found.wire + (f", variant `{found.variant}`" if found.variant else "")
    rows = [
        ("name in commands and `prices.toml`", f"`{found.name}`"),
        ("name on the wire", f"`{name}`"),
        ("source", found.source),
        ("issuer", found.issuer),
        ("the payer is billed after spending", "yes" if found.credit else "no"),
        ("a broker sells what another one issues", "yes" if found.resold else "no"),
        ("needs a list of revocations", "yes" if found.needs_list else "no"),
        ("what a payment comes to is drawn", "yes" if found.drawn else "no"),
        ("latest safe moment of clearing", f"`{found.latest}`"),
        ("moments of clearing", ", ".join(f"`{moment}`" for moment in found.moments)),
        ("options in `prices.toml`", ", ".join(f"`{o}`" for o in scheme.options) or "none"),
        ("broker's signing keys", ", ".join(f"`{key}`" for key in mint.signing) or "none"),
        ("broker's other keys", ", ".join(f"`{key}`" for key in mint.sealing) or "none"),
        ("published list", f"`/lists/{found.name}`" if mint.published else "none"),
    ]
    losses = [
        (role, causes[loss.by], loss.prose)
        for role, causes in CAUSES.items()
        for loss in found.losses[role]
    ]
    return [
        *table(("trait", "value"), rows),
        "## What each can lose at most",
        "",
        *table(("who", "when", "at most"), losses),
        "Of what is sold while it runs payer and vendor may each lose the `grace` of a stream, too",
        "([how to sell one](../../how-to/sell-a-stream.md#what-either-side-can-lose)).",
        "",
    ]


def structs(source: Source) -> Iterator[tuple[type[Any], ast.ClassDef]]:
    """The strict structs of a module: what is read from others, or kept as JSON."""
    for node in source.tree.body:
        if isinstance(node, ast.ClassDef):
            kind = getattr(source.module, node.name)
            is_struct = isinstance(kind, type) and issubclass(kind, msgspec.Struct)
            if is_struct and kind.__struct_config__.forbid_unknown_fields:
                yield kind, node


def notes_of(node: ast.ClassDef, kind: type[Any]) -> dict[str, str]:
    """The sentence under each field, by field, bases included."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__[1:]):
        if base.__module__.startswith("farthing.") and issubclass(base, msgspec.Struct):
            (parsed,) = ast.parse(inspect.getsource(base)).body
            assert isinstance(parsed, ast.ClassDef)
            found |= _notes(parsed)
    return found | _notes(node)


def _notes(node: ast.ClassDef) -> dict[str, str]:
    found: dict[str, str] = {}
    last = ""
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            last = item.target.id
        elif isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant) and last:
            found[last] = str(item.value.value)
            last = ""
        else:
            last = ""
    return found


def written(sources: list[Source]) -> Iterator[tuple[Source, type[Any], ast.ClassDef]]:
    """The structs of a page: those with fields that no other on it extends."""
    found = [(source, kind, node) for source in sources for kind, node in structs(source)]
    bases = {base for _, kind, _ in found for base in kind.__mro__[1:]}
    for source, kind, node in found:
        if kind not in bases and msgspec.structs.fields(kind):
            yield source, kind, node


def messages(sources: list[Source]) -> list[str]:
    lines: list[str] = []
    for source, kind, node in written(sources):
        notes = notes_of(node, kind)
        rows = [
            (
                f"`{field.encode_name}`",
                f"`{type_name(field.type)}`",
                "yes" if field.required else "no",
                notes.get(field.name, ""),
            )
            for field in sorted(msgspec.structs.fields(kind), key=lambda f: f.encode_name)
        ]
        where = f"(`{source.module.__name__.rpartition('.')[2]}.py`)"
        lines += [f"### {kind.__name__}", "", f"{inspect.getdoc(kind) or ''} {where}", ""]
        lines += table(("field", "type", "required", "meaning"), rows)
    return lines


class Raised(NamedTuple):
    """A refusal in the source."""

    code: str
    kind: str
    detail: str


def refusals(sources: list[Source]) -> list[Raised]:
    """Every code that is raised or returned with a constant, by code."""
    found: set[Raised] = set()
    kinds = {kind.__name__ for kind in errors.classes()}
    for node in (node for source in sources for node in ast.walk(source.tree)):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        first = node.args[0]
        if name == "require_equal" and isinstance(first, ast.Constant):
            found.add(Raised(str(first.value), "Forged", "an authentication code does not fit"))
        if name in kinds and isinstance(first, ast.Constant) and isinstance(first.value, str):
            detail = _spoken(node.args[1]) if len(node.args) > 1 else ""
            found.add(Raised(first.value, name, detail))
    return sorted(found)


def _spoken(node: ast.expr) -> str:
    """What a detail says, with `…` for what is filled in."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        parts = [str(p.value) if isinstance(p, ast.Constant) else "…" for p in node.values]
        return "".join(parts)
    return ""


def refused(sources: list[Source]) -> list[str]:
    by_name = {kind.__name__: kind for kind in errors.classes()}
    rows = []
    for raised in refusals(sources):
        row = errors.ROWS[by_name[raised.kind]]
        rows.append((f"`{raised.code}`", raised.kind, str(row.status), row.retry, raised.detail))
    return table(("code", "class", "status", "then", "says"), rows)


def limits(sources: list[Source]) -> list[str]:
    rows: list[tuple[str, ...]] = []
    for source in sources:
        for node in source.tree.body:
            if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
                continue
            name = node.targets[0].id
            value = getattr(source.module, name, None)
            _, _, why = source.lines[node.lineno - 1].partition("#")
            if name.isupper() and not name.startswith("_") and type(value) is int:
                rows.append((f"`{name}`", f"{value:,}", why.strip()))
    return table(("name", "value", "why"), sorted(set(rows)))


@lru_cache
def sizes(name: str) -> tuple[tuple[str, ...], ...]:
    """Bytes of a payment and of the header that carries it, the first and the next one."""
    found: dict[str, list[str]] = {"first": [], "next": []}
    for dialect in ("mpp", "x402"):
        with Play(name, "sizes").stage(dialect=dialect) as stage:
            hand = Hand(stage)
            instrument = hand.instrument()
            for which, row in found.items():
                made = hand.pay(stage.page(), instrument)
                _, value = made.request.headers[-1]
                payload = f"{len(codec.canonical(made.paid.payload)):,}"
                row += [f"{which} payment", payload] if not row else []
                row.append(f"{len(value):,}")
                instrument = made.paid.after or instrument
    return tuple(tuple(row) for row in found.values())


def page(scheme: Scheme) -> str:
    """The whole page."""
    mine = own(scheme)
    used = engine(scheme, mine)
    lines = [
        f"# {scheme.traits.title}",
        "",
        f"<!-- Made by {COMMAND} of the registry and the source; not edited by hand. -->",
        "",
        *about(scheme),
        "## Traits",
        "",
        *traits(scheme),
        "## Sizes",
        "",
        "Bytes of a payment of 200 micro-units in the tests: the scheme's own payload in its",
        "canonical form, and the value of the header that carries it in each dialect.",
        "",
        *table(("", "payload", "MPP header", "x402 header"), sizes(scheme.traits.name)),
        "## Messages and records",
        "",
        "Every JSON object that the scheme reads, with the names as they travel. A field that is",
        "not here is refused, and so is one with a value outside its limits.",
        "",
        *messages(mine),
        "## Refusals",
        "",
        "Status of a payment at the gate, where nothing of value moved; what a wallet does then.",
        "",
        *refused([*mine, *used]),
        "## Limits",
        "",
        *limits([*mine, *used]),
    ]
    return "\n".join(lines).rstrip() + "\n"


def index() -> str:
    """The list of all pages."""
    rows = [
        (
            f"[{scheme.traits.title}]({scheme.traits.name}.md)",
            f"`{scheme.traits.name}`",
            scheme.traits.source,
            "credit" if scheme.traits.credit else "prepaid",
            f"`{scheme.traits.latest}`",
        )
        for scheme in registry.all_schemes()
    ]
    head = ("scheme", "name", "source", "the payer pays", "cleared at the latest")
    beside = [
        comparison.row(scheme, *sizes(scheme.traits.name)[1][1:3])
        for scheme in registry.all_schemes()
    ]
    lines = [
        "# Schemes",
        "",
        f"<!-- Made by {COMMAND} of the registry; not edited by hand. -->",
        "",
        *table(head, rows),
        "## Side by side",
        "",
        "Bytes are those of a payment after the first, of 200 micro-units. A vendor may have any",
        "scheme cleared sooner than it must. How fast each till is stands in",
        "[performance](../../explanation/performance.md), who learns what in",
        "[privacy](../../explanation/privacy.md), and which to take in",
        "[which scheme](../../explanation/which-scheme.md).",
        "",
        *table(comparison.HEAD, beside),
    ]
    return "\n".join(lines).rstrip() + "\n"


def pages() -> dict[str, str]:
    """Every page by file name."""
    found = {f"{scheme.traits.name}.md": page(scheme) for scheme in registry.all_schemes()}
    return {"README.md": index()} | found


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    states.PATH.write_text(states.page(COMMAND), encoding="utf-8")


if __name__ == "__main__":
    main()
