"""No secret shows in what the schemes print: structs, refusals, and what msgspec says of either."""

import hashlib
from collections.abc import Callable, Iterator

import msgspec
import pytest

from farthing import codec, marks
from farthing.crypto import chain
from farthing.errors import Refusal
from farthing.schemes import messages
from farthing.schemes.chain.credit.purse import Card
from farthing.schemes.chain.payword import FAMILY
from farthing.schemes.contract import (
    Accepted,
    AskFirst,
    Burned,
    Instrument,
    Issued,
    Json,
    Need,
    Rolled,
)
from farthing.schemes.mac.millicent.orders import Licence
from farthing.schemes.mac.millicent.purse import Sold
from farthing.schemes.mac.millicent.scrip import BURN_KEY, receipt_key, sign_key
from tests.kit import millicent, payword
from tests.kit.canaries import leaked, spellings
from tests.kit.flips import bit_flips
from tests.kit.parties import binding_of, payer_account, vendor_account

Things = Iterator[tuple[object, dict[str, bytes]]]
"""Something that is made on the way, and the secrets that it must not show."""


def test_a_canary_is_found_in_every_spelling_wherever_it_begins() -> None:
    secret = hashlib.sha256(b"canary").digest()
    for lead in (b"", b"x", b"xy", b"xyz"):
        whole = lead + secret + b"?"
        for text in (whole.hex(), codec.b64(whole), codec.b64u(whole), repr(whole)):
            assert leaked(f"key={text};", {"it": secret}) == ["it"], text
    assert leaked(codec.b64u(secret[::-1]), {"it": secret}) == []
    assert len(spellings(secret)) == 9


def millicent_secrets(scene: millicent.Scene, piece: Instrument) -> dict[str, bytes]:
    secret = codec.unb64u(millicent.held(piece).secret)
    derived = {"payer": secret, "sign": sign_key(secret), "receipt": receipt_key(secret)}
    return millicent.MASTER_SECRETS | derived


def millicent_things() -> Things:
    """Everything that a purchase and a cash-out make, with what it must not show."""
    scene = millicent.Scene()
    broker, payer, vendor = scene.broker, scene.payer, scene.vendor
    asked = payer.purse.ask(
        Need(amount_micro=1000, currency="eur", vendor_id="news"), scene.clock.at()
    )
    issued = broker.run("issue", asked.message, payer.account)
    (piece,) = _instruments(payer.purse.receive(asked, issued.answer, scene.clock.at()))
    offer = vendor.offer(200)
    paid = payer.pay(piece, offer)
    payment = vendor.till.read(codec.canonical(paid.payload))
    served = vendor.serve(paid.payload, offer)
    accepted = Accepted(change=served.change)
    concluded = payer.purse.conclude(paid, accepted, scene.clock.at())
    give_back = payer.purse.give_back(concluded.instruments[0], scene.clock.at())
    receipt = vendor.burn(give_back.message)
    grant = millicent.licence(vendor.ring, series="0000000009")
    checked = broker.mint.check("grant", grant, vendor_account(), scene.clock.at())
    things = (
        asked, issued, piece, millicent.held(piece), paid, payment, served, served.taken, accepted,
        concluded, give_back, checked, checked.message, msgspec.convert(issued.answer, Sold),
        msgspec.convert(grant, Licence), vendor.till.finish(served.taken, None, scene.clock.at(0)),
        broker.run("take_back", receipt, payer.account), AskFirst(asked=give_back),
        broker.mint.apply(checked, marks.NOTHING, scene.clock.at()), vendor.ring.current(
            BURN_KEY
        ), vendor.till.setting, broker.mint.setting,
    )  # fmt: skip  # - one list
    secrets = millicent_secrets(scene, piece)
    for thing in things:
        yield thing, secrets


def _instruments(received: object) -> tuple[Instrument, ...]:
    assert isinstance(received, tuple)
    return received


def payword_secrets(scene: payword.Scene, opened: Instrument) -> dict[str, bytes]:
    kept = payword.opened_of(opened)
    commitment = kept.commitment
    seed = codec.unb64u(kept.seed)
    key = chain.link_key(codec.unb64u(commitment.salt))
    length = commitment.chains[0][1]
    return {
        "certifying": payword.CERTIFYING_SECRET,
        "payer": codec.unb64u(kept.secret),
        "seed": seed,
        "word 2": chain.descend(key, seed, length, 2),
        "word 3": chain.descend(key, seed, length, 3),
    }


