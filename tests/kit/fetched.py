"""What a wallet's `get` brought, where nothing was paid for it."""

from farthing.wallet.page import Page


def unpaid(status: int, *headers: tuple[str, str]) -> Page:
    return Page(
        status=status,
        headers=headers,
        paid_micro=0,
        currency="",
        scheme="",
        payment_bytes=0,
        purchase_id="",
    )
