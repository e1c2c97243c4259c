"""A vendor's part in a dispute about one payment: to give way, or to show what was bought."""

from collections.abc import Mapping

import msgspec

from farthing import codec, marks
from farthing.errors import by_name
from farthing.schemes import registry
from farthing.schemes.contract import Till
from farthing.schemes.disclosures import Disclosure
from farthing.vendor.clearing import Redeemer, show
from farthing.vendor.driver import MarkStore
from farthing.vendor.refunding import find_charged


class Waived(msgspec.Struct, frozen=True, kw_only=True):
    """What was left to the payer."""

    reference: str
    scheme: str


async def waive(name: str, tills: Mapping[str, Till], store: MarkStore, broker: Redeemer) -> Waived:
    """Leave to its payer what the broker holds as disputed of a payment.

    Refusals of `find_charged`, the till and the broker; `Unavailable`.
    """
    _, till, charged = await find_charged(name, tills, store)
    (result,) = await show(till.traits.name, broker, [till.waive(charged)])
    if result.state != "paid":
        raise by_name(result.refusal, result.code, result.detail)
    return Waived(reference=charged.reference, scheme=till.traits.name)


async def conflicts(tills: Mapping[str, Till], store: MarkStore) -> list[Disclosure]:
    """What this gate has refused because its payer had signed something else before."""
    found: list[Disclosure] = []
    for name in tills:
        prefix = registry.by_name(name).mint.contradicted
        if prefix:
            memory = await store.do(marks.Read(keys=marks.Keys(prefixes=(prefix,))))
            kept = sorted(memory.records.items())
            found += [Disclosure(scheme=name, shown=codec.read_json(raw)) for _, raw in kept]
    return found


async def disclose(name: str, tills: Mapping[str, Till], store: MarkStore) -> Disclosure:
    """What opens what was bought by a payment; refusals of `find_charged` and the till."""
    _, till, charged = await find_charged(name, tills, store)
    memory = await store.do(marks.Read(keys=till.disclosing(charged)))
    return Disclosure(scheme=till.traits.name, shown=till.disclose(memory))
