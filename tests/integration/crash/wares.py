"""What the gate sells and the site behind it serves."""

PAGES = 12
PRICE_MICRO = 200
PRICES = """\
accept = ["millicent", "payword"]

[millicent]
protocol = "private"

[[route]]
path = "/pages/*"
price = "200u"
origin_timeout_s = 1

[[route]]
path = "/sure/*"
price = "200u"
hold = false
origin_timeout_s = 1

[[route]]
path = "/kept/*"
price = "200u"
replay_body = true
origin_timeout_s = 1

[[route]]
path = "/now/*"
price = "200u"
clearing = "before"
origin_timeout_s = 1

[[route]]
path = "/soon/*"
price = "200u"
clearing = "during"
origin_timeout_s = 1

[[route]]
path = "/plans/*"
price = "9000u"
accept = ["millicent"]
subscription.plan = "month"
subscription.days = 30
subscription.paths = ["/read/*"]
origin_timeout_s = 1

[[route]]
path = "/read/*"
price = "200u"
accept = ["millicent"]
origin_timeout_s = 1
"""
AREAS = ("pages", "now", "soon", "sure", "kept")
PLANS, COVERED = "plans", "read"  # a subscription is sold in one, for the other
HELD_AREAS = AREAS[:3]  # whose pages cost nothing where the site fails; one for each moment


def page(area: str, number: int) -> str:
    """What the origin serves."""
    return f"<!doctype html><title>{area} {number}</title>" + f"<p>Page {number}.</p>" * 40
