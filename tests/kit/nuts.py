"""The specification's vectors, by kind."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "vectors"


def vectors(name: str, kind: str) -> list[dict[str, Any]]:
    found = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))["vectors"]
    return [vector for vector in found if vector["kind"].startswith(kind)]
