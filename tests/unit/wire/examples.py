"""The worked example of the wire format, and strategies for whatever else rides in a header."""

from typing import Any

from hypothesis import strategies as st

from farthing import codec
from farthing.schemes import registry
from farthing.schemes.contract import Key, Offer
from farthing.wire.offers import Receipt, Tender

NOW_S = 1_795_176_000  # 2026-11-20T12:00:00Z
KEY = Key(id="1", purpose="farthing/wire/challenge/1", secret=b"farthing-example-challenge-key-1")
OLD_KEY = Key(id="0", purpose=KEY.purpose, secret=b"farthing-example-challenge-key-0")
NONCE = codec.unb64u("q8Zk2fXw0sY")
CHALLENGE_ID = "8rJ_IHvS6OCdiAaDxKqQqqDMtlgyNn_kQcjEIGmN2Hw"
CHALLENGE_ID_WITH_HEADER = "FNkOFvqOcghqkNebDkZNxcSonNVMNGzH5Gt6yqsmvzw"
REQUEST_SHA256 = "b5b6d1958f440aa7f717f2f35531a290d80b34654d7b351764ed6e08f1ace34d"
PAYLOAD: dict[str, Any] = {
    "commitment": "Ln0sA6lQeuJl7PW1NWiFpQ",
    "links": [[100, 42, "UOch5JwBPwDGLPWfIWNUKg"]],
}
PAYMENT_ID = "w_7f3a0c1e5b9d2246"
OFFER = Offer(
    scheme="payword",
    price_micro=200,
    currency="eur",
    vendor_id="vendor-7",
    broker_id="demo-broker",
    broker_url="https://broker.example",
    settlement="deferred",
    redeem_by_s=1_795_305_600,
    terms={"unitMicro": 100, "maxSteps": 1000},
    description="Article 1093, 0.02 cent",
    external_id="art-1093",
)
TENDER = Tender(
    offers=(OFFER,),
    realm="news.example",
    url="https://news.example/a/1093",
    target="GET /a/1093",
    expires_at_s=NOW_S + 300,
    description="Article 1093",
    mime_type="text/html",
)
RECEIPT = Receipt(
    receipt_id="rc_01JD5X",
    wire_name="payword",
    reference="pw:Ln0sA6lQeuJl7PW1NWiFpQ:42",
    challenge_id=CHALLENGE_ID,
    k=CHALLENGE_ID,
    issued_at_s=NOW_S + 1,
    amount_micro=200,
    currency="eur",
    vendor_id="vendor-7",
    broker_id="demo-broker",
    settlement="deferred",
    guarantor="broker",
    redeem_by_s=1_795_305_600,
    external_id="art-1093",
    payer="p_8d1f",
)

UINTS = st.integers(0, 2**53 - 1)
TEXTS = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=20)
_SCALARS = st.none() | st.booleans() | UINTS | TEXTS
OBJECTS: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    TEXTS.filter(lambda name: name != "variant"),
    _SCALARS | st.lists(_SCALARS, max_size=3) | st.dictionaries(TEXTS, _SCALARS, max_size=3),
    max_size=3,
)
CURRENCIES = st.from_regex(r"[a-z]{3}", fullmatch=True)
BROKERS = st.from_regex(r"[-_a-zA-Z0-9]{1,32}", fullmatch=True)
SETTLEMENTS = st.sampled_from(["final", "deferred", "probabilistic"])
GUARANTORS = st.sampled_from(["broker", "vendor", "none"])
SCHEMES = st.sampled_from([scheme.traits.name for scheme in registry.all_schemes()])
TIMES = st.integers(0, 253_402_300_799)  # to the end of the year 9999

OFFERS = st.builds(
    Offer,
    scheme=SCHEMES,
    intent=st.sampled_from(["charge", "session"]),
    price_micro=UINTS,
    currency=CURRENCIES,
    vendor_id=TEXTS,
    broker_id=BROKERS,
    broker_url=TEXTS,
    settlement=SETTLEMENTS,
    guarantor=GUARANTORS,
    redeem_by_s=UINTS,
    terms=OBJECTS,
    description=TEXTS,
    external_id=TEXTS,
)
TENDERS = st.builds(
    Tender,
    offers=st.tuples(OFFERS),
    realm=st.from_regex(r"[!-{}~]{1,40}", fullmatch=True),  # visible, and no bar
    url=st.just("https://news.example/a/1093"),
    target=TEXTS,
    expires_at_s=TIMES,
    body_digest=st.just(b"") | st.binary(min_size=32, max_size=32),
    description=TEXTS,
    mime_type=TEXTS,
)
RECEIPTS = st.builds(
    Receipt,
    receipt_id=TEXTS,
    wire_name=TEXTS,
    reference=TEXTS,
    challenge_id=TEXTS,
    k=TEXTS,
    issued_at_s=TIMES,
    amount_micro=UINTS,
    currency=CURRENCIES,
    vendor_id=TEXTS,
    broker_id=BROKERS,
    settlement=SETTLEMENTS,
    guarantor=GUARANTORS,
    redeem_by_s=UINTS,
    external_id=TEXTS,
    payer=TEXTS,
    change=st.none() | OBJECTS,
    released=st.none() | OBJECTS,
    sig=TEXTS,
)
