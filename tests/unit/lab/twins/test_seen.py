"""Who reads along knows a payment, a claim and what settles a payment by the request alone."""

import pytest

from farthing.lab.network import Message
from farthing.lab.twins.seen import Seen

PAID = ((b"payment-authorization", b"x"),)


@pytest.mark.parametrize(
    ("target", "path", "headers", "kinds"),
    [
        ("vendor0", "/page/1", PAID, {"is_payment"}),
        ("vendor0", "/page/1", (), set()),
        ("broker", "/redeem/payword", (), {"is_claim"}),
        ("vendor0", "/redeem/payword", (), set()),
        ("broker", "/capture", (), {"is_settling"}),
        ("broker", "/captured", (), set()),
    ],
)
def test_a_request_is_what_it_looks_like(
    target: str, path: str, headers: tuple[tuple[bytes, bytes], ...], kinds: set[str]
) -> None:
    message = Message(method="POST", url=f"https://{target}.example{path}", headers=headers)
    seen = Seen(source="payer0", target=target, message=message)
    assert {
        name for name in ("is_payment", "is_claim", "is_settling") if getattr(seen, name)
    } == kinds
