import base64

import pytest

from farthing import codec
from farthing.broker.cashu import terms
from farthing.errors import Unknown
from tests.kit import cashu, flips

SECRET, OLDER, OTHER = (name * 32 for name in (b"s", b"o", b"x"))
KEY = bytes.fromhex(cashu.public("wallet"))
END_S = 1_800_086_400


def made(pubkey: bytes = b"", nonce: bytes = b"\xff" * terms.NONCE_BYTES) -> terms.Quote:
    return terms.make(SECRET, "eur", nonce=nonce, amount=529, expires_at_s=END_S, pubkey=pubkey)


@pytest.mark.parametrize("pubkey", [b"", KEY])
def test_a_quote_is_read_as_it_was_made(pubkey: bytes) -> None:
    quote = made(pubkey)
    read = terms.read_quote(quote.text)
    assert (read, read.pubkey) == (quote, pubkey)
    assert (read.named.amount, read.named.expires_at_s) == (529, END_S)
    assert terms.read_name(quote.named.text) == quote.named
    quote.named.require([OTHER, SECRET], "eur")


@pytest.mark.parametrize("pubkey", [b"", KEY])
def test_wallets_that_want_padded_base64_or_a_word_for_a_command_line_have_it(
    pubkey: bytes,
) -> None:
    text = made(pubkey).text
    assert base64.urlsafe_b64decode(text) == codec.unb64u(text)
    assert text[0].isalpha()


def test_who_pays_learns_nothing_that_gets_the_coins() -> None:
    quote = made(KEY)
    told = codec.unb64u(quote.named.text)
    assert b"\xff" * terms.NONCE_BYTES not in told
    assert quote.text not in repr(quote)
    others = {made(nonce=bytes([number]) * terms.NONCE_BYTES).named.id for number in range(9)}
    assert len(others) == 9, "one name for each"


def test_only_its_own_mint_knows_a_quote() -> None:
    named = made().named
    for secrets, unit in (([], "eur"), ([OLDER, OTHER], "eur"), ([SECRET], "microeur")):
        with pytest.raises(Unknown, match="quote_unknown"):
            named.require(secrets, unit)


@pytest.mark.parametrize("pubkey", [b"", KEY])
def test_a_flipped_bit_anywhere_makes_it_unknown(pubkey: bytes) -> None:
    quote = made(pubkey)
    for raw in flips.bit_flips(codec.unb64u(quote.text)):
        with pytest.raises(Unknown, match="quote_unknown"):
            terms.read_quote(codec.b64u(raw)).named.require([SECRET], "eur")
    for raw in flips.bit_flips(codec.unb64u(quote.named.text)):
        with pytest.raises(Unknown, match="quote_unknown"):
            terms.read_name(codec.b64u(raw)).require([SECRET], "eur")


def payout() -> terms.PayoutQuote:
    nonce = b"\xff" * terms.NONCE_BYTES
    bare = terms.PayoutQuote(nonce=nonce, payment_hash=b"h" * 32, expires_at_s=END_S)
    return bare.made(SECRET, "eur")


def test_a_payouts_quote_is_read_as_it_was_made() -> None:
    quote = payout()
    assert terms.read_payout_quote(quote.text) == quote
    quote.require([OTHER, SECRET], "eur")
    assert base64.urlsafe_b64decode(quote.text) == codec.unb64u(quote.text)
    assert quote.text[0].isalpha()
    assert quote.text not in repr(quote)


def test_only_its_own_mint_knows_a_payouts_quote_and_only_as_it_was() -> None:
    quote = payout()
    for secrets, unit in (([], "eur"), ([OLDER, OTHER], "eur"), ([SECRET], "microeur")):
        with pytest.raises(Unknown, match="quote_unknown"):
            quote.require(secrets, unit)
    for raw in flips.bit_flips(codec.unb64u(quote.text)):
        with pytest.raises(Unknown, match="quote_unknown"):
            terms.read_payout_quote(codec.b64u(raw)).require([SECRET], "eur")
    with pytest.raises(Unknown, match="quote_unknown"):
        terms.read_quote(quote.text)


@pytest.mark.parametrize("text", ["", "x", "A" * 51, "A" * 53, "é" * 52, "\ud800" * 52, "A" * 4096])
def test_what_is_no_quote_is_unknown(text: str) -> None:
    for read in (terms.read_quote, terms.read_name, terms.read_payout_quote):
        with pytest.raises(Unknown, match="quote_unknown"):
            read(text)
