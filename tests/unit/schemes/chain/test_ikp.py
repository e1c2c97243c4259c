"""What makes micro-iKP: an order's description, which the broker never learns."""

import msgspec
import pytest

from farthing import codec, marks
from farthing.errors import Closed, Forged, Malformed, Mismatch, OutOfRange, Unfit
from farthing.lab.conformance.stage import Play, Stage
from farthing.schemes.chain.ikp import (
    DESCRIPTION_BYTES_MAX,
    FAMILY,
    IKP,
    SALT_BYTES,
    OpenedOrder,
    Opening,
    Order,
    opening_key,
)
from farthing.schemes.chain.sticks.purse import StickPurse
from farthing.schemes.contract import Accepted, Instrument, Json, Offer
from farthing.wallet.commands import Request, Response
from farthing.wallet.settling import Verdict
from tests.kit.sticks import Scene, stick_of

WORDS = "one article of the Gazette"
OTHER = "another article of the Gazette"


TO_BROKER = {"claim", "broker settle", "broker capture", "broker issue"}
ROUTE = f"""
[[route]]
path = "/described/**"
price = "200u"
description = "{WORDS}"
"""


class Described(Scene):
    """A scene in which the vendor says what it sells."""

    def __init__(self, *, auth: str = "online") -> None:
        super().__init__(IKP, auth=auth)

    def offer(self, description: str = WORDS, price_micro: int = 100) -> Offer:
        offer = self.vendor.offer(price_micro)
        return msgspec.structs.replace(offer, description=description)

    def order(self, description: str = WORDS) -> Instrument:
        made = self.payer.purse.open(self.certificate, self.offer(description), self.clock.at())
        self.certificate, opened = made
        return opened

    def first(self, order: Instrument, description: str = WORDS) -> Json:
        """The payload of a first payment."""
        return self.payer.pay(order, self.offer(description)).payload


def order_of(scene: Scene, instrument: Instrument) -> Order:
    order = stick_of(scene, instrument)
    assert isinstance(order, Order)
    return order


def test_its_tags_and_its_keys_have_the_names_that_they_are_to_have() -> None:
    assert FAMILY.domain(Order.message) == "farthing/micro-ikp/order/1"
    assert IKP.mint.signing == ("farthing/micro-ikp/certificate/1",)
    assert IKP.mint.published == b"ikp/revoked/"
    scene = Described()
    assert opening_key(order_of(scene, scene.order()).id).startswith(b"ikp/opening/")


@pytest.mark.parametrize("auth", ["online", "offline"])
def test_the_broker_never_learns_the_description(auth: str) -> None:
    with Play("ikp", "a", options={"auth": auth}).stage() as stage:
        stage.shop.more_routes = ROUTE
        stage.shop.restart()
        for number in range(3):
            fetched = stage.payer.buy(f"{stage.shop.site}/described/{number}")
            assert fetched.purchase is not None
        stage.shop.clear()
        assert stage.earned_micro == 600
        kinds = {said.kind for said in stage.line.said}
        assert {"claim", "broker issue"} <= kinds
        to_broker = b"".join(said.raw for said in stage.line.said if said.kind in TO_BROKER)
        for told in (to_broker, repr(stage.bank.snapshot()).encode()):
            assert WORDS.encode() not in told
            assert b"described/" not in told
        (opening,) = [record for key, record in _records(stage) if key.startswith(b"ikp/opening/")]
        assert msgspec.json.decode(opening, type=Opening).description == WORDS


def test_what_is_claimed_has_neither_words_nor_salt() -> None:
    scene = Described()
    order = scene.order()
    payload = scene.first(order)
    served = scene.vendor.serve(payload, scene.offer())
    till, opening = scene.vendor.till, payload["opening"]
    endorsed = till.endorse(
        till.read(codec.canonical(payload)), served.taken, marks.NOTHING, scene.clock.at()
    )
    for message in (*scene.vendor.claims(), endorsed):
        text = codec.canonical(message).decode()
        assert opening["description"] not in text
        assert opening["salt"] not in text
        assert scene.broker.redeem(message) in {0, 100}


