"""The schemes side by side, for `docs/reference/schemes/README.md`: what the registry says."""

from farthing.schemes.contract import Scheme
from farthing.schemes.losses import Amount, Cause, Role

SHORT: dict[Amount, str] = {
    "nothing": "nothing",
    "price": "one purchase",
    "prizes": "a prize for each ticket of one purchase",
    "held": "what the payer holds for that vendor",
    "limit": "the credit of a day, until it is revoked",
    "unacknowledged": "as much as it has allowed itself",
    "unreleased": "a ticket's last page",
}
"""What can be lost, as short as a cell is; the words of each scheme's own page are exact."""


def lost(scheme: Scheme, role: Role, by: Cause) -> str:
    """What a role loses at most by somebody."""
    (found,) = (loss.of for loss in scheme.traits.losses[role] if loss.by == by)
    return SHORT[found]


def bears(scheme: Scheme) -> str:
    """Who loses what where a payer cheats."""
    roles: tuple[Role, ...] = ("vendor", "broker")
    found = [f"the {role}: {lost(scheme, role, 'payer')}" for role in roles]
    return "; ".join(text for text in found if not text.endswith(": nothing")) or "nobody"


def abilities(scheme: Scheme) -> str:
    """What it can do that is not every scheme's."""
    found = {
        "vouchers for streams": scheme.till.streams,
        "purses for others": scheme.purse.shares,
        "tokens to send": scheme.purse.parts,
        "refunds": scheme.purse.refunds,
        "properties of the payer": scheme.traits.props,
        "reissued after a loss": scheme.purse.reissues,
        "restored from a seed": scheme.purse.numbers,
        "payers of other brokers": scheme.traits.resold,
    }
    return ", ".join(name for name, has in found.items() if has)


def row(scheme: Scheme, payload: str, header: str) -> tuple[str, ...]:
    """One scheme; `payload` and `header` of its second payment, as sizes."""
    traits = scheme.traits
    return (
        f"[`{traits.name}`]({traits.name}.md)",
        "afterwards" if traits.credit else "before",
        "each page" if traits.latest == "before" else "in batches",
        payload,
        header,
        bears(scheme),
        lost(scheme, "payer", "vendor"),
        abilities(scheme),
    )


HEAD = (
    "scheme",
    "the payer pays",
    "the vendor asks the broker",
    "bytes of a payment",
    "of its header (MPP)",
    "a payer who cheats costs",
    "a vendor that cheats can take",
    "and",
)
