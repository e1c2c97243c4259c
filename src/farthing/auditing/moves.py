"""Between which accounts each kind of entry moves money, scheme by scheme.

Each line is one way: what it may debit, and what it may credit. An entry goes one way of its kind;
whatever goes none is somebody's invention.
"""

from functools import lru_cache

Kinds = frozenset[str]
Ways = tuple[tuple[Kinds, Kinds], ...]

NONE: Kinds = frozenset()
BANK, CLEARING = frozenset({"asset/bank"}), frozenset({"asset/clearing"})
BREAKAGE, UNCLAIMED = frozenset({"income/breakage"}), frozenset({"liability/unclaimed"})
DISPUTED, OUT = frozenset({"liability/disputed"}), frozenset({"liability/outstanding"})
HOLD, PEER = frozenset({"liability/hold"}), frozenset({"asset/peer"})
MARGIN, STOCK = frozenset({"income/commission"}), frozenset({"asset/stock"})
PAYER, VENDOR = frozenset({"liability/payer"}), frozenset({"liability/vendor"})
OWN = PAYER | {"asset/credit"}
OWING = OWN | {"asset/receivable"}  # what a guarantee pays is above the payer's credit
PEOPLE = PAYER | VENDOR

# Of no scheme.
PLAIN: dict[str, Ways] = {
    "topup": ((BANK, OWN),),
    "transfer": ((PEOPLE, PEOPLE),),
    "payout": ((PEOPLE, CLEARING), (CLEARING, BANK), (CLEARING, PEOPLE), (BANK, PEOPLE)),
    "peer": ((PEER, BANK), (BANK, PEER)),
    "commission": ((VENDOR | PEER, MARGIN), (MARGIN, VENDOR | PEER)),
    "limit": (),
    "rate": (),
    "status": (),
    "found": (),
    "swap": (),  # coins for coins: the marks alone
}

_MINTED = OWING | OUT | DISPUTED | STOCK | VENDOR | HOLD | PEER | BREAKAGE | {"equity/lottery"}
# Of a scheme that is not below: one of somebody's own.
ANY: dict[str, Ways] = {
    "issue": ((_MINTED, _MINTED - OWING | MARGIN),),
    "redeem": ((_MINTED, _MINTED),),
    "take_back": ((_MINTED - OWING | MARGIN, _MINTED),),
    "grant": ((STOCK, VENDOR),),
    "lapse": ((_MINTED | MARGIN, _MINTED | UNCLAIMED),),
    "reserve": ((_MINTED - HOLD, HOLD),),
    "capture": ((HOLD, _MINTED - HOLD),),
    "void": ((HOLD, _MINTED - HOLD),),
}