def _records(stage: Stage) -> list[tuple[bytes, bytes]]:
    records: dict[bytes, tuple[bytes, int]] = vars(stage.shop.store)["_records"]
    return [(key, kept[0]) for key, kept in records.items()]


def test_payer_and_vendor_can_both_open_the_order_that_the_broker_has() -> None:
    scene = Described()
    order = scene.order()
    paid = scene.payer.pay(order, scene.offer())
    scene.vendor.serve(paid.payload, scene.offer())
    (claim,) = scene.vendor.claims()
    at_broker = msgspec.convert(claim["commitment"], Order)
    key = opening_key(at_broker.id)
    kept = scene.vendor.store.do_now(marks.Read(keys=marks.Keys(records=(key,))))
    of_vendor = msgspec.json.decode(kept.records[key], type=Opening)
    assert paid.after is not None
    of_payer = msgspec.json.decode(paid.after.body, type=OpenedOrder).opening
    for opening in (of_vendor, of_payer):
        assert opening.description == WORDS
        at_broker.verify_description(opening)
        with pytest.raises(Forged, match="description_not_as_signed"):
            at_broker.verify_description(msgspec.structs.replace(opening, description=OTHER))
        salted = msgspec.structs.replace(opening, salt=codec.b64u(bytes(SALT_BYTES)))
        with pytest.raises(Forged, match="description_not_as_signed"):
            at_broker.verify_description(salted)


def test_equal_descriptions_look_different_to_the_broker() -> None:
    scene = Described()
    one, other = order_of(scene, scene.order()), order_of(scene, scene.order())
    assert one.described != other.described
    assert stick_of(scene, scene.order()).details()[-1] != one.described


def test_an_order_is_for_what_its_vendor_describes() -> None:
    scene = Described()
    order = scene.order()
    with pytest.raises(OutOfRange, match="order_of_something_else"):
        scene.payer.pay(order, scene.offer(OTHER))
    with pytest.raises(Mismatch, match="order_of_something_else"):
        scene.vendor.serve(scene.first(order), scene.offer(OTHER))


def test_no_later_payment_of_an_order_is_for_anything_else() -> None:
    """A wallet of ours opens another order; one that was changed pays on by the order's id."""
    scene = Described()
    first = scene.payer.pay(scene.order(), scene.offer())
    scene.vendor.serve(first.payload, scene.offer())
    assert first.after is not None
    second = scene.payer.pay(first.after, scene.offer())
    assert isinstance(second.payload["commitment"], str)
    before = scene.vendor.store.do_now(marks.Tally())
    for other in (OTHER, "", WORDS + " "):
        with pytest.raises(Mismatch, match="order_of_something_else"):
            scene.vendor.serve(second.payload, scene.offer(other))
    assert scene.vendor.store.do_now(marks.Tally()) == before
    assert scene.vendor.serve(second.payload, scene.offer()).taken.value_micro == 100


def test_a_wallet_that_was_changed_cannot_pay_for_a_page_with_the_order_of_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Play("ikp", "a").stage() as stage:
        stage.shop.more_routes = ROUTE + ROUTE.replace(WORDS, OTHER).replace("described", "other")
        stage.shop.restart()
        serve, heard = stage.shop.serve, list[bytes]()

        def serving(request: Request) -> Response:
            answer = serve(request)
            heard.append(answer.body)
            return answer

        vars(stage.shop).update(serve=serving)
        site = stage.shop.site
        assert stage.payer.buy(f"{site}/described/1").verdict is Verdict.DONE
        with monkeypatch.context() as patched:
            patched.setattr(IKP.purse, "pay", StickPurse.pay)
            stage.payer.buy(f"{site}/other/1")
        assert any(b"order_of_something_else" in body for body in heard)
        assert stage.shop.charged_micro() == 200
        assert stage.payer.buy(f"{site}/other/1").verdict is Verdict.DONE, "an honest one pays"
        kept = [record for key, record in _records(stage) if key.startswith(b"ikp/opening/")]
        said = {msgspec.json.decode(record, type=Opening).description for record in kept}
        assert said == {WORDS, OTHER}


