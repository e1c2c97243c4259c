"""How commands print: a table or a line for people, one JSON object for programs."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table

from farthing.cli import hints
from farthing.errors import Misconfigured

TOKEN_VARIABLE = "FARTHING_TOKEN"  # noqa: S105 - the name of a variable

PIPE_COLUMNS = 120  # of a table that goes into a file or a pipe; a terminal has its own width


class _Console(Console):
    """Says commands as whoever reads them can type them."""

    def print(self, *objects: Any, **how: Any) -> None:
        """As rich prints it."""
        told = (
            hints.as_typed(one, sys.argv[1:]) if isinstance(one, str) else one for one in objects
        )
        super().print(*told, **how)


console = _Console(
    highlight=False, emoji=False, width=None if sys.stdout.isatty() else PIPE_COLUMNS
)
errors = _Console(stderr=True, highlight=False, emoji=False)


def print_json(value: Any) -> None:
    """One JSON object on stdout."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")
    sys.stdout.flush()  # before what stderr has to say of it


def clock(at_s: int) -> str:
    """Unix seconds for people, to the minute."""
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%M} UTC"


def say(line: str) -> None:
    """One line for people on stdout, as it is."""
    console.print(line, markup=False, soft_wrap=True)


def write_private(path: Path, content: str | bytes) -> None:
    """A new file that only its owner reads; `Misconfigured` if it exists or cannot be."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Misconfigured("file_exists", f"{path} exists; name another file") from None
    except OSError as wrong:
        raise not_writable(path, wrong) from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)


def not_writable(path: Path, wrong: OSError) -> Misconfigured:
    """Why there can be no such file, and what to do."""
    done = "make its folder first, or name another file"
    if not isinstance(wrong, FileNotFoundError):
        done = "name another file"
    return Misconfigured("file_not_writable", f"{path}: {wrong.strerror or wrong}: {done}")


@contextlib.contextmanager
def private_files(*paths: Path) -> Iterator[None]:
    """New files that only their owner reads, to be written inside: before what cannot be undone.

    They are gone again where that fails. `Misconfigured` if one exists or cannot be.
    """
    with contextlib.ExitStack() as undo:
        for path in paths:
            write_private(path, b"")
            undo.callback(path.unlink, missing_ok=True)
        yield
        undo.pop_all()


def opened(path: Path) -> IO[bytes]:
    """An empty file to write into and read from; `Misconfigured` where there can be none."""
    try:
        return path.open("w+b")
    except OSError as wrong:
        raise not_writable(path, wrong) from None


def hidden(prompt: str, otherwise: str) -> str:
    """What is typed on the terminal and not shown, or the next line of standard input without one.

    `Misconfigured` with `otherwise` where there is neither.
    """
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        if not sys.stdin.isatty():
            # Its bytes, not its text, which is read ahead: what follows is somebody else's.
            line = sys.stdin.buffer.readline().decode(errors="surrogateescape").rstrip("\r\n")
            if line:
                return line
            missing = f"{prompt.replace(' ', '_')}_missing"
            raise Misconfigured(missing, f"there is no terminal to ask on: {otherwise}") from None
    given: str = typer.prompt(prompt, hide_input=True, err=True)
    return given


def token_from(token_file: Path | None, prompt: str) -> str:
    """A token out of a file, the environment (`FARTHING_TOKEN`) or a hidden prompt."""
    if token_file is not None:
        try:
            return token_file.read_text().strip()
        except OSError as wrong:
            raise Misconfigured("token_file_unreadable", f"{token_file}: {wrong}") from None
    otherwise = f"name its file with --token-file, or set {TOKEN_VARIABLE}"
    return os.environ.get(TOKEN_VARIABLE) or hidden(prompt, otherwise)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table whose first column is left, the others right; without rows one line says so."""
    shown = list(rows)
    if not shown:
        say(f"{title}: none")
        return
    built = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for number, name in enumerate(columns):
        built.add_column(name, justify="left" if number == 0 else "right", no_wrap=True)
    for row in shown:
        built.add_row(*row)
    console.print(built)


@contextlib.contextmanager
def progress(title: str, total: int | None = None) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal's stderr, moved by calls with (done, of how many).

    `total`: of how many, where that is known before the first call.
    """
    with Progress(disable=not sys.stderr.isatty(), console=errors, transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextlib.contextmanager
def watching(title: str) -> Iterator[Callable[[str], None]]:
    """A line on a terminal's stderr for work whose end nobody knows; calls say how far it is."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    disable = not sys.stderr.isatty()
    with Progress(*columns, disable=disable, console=errors, transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda line: bar.update(task, description=f"{title}: {line}")
