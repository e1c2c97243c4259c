"""What is bought once: one purchase at most for whatever it is bought for (`Reserve.once`).

It is never marked as delivered, so that the same bytes can be sent again at any time; and nothing
is bought anew where it was taken as released, since a copy of it may still be on its way.
"""

from farthing.errors import Busy, Denied
from farthing.wallet.commands import Purchase, Reserve
from farthing.wallet.rows import Rows


def bought(rows: Rows, command: Reserve, tag: bytes) -> Purchase | None:
    """The one purchase under this tag, however long ago, now ours to send; None before it is made.

    `Busy` while another flow has it. `Denied` where it was released.
    """
    found = rows.file.rows("SELECT state FROM purchases WHERE request=? AND delivered=0", (tag,))
    if not found:
        return None
    if found == [("released",)]:
        raise Denied("bought_before", "it was paid for once, and nothing came of it")
    made = rows.take_over(
        Purchase,
        "purchases",
        command.now_s,
        "request=? AND delivered=0",
        (tag,),
        skip=command.skip,
        count_max=1,
        to_send=True,
    )
    if not made or command.answered is not None:
        raise Busy("purchase_under_way", "it is being bought already; try again")
    return made[0]