def test_an_order_whose_description_is_lost_pays_no_more() -> None:
    scene = Described()
    order = scene.order()
    first = scene.payer.pay(order, scene.offer())
    scene.vendor.serve(first.payload, scene.offer())
    assert first.after is not None
    later = scene.payer.pay(first.after, scene.offer()).payload
    key = opening_key(order_of(scene, order).id)
    del vars(scene.vendor.store)["_records"][key]
    with pytest.raises(Closed, match="order_forgotten"):
        scene.vendor.serve(later, scene.offer())


@pytest.mark.parametrize(
    "changes", [{"description": OTHER}, {"salt": codec.b64u(bytes(SALT_BYTES))}]
)
def test_an_opening_is_the_one_that_was_signed(changes: dict[str, str]) -> None:
    scene = Described()
    payload = scene.first(scene.order())
    odd = payload | {"opening": payload["opening"] | changes}
    with pytest.raises(Forged, match="description_not_as_signed"):
        scene.vendor.serve(odd, scene.offer())


def test_the_opening_goes_with_the_order_and_only_there() -> None:
    scene = Described()
    order = scene.order()
    first = scene.payer.pay(order, scene.offer())
    bare = {name: value for name, value in first.payload.items() if name != "opening"}
    with pytest.raises(Unfit, match="opening_misplaced"):
        scene.vendor.serve(bare, scene.offer())
    scene.vendor.serve(first.payload, scene.offer())
    assert first.after is not None
    later = scene.payer.pay(first.after, scene.offer()).payload
    assert "opening" not in later
    with pytest.raises(Unfit, match="opening_misplaced"):
        scene.vendor.serve(later | {"opening": first.payload["opening"]}, scene.offer())
    with pytest.raises(Malformed):
        scene.vendor.serve(later | {"opening": None}, scene.offer())


def test_an_order_that_comes_again_keeps_its_first_opening() -> None:
    scene = Described()
    order = scene.order()
    first = scene.payer.pay(order, scene.offer()).payload
    assert scene.vendor.serve(first, scene.offer()).taken.moment == "before"
    more = scene.payer.pay(order, scene.offer(price_micro=300)).payload
    again = scene.vendor.serve(more, scene.offer())
    assert (again.taken.value_micro, again.taken.records) == (200, ())


def test_a_description_and_a_salt_have_their_sizes() -> None:
    salt = codec.b64u(bytes(SALT_BYTES))
    assert len(Opening(description="é" * (DESCRIPTION_BYTES_MAX // 2), salt=salt).digest) == 32
    with pytest.raises(Unfit, match="description_too_long"):
        Opening(description="é" * (DESCRIPTION_BYTES_MAX // 2) + "e", salt=salt)
    for odd in ("", salt + "A", salt[:-1]):
        with pytest.raises(Malformed):
            Opening(description=WORDS, salt=odd)


def test_an_order_is_captured_for_its_highest_index_and_never_above_what_was_authorised() -> None:
    scene = Described()
    order = scene.order()
    scene.vendor.serve(scene.first(order), scene.offer())
    (claim,) = scene.vendor.claims()
    assert [scene.broker.redeem(claim) for _ in range(3)] == [100, 0, 0]
    beyond = claim | {"links": [[100, 1001, claim["links"][0][2]]]}
    with pytest.raises(OutOfRange, match="chain_index_above_length"):
        scene.broker.redeem(beyond)
    assert scene.broker.balances["vendor/news"] == 100


def test_what_is_paid_later_leaves_the_description_where_it_is() -> None:
    scene = Described()
    paid = scene.payer.pay(scene.order(), scene.offer())
    concluded = scene.payer.purse.conclude(paid, Accepted(), scene.clock.at())
    (kept,) = concluded.instruments
    assert msgspec.json.decode(kept.body, type=OpenedOrder).opening.description == WORDS
