"""The Farthing Gazette: a small static site about the history of small money.

It is what `farthing demo` sells. Any plain file server can be its origin: the pages are HTML, one
style sheet and SVG drawings, without scripts and without anything from another host.
"""

import pathlib

ARTICLES: tuple[str, ...] = (
    "/articles/farthing.html",
    "/articles/tally-sticks.html",
    "/articles/small-change.html",
    "/articles/tokens.html",
    "/articles/penny-post.html",
    "/articles/trading-stamps.html",
    "/articles/phone-tokens.html",
    "/articles/digicash.html",
    "/articles/millicent.html",
    "/articles/hash-chains.html",
    "/articles/lottery.html",
    "/articles/payment-required.html",
)
"""The path of each article on the site, in the order of the front page."""


def site_path() -> pathlib.Path:
    """Return the folder to serve: it holds `index.html`, and every article at its path."""
    return pathlib.Path(__file__).parent / "site"
