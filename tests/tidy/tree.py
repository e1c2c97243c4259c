"""The source as the tidy rules see it. A rule takes a `Tree` and yields findings, one line each."""

import ast
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CODE_FOLDERS = ("src", "tests", "bench")

# What tools leave behind; only read where there is no git to say which files are ours.
SKIPPED_FOLDERS = frozenset({".git", ".venv", "__pycache__", "build", "dist"})


@cache  # each rule reads all files
def _parsed(text: str, name: str) -> ast.Module:
    return ast.parse(text, filename=name)


@dataclass(frozen=True, kw_only=True)
class Tree:
    root: Path

    def python_files(self, *folders: str) -> Iterator[Path]:
        """Every Python file under the given folders of the root, sorted, relative to the root."""
        for folder in folders or CODE_FOLDERS:
            for path in sorted((self.root / folder).rglob("*.py")):
                yield path.relative_to(self.root)

    def text_files(self) -> Iterator[tuple[Path, str]]:
        """Every file that is or could be committed and that reads as UTF-8, with its text."""
        for path in self._all_files():
            try:
                text = (self.root / path).read_text(encoding="utf-8")
            except (UnicodeDecodeError, FileNotFoundError):
                continue  # a picture, or a file deleted and not yet committed
            if "\0" not in text:
                yield path, text

    def read(self, path: Path) -> str:
        return (self.root / path).read_text(encoding="utf-8")

    def parse(self, path: Path) -> ast.Module:
        return _parsed(self.read(path), str(path))

    def _all_files(self) -> list[Path]:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
        )
        if listed.returncode == 0:
            return sorted({Path(name) for name in listed.stdout.split("\0") if name})
        return sorted(
            path.relative_to(self.root)
            for path in self.root.rglob("*")
            if path.is_file() and not SKIPPED_FOLDERS & set(path.relative_to(self.root).parts)
        )


Rule = Callable[[Tree], Iterator[str]]
Exemptions = Mapping[str, str]  # path from the root -> the reason
