"""A wallet that was lost, made again of its seed on an empty disk.

A purse that counts what it makes (`Purse.numbers`) asks the broker what became of each number, one
after the other, until as many in a row were never used as a wallet may have taken in vain. Only
numbers that were used are given out no more: a gap of others would end the next search. What
others handed over, and what follows from no seed, is not found. Source: ours.
"""

from farthing import ids
from farthing.wallet.choice import Guide
from farthing.wallet.commands import Ask, OpenAsk
from farthing.wallet.errand import ID_BYTES, Flow, look, run
from farthing.wallet.file import File
from farthing.wallet.rows import Rows

UNUSED_MAX = 30  # numbers in a row: one that was refused, but for want of money, is used up, too
_COUNT = "SELECT count(*) FROM instruments WHERE broker=? AND scheme=?"


def restore(guide: Guide, file: File, broker_id: str, unused_max: int = UNUSED_MAX) -> Flow[int]:
    """Bring back what was made at a broker; how many instruments came. Any refusal.

    It ends after `unused_max` numbers in a row that were never used. Again brings nothing twice. It
    yields what the others do, and works on the file itself, as nobody else needs these
    transactions.
    """
    came = 0
    for name in guide.schemes:
        if not guide.purse(name, broker_id).numbers:
            continue
        number = unused = 0
        with file.write():
            known = Rows(file).next_number(broker_id, name)
        while unused < unused_max:
            with file.write():
                ((before,),) = file.rows(_COUNT, (broker_id, name))
            yield from _remake(guide, broker_id, name, number)
            with file.write():
                ((after,),) = file.rows(_COUNT, (broker_id, name))
                if after > before:
                    Rows(file).pass_number(broker_id, name, number)
            unused = 0 if after > before or number < known else unused + 1
            came += after - before
            number += 1
    return came


def _remake(guide: Guide, broker_id: str, scheme: str, number: int) -> Flow[None]:
    """Bring back what was made with one number."""
    purse = guide.purse(scheme, broker_id)
    while True:  # one that was left open before comes first
        at = yield from look()
        ask = Ask(
            id=ids.new_id("ask", at.entropy[:ID_BYTES]),
            created_at_s=at.now_s,
            broker_id=broker_id,
            scheme=scheme,
            vendor_id="",
            site="",
            amount_micro=0,
            asked=purse.remake(number, at),
        )
        opened: Ask | None = yield OpenAsk(ask=ask, patient=False, now_s=at.now_s)
        assert opened is not None, "nobody is patient, and nothing pays for it"
        yield from run(guide, opened)
        if opened.id == ask.id:
            return