_ON_CREDIT: dict[str, Ways] = {
    "redeem": ((OWING, VENDOR),),
    "reserve": ((OWING, HOLD),),
    "capture": ((HOLD, VENDOR | OWN),),  # what is captured may be less than what was reserved
    "void": ((HOLD, OWING),),
}
_STICKS = _ON_CREDIT | {  # the first claim of one sets the rest of it apart, a last gives it back
    "redeem": ((OWING, VENDOR), (OWN, VENDOR | OUT), (OUT, VENDOR | OWN)),
    "reserve": ((OWING, HOLD), (OUT, HOLD)),
    "capture": ((HOLD, VENDOR | OWN), (HOLD, VENDOR | OUT)),
    "void": ((HOLD, OWING), (HOLD, OUT)),
    "lapse": ((OUT, OWN),),
}
_TICKS = _ON_CREDIT | {  # on credit or prepaid: of that a claim that closes gives back the rest
    "issue": ((OWN, OUT),),
    "redeem": ((OWING, VENDOR), (OUT, VENDOR | OWN)),
    "reserve": ((OWING, HOLD), (OUT, HOLD)),
    "void": ((HOLD, OWING), (HOLD, OUT)),
    "lapse": ((OUT, OWN),),
}
_COINS: dict[str, Ways] = {
    "issue": ((PAYER, OUT), (OUT, OUT)),
    "redeem": ((OUT, VENDOR | OUT),),
    "take_back": ((OUT, PAYER),),
    "reserve": ((OUT, HOLD),),
    "capture": ((HOLD, VENDOR | OUT),),
    "void": ((HOLD, OUT),),
    "lapse": ((OUT, BREAKAGE),),
}
SCHEMES: dict[str, dict[str, Ways]] = {
    "agent": {
        "issue": ((PAYER, OUT),),
        "redeem": ((OUT, VENDOR),),
        "take_back": ((OUT, PAYER),),
        "reserve": ((OUT, HOLD),),
        "capture": ((HOLD, VENDOR),),
        "void": ((HOLD, OUT),),
        "lapse": ((OUT, PAYER),),
    },
    "cashu": {kind: ways for kind, ways in _COINS.items() if kind != "lapse"},
    "ecash": _COINS,
    "ecoupon": _ON_CREDIT,
    "fairchain": {
        "issue": ((PAYER, OUT),),
        "redeem": ((OUT | DISPUTED, VENDOR | DISPUTED), (DISPUTED, PAYER)),
        "take_back": ((OUT, PAYER), (DISPUTED, VENDOR)),
        "reserve": ((OUT | DISPUTED, HOLD),),
        "capture": ((HOLD, VENDOR | DISPUTED),),
        "void": ((HOLD, OUT | DISPUTED),),
        "lapse": ((OUT, PAYER), (DISPUTED, UNCLAIMED)),
    },
    "ikp": _STICKS,
    "millicent": {
        "grant": ((STOCK, VENDOR),),
        "issue": ((PAYER, OUT), (PAYER, STOCK | MARGIN), (OUT, OUT), (OUT, STOCK | MARGIN)),
        "redeem": ((OUT, VENDOR), (VENDOR, OUT)),
        "take_back": (
            (OUT | PEER, PAYER),
            (OUT | PEER, OUT),
            (VENDOR | STOCK | MARGIN, STOCK | PAYER),
            (VENDOR | STOCK | MARGIN, STOCK | OUT),
        ),
        "reserve": ((PAYER, HOLD), (OUT, HOLD)),
        "capture": ((HOLD, VENDOR), (HOLD, PEER)),
        "void": ((HOLD, PAYER), (HOLD, OUT)),
        "lapse": ((OUT, BREAKAGE), (MARGIN, STOCK)),
    },
    "netcard": _STICKS,
    "netcash": {
        "issue": ((PAYER, OUT),),
        "redeem": ((OUT, VENDOR),),
        "take_back": ((OUT | PEER, PAYER),),
        "reserve": ((PAYER, HOLD), (OUT, HOLD)),
        "capture": ((HOLD, VENDOR), (HOLD, PEER)),
        "void": ((HOLD, PAYER), (HOLD, OUT)),
        "lapse": ((OUT, BREAKAGE),),
    },
    "payword": _ON_CREDIT,
    "tick": _TICKS,
    "ticket": _ON_CREDIT,
    "upayword": _ON_CREDIT,
}

# A margin is earned on what was bought ahead alone: it moves beside it, or beside its vendor.
_BOUGHT_AHEAD = STOCK | VENDOR


def is_known(kind: str) -> bool:
    """Whether any operation makes entries of this kind."""
    return kind in PLAIN or kind in ANY


@lru_cache(maxsize=4096)
def is_way(scheme: str, kind: str, debits: Kinds, credits_: Kinds) -> bool:
    """Whether an entry of this kind, for this scheme, may touch these accounts these ways."""
    if kind != "commission":
        touched = debits | credits_
        if touched & MARGIN and not touched & _BOUGHT_AHEAD:
            return False
    ways = PLAIN.get(kind)
    if ways is None:
        ways = SCHEMES.get(scheme, ANY).get(kind, ())
    if not debits and not credits_:
        return True  # marks alone
    return any(debits <= there and credits_ <= here for there, here in ways)