def payword_things() -> Things:
    """Everything that two purchases and a clearing make, with what it must not show."""
    scene = payword.Scene()
    broker, payer, vendor = scene.broker, scene.payer, scene.vendor
    asked = payer.purse.ask(Need(amount_micro=1000, currency="eur"), scene.clock.at())
    issued = broker.run("issue", asked.message, payer.account)
    opened, offer = scene.open(), vendor.offer(200)
    paid = payer.pay(opened, offer)
    payment = vendor.till.read(codec.canonical(paid.payload))
    served = vendor.serve(paid.payload, offer)
    concluded = payer.purse.conclude(paid, Accepted(), scene.clock.at())
    later = payer.pay(concluded.instruments[0], vendor.offer(100))
    later_payment = vendor.till.read(codec.canonical(later.payload))
    (message,) = vendor.claims()
    checked = broker.mint.check("redeem", message, vendor_account(), scene.clock.at())
    redeemed = broker.run("redeem", message, vendor_account())
    (place,) = broker.counters.values()
    card = msgspec.json.decode(scene.certificate.body, type=Card)
    things = (
        asked, issued, scene.certificate, card, opened, payword.opened_of(opened), paid, payment,
        served, served.taken, concluded, later, later_payment, checked, checked.message, redeemed,
        vendor.till.setting, broker.mint.setting, broker.ring.current(FAMILY.certificate_key),
        Rolled(), Burned(), card.certificate, payword.opened_of(opened).commitment,
    )  # fmt: skip  # - one list
    secrets = payword_secrets(scene, opened) | {"asked": asked.kept, "word at broker": place.link}
    for thing in things:
        yield thing, secrets


@pytest.mark.parametrize("things", [millicent_things, payword_things], ids=["millicent", "payword"])
def test_no_struct_shows_a_secret(things: Callable[[], Things]) -> None:
    count = 0
    for thing, secrets in things():
        assert leaked(f"{thing!r} {thing}", secrets) == [], type(thing)
        count += 1
    assert count > 20


def test_the_secrets_are_really_in_there() -> None:
    """Otherwise the tests above prove nothing."""
    for things, inside in (
        (millicent_things, {"payer", "licensed-series", "payer-range", "burn", "receipt"}),
        (payword_things, {"payer", "certifying", "seed", "asked", "word 2", "word 3"}),
    ):
        found: set[str] = set()
        for thing, secrets in things():
            if isinstance(thing, msgspec.Struct):
                raw = msgspec.structs.asdict(thing)
                found |= set(leaked(f"{raw!r} {_json(thing)}", secrets))
        assert found >= inside, things


def _json(thing: object) -> str:
    try:
        return codec.canonical(thing).decode()
    except TypeError:
        return ""  # a ring among its fields


@pytest.mark.parametrize(
    "name",
    ["Applied", "Issued", "Asked", "Paid", "Accepted", "Concluded", "Taken", "Finished",
     "Instrument"],
)  # fmt: skip  # - names of structs
def test_a_struct_that_carries_secrets_has_a_repr_of_its_own(name: str) -> None:
    assert getattr(messages, name).__repr__ is not msgspec.Struct.__repr__


def refusals(scene: millicent.Scene | payword.Scene, raw: bytes) -> Iterator[Refusal]:
    """What the till says to every eighth flip of a payment."""
    offer = scene.vendor.offer(200)
    for number, flipped in enumerate(bit_flips(raw)):
        if number % 8 == (number // 8) % 8:
            try:
                scene.vendor.serve(flipped, offer)
            except Refusal as refusal:
                yield refusal


@pytest.mark.parametrize("scheme", ["millicent", "payword"])
def test_no_refusal_shows_a_secret(scheme: str) -> None:
    scene: millicent.Scene | payword.Scene
    if scheme == "millicent":
        scene = millicent.Scene()
        held = scene.buy()
        secrets = millicent_secrets(scene, held)
    else:
        scene = payword.Scene()
        held = scene.open()
        secrets = payword_secrets(scene, held)
    payload = scene.payer.pay(held, scene.vendor.offer(200)).payload
    count = 0
    for refusal in refusals(scene, codec.canonical(payload)):
        told = f"{refusal} {refusal!r} {refusal.args} {refusal.detail} {refusal.facts}"
        assert leaked(told, secrets) == []
        count += 1
    assert count > 200


@pytest.mark.parametrize("name", sorted(millicent.licence(millicent.vendor_ring())))
def test_a_wrong_licence_is_refused_without_its_secrets(name: str) -> None:
    scene = millicent.Scene()
    grant: dict[str, Json] = millicent.licence(scene.vendor.ring)
    for wrong in (None, 1, "x", grant["kScrip"] + "A", [grant["kScrip"]]):
        with pytest.raises(Refusal) as caught:
            scene.broker.run("grant", grant | {name: wrong}, vendor_account())
        assert leaked(str(caught.value), millicent.MASTER_SECRETS) == []


def test_money_of_an_operation_does_show() -> None:
    scene = millicent.Scene()
    asked = {"valueMicro": 1000, "vendor": "news"}
    issued = scene.broker.run("issue", asked, payer_account())
    assert isinstance(issued, Issued)
    assert "amount_micro=1000" in repr(issued)
    assert binding_of().target in repr(binding_of())
