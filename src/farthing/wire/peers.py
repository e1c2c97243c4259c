"""Who is on the other end: a payer, or a proxy of ours that speaks for one.

Behind a TLS terminator the connection is the proxy's: scheme, host and address of the payer stand
in `X-Forwarded-Proto`, `-Host` and `-For`. They are believed from configured addresses only, since
anybody can write them; the nearest proxy's own entry is the last of each list.
"""

import ipaddress
from collections.abc import Iterable, MutableMapping
from functools import lru_cache
from typing import Any

from farthing.errors import BadRequest, Misconfigured

Scope = MutableMapping[str, Any]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

PROXIES_MAX = 64  # configured addresses; more are a mistake, and each request looks at them
HOPS_MAX = 16  # entries of one header that are looked at; longer lists are not ours
NETWORK_BITS = 64  # of IPv6: who has one address of such a network has them all
PAYERS_CACHED = 1024  # addresses that were read lately: connections bring several requests each
SCHEMES = frozenset({"http", "https", "ws", "wss"})


def address_of(scope: Scope) -> Address | None:
    """The other end's address; None where it has none: a socket in a file."""
    client = scope.get("client")
    return _address(client[0]) if client and client[0] else None


def is_local(scope: Scope) -> bool:
    """Whether the connection comes from this very machine."""
    client = scope.get("client")
    return not client or not client[0] or _is_loopback(client[0])


@lru_cache(maxsize=PAYERS_CACHED)
def _is_loopback(text: str) -> bool:
    return _address(text).is_loopback


class Peers:
    """The proxies that a vendor trusts."""

    def __init__(self, trusted: Iterable[str]) -> None:
        """Addresses or networks, as in `10.0.0.7` or `10.0.0.0/24`; `Misconfigured`."""
        entries = list(trusted)
        if len(entries) > PROXIES_MAX:
            raise Misconfigured("trusted_proxies_too_many", f"at most {PROXIES_MAX} addresses")
        try:
            self._networks = [ipaddress.ip_network(entry) for entry in entries]
        except ValueError as wrong:
            raise Misconfigured(
                "trusted_proxy_malformed", f"an address or network of a proxy: {wrong}"
            ) from None
        self._network_of = lru_cache(maxsize=PAYERS_CACHED)(self._find_network)

    def seen(self, scope: Scope) -> Scope:
        """`scope` as the payer's own connection would have given it; `BadRequest`."""
        nearest = address_of(scope) if self._networks else None
        if nearest is None or not self._is_trusted(nearest):
            return scope
        proto, host = _last(scope, b"x-forwarded-proto"), _last(scope, b"x-forwarded-host")
        changed: Scope = {**scope, "client": (str(self._payer(scope, nearest)), 0)}
        if proto:
            if proto.lower() not in SCHEMES:
                raise BadRequest("forwarded_malformed", "X-Forwarded-Proto is http or https")
            changed["scheme"] = proto.lower()
        if host:
            rest = [pair for pair in scope["headers"] if pair[0] != b"host"]
            changed["headers"] = [(b"host", host.encode("latin-1")), *rest]
        return changed

    def network_of(self, scope: Scope) -> str:
        """Whose connection it is, as far as an address tells: of IPv6 a network of 64 bits.

        Empty for this machine's own programs, and for a proxy of ours that names nobody.
        """
        client = scope.get("client")
        return self._network_of(client[0]) if client and client[0] else ""

    def _find_network(self, text: str) -> str:
        address = _address(text)
        if address.is_loopback or self._is_trusted(address):
            return ""
        if isinstance(address, ipaddress.IPv4Address):
            return str(address)
        return str(ipaddress.ip_network((address, NETWORK_BITS), strict=False))

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._networks)

    def _payer(self, scope: Scope, nearest: Address) -> Address:
        """The last address on the way that is not a proxy of ours; `BadRequest`."""
        for entry in reversed(_entries(scope, b"x-forwarded-for")[-HOPS_MAX:]):
            address = _address(entry)
            if not self._is_trusted(address):
                return address
        return nearest


def _address(text: str) -> Address:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise BadRequest("address_malformed", "the sender's address is not one") from None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _entries(scope: Scope, name: bytes) -> list[str]:
    lines = [value.decode("latin-1") for key, value in scope["headers"] if key == name]
    return [entry.strip() for entry in ",".join(lines).split(",") if entry.strip()]


def _last(scope: Scope, name: bytes) -> str:
    entries = _entries(scope, name)
    return entries[-1] if entries else ""
