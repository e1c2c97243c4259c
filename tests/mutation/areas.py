"""What is altered, by area, and the tests that must notice."""

from pathlib import Path
from typing import NamedTuple

SOURCE = Path("src/farthing")


class Area(NamedTuple):
    """Some modules, and tests beyond those of the same name."""

    sources: tuple[str, ...]
    """Files and folders under the package."""
    also: tuple[str, ...]
    """Tests that hold these modules to account, besides the ones that bear their name."""

    def files(self) -> list[Path]:
        """The modules, sorted."""
        found: set[Path] = set()
        for name in self.sources:
            path = SOURCE / name
            found |= set(path.rglob("*.py")) if path.is_dir() else {path}
        return sorted(found)

    def tests(self, path: Path, *, own_only: bool = False) -> list[Path]:
        """The tests of one module: its own and the area's; `own_only` if it has any of its own."""
        own = Path("tests/unit") / path.relative_to(SOURCE).with_name(f"test_{path.name}")
        if own_only and own.exists():
            return [own]
        return [each for each in (own, *map(Path, self.also)) if each.exists()]


AREAS = {
    "ledger": Area(("ledger",), ("tests/unit/ledger",)),
    "marks": Area(
        (
            "marks.py",
            "holding.py",
            "stores/memory.py",
            "stores/sqlite.py",
            "stores/sqlite_tables.py",
            "stores/trouble.py",
        ),
        (
            "tests/unit/test_marks.py",
            "tests/unit/test_holding.py",
            "tests/integration/stores/test_marks_conformance.py",
            "tests/integration/stores/test_marks_facts.py",
            "tests/integration/stores/test_marks_model.py",
        ),
    ),
    "schemes": Area(
        ("schemes",),
        (
            "tests/unit/schemes",
            "tests/unit/lab/conformance",
            "tests/unit/vendor",
            "tests/unit/broker/test_operations.py",
            "tests/unit/broker/test_peers.py",
            "tests/unit/broker/test_redeeming.py",
            "tests/integration/broker",
            "tests/property",
            "tests/vectors",
        ),
    ),
    "gate": Area(
        (
            "vendor/gate.py",
            "vendor/offering.py",
            "vendor/resolving.py",
            "vendor/reserving.py",
            "vendor/booking.py",
            "vendor/delivery.py",
            "vendor/driver.py",
            "vendor/payments.py",
            "vendor/prices.py",
            "vendor/idempotency.py",
            "vendor/metering.py",
            "vendor/topping.py",
            "vendor/reductions.py",
            "vendor/lists.py",
            "vendor/plans.py",
            "vendor/refunding.py",
            "vendor/private.py",
            "wire",
        ),
        (
            "tests/unit/vendor",
            "tests/unit/wire",
            "tests/unit/lab/conformance",
            "tests/integration/vendor",
            "tests/integration/wallet/test_conversations.py",
            "tests/integration/wire",
            "tests/vectors",
        ),
    ),
    "auditing": Area(("auditing",), ("tests/unit/auditing",)),
    "lab": Area(("lab",), ("tests/unit/lab", "tests/integration/lab")),
    "broker": Area(
        ("broker",),
        ("tests/unit/broker", "tests/unit/lab/conformance", "tests/integration/broker"),
    ),
    "wallet": Area(
        ("wallet",),
        ("tests/unit/wallet", "tests/unit/lab/conformance", "tests/integration/wallet"),
    ),
    "values": Area(
        ("codec.py", "faults.py", "money.py", "ids.py", "props.py"),
        ("tests/unit/test_codec.py", "tests/unit/wire", "tests/vectors"),
    ),
}


def area_of(path: str) -> str:
    """The name of the area that alters this file."""
    return next(name for name, area in AREAS.items() if Path(path) in area.files())
