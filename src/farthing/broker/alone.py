"""One of many works that time alone brings: what is wrong with it keeps no other from its turn."""

from collections.abc import Callable

import apsw

from farthing import faults
from farthing.errors import Refusal


def run(connection: apsw.Connection, work: Callable[[], object], where: str) -> Refusal | None:
    """Run `work` in a savepoint; why it was undone, whether refused or by a mistake of ours.

    SQLite's own errors are raised: they undo the others too.
    """
    try:
        with connection:
            work()
    except Refusal as refusal:
        return refusal
    except apsw.Error:
        raise
    except Exception as wrong:  # noqa: BLE001 - told, and no other work of the batch waits for it
        faults.tell(wrong, where)
        return faults.refusal_of(wrong)
    return None
