"""The payer's side of eCash: pockets of coins, paid with exactly where they can.

    ask -> the list of keys, asked without an account -> a withdrawal -> a pocket
    pay -> coins worth the price or a little more, and outputs for the change, in one box

What was asked for and what was paid is told apart from nothing but the wallet's own seed.
"""

from typing import Literal

import msgspec

from farthing import codec
from farthing.crypto import signing
from farthing.errors import Conflict, Forged, OutOfRange
from farthing.schemes.coin import values
from farthing.schemes.coin.deriving import Maker, maker_of
from farthing.schemes.coin.ecash import coin as coins
from farthing.schemes.coin.ecash import restoring
from farthing.schemes.coin.ecash.keyset import LISTS, KeysetList
from farthing.schemes.coin.ecash.making import (
    Slot,
    answer_key,
    coin_of,
    output_of,
    payer_secret,
    signatures_of,
    slots,
)
from farthing.schemes.coin.ecash.messages import (
    TOKENS,
    Payment,
    exchange_header,
    order_of,
    return_header,
)
from farthing.schemes.coin.ecash.pocket import POCKETS, Held, Pocket
from farthing.schemes.coin.ecash.restoring import Search
from farthing.schemes.coin.ecash.traits import TRAITS
from farthing.schemes.coin.epochs import Epoch
from farthing.schemes.contract import (
    Accepted,
    Asked,
    AskFirst,
    At,
    Binding,
    Burned,
    Concluded,
    Conclusion,
    Instrument,
    Json,
    Need,
    Offer,
    Paid,
    Purse,
)
from farthing.schemes.proofs import write_proof
from farthing.schemes.sharing import Parted

ROOM = 20  # coins and change of one payment: more do not fit into a header of 16 KiB
_LIST = {"list": "current"}


class Errand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag=True):
    """What a purse must know of a message that it sent."""

    amount_micro: int = 0
    """What the list is asked for; 0: to make change."""
    pocket: Pocket | None = None
    """What the coins come into, or, of a return, what is left."""
    number: int = 0
    slots: tuple[Slot, ...] = ()
    step: Literal["list", "withdrawal", "exchange", "return"]
    token: tuple[str, ...] = ()
    """Coins of another wallet."""


class Outgoing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a purse must know of a payment to take its change."""

    header: bytes
    left: Pocket
    slots: tuple[Slot, ...]


class Exchanged(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The mint's answer to an exchange."""

    signatures: tuple[str, ...]


class Signatures(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The mint's answer to a withdrawal."""

    list: str
    signatures: tuple[str, ...]


_KEPT: codec.Reader[Errand | Search] = codec.Reader(
    Errand | Search  # type: ignore[arg-type]  # - a union is no class
)
_OUTGOING = codec.Reader(Outgoing)
_SIGNATURES = codec.Reader(Signatures)
_EXCHANGED = codec.Reader(Exchanged)
_TEXTS = codec.Reader(tuple[str, ...])


class CoinPurse(Purse):
    """One wallet's coins of one broker."""

    traits = TRAITS
    numbers = True
    parts = True

    def ask(self, need: Need, at: At) -> Asked:
        """The list of keys comes first; `OutOfRange` for more than one withdrawal has."""
        values.ladder(need.amount_micro)
        (number,) = at.serials
        return self._ask_list(Errand(step="list", amount_micro=need.amount_micro, number=number))

    def _ask_list(self, errand: Errand) -> Asked:
        return Asked(operation="issue", message=_LIST, bearer=True, kept=codec.canonical(errand))

    def receive(self, asked: Asked, answer: Json, at: At) -> tuple[Instrument, ...] | Asked:
        """What the list leads to; or the coins of a withdrawal.

        `Forged`, `Malformed`; `Conflict` where the account is given another list than everybody.
        """
        errand = _KEPT.read(asked.kept)
        if isinstance(errand, Search):
            return self._remade(errand, answer, at)
        match errand.step:
            case "list":
                keysets = self._read_list(answer)
                Epoch(keysets.epoch).require_signing(at.now_s)
                if errand.pocket is not None:
                    renewed = msgspec.structs.replace(errand.pocket, keysets=keysets)
                    return (renewed.instrument(self.setting.currency),)
                if errand.token:
                    return self._exchange(errand, keysets, at)
                return self._withdraw(errand, keysets)
            case "withdrawal":
                assert errand.pocket is not None, "a withdrawal fills one"
                filled = self._filled(errand.pocket, errand.slots, answer)
                return (filled.instrument(self.setting.currency),)
            case "exchange":
                assert errand.pocket is not None, "an exchange fills one"
                swapped = self._swapped(errand.pocket, errand.slots, answer)
                return (swapped.instrument(self.setting.currency),)
            case "return":
                if errand.pocket is None:
                    return ()
                return self.give_back(errand.pocket.instrument(self.setting.currency), at)

    def _read_list(self, answer: Json) -> KeysetList:
        keysets = LISTS.convert(answer)
        keysets.verify(self.setting.broker_id, self.setting.currency)
        return keysets

    def remake(self, number: int, at: At) -> Asked:
        """Its questions go on until nothing more can be found."""
        return restoring.begun(number, at)

    def _remade(self, search: Search, answer: Json, at: At) -> tuple[Instrument, ...] | Asked:
        maker = maker_of(self.setting.ring, self.setting.broker_id, search.number)
        found: Pocket | Asked
        if search.step == "list":
            found = restoring.with_list(search, self._read_list(answer), maker)
        elif search.step == "signed":
            found = restoring.with_signatures(search, answer, maker)
        else:
            found = restoring.with_spent(search, answer, maker, at)
        if isinstance(found, Asked):
            return found
        return (found.instrument(self.setting.currency),) if found.counters else ()

    def _withdraw(self, errand: Errand, keysets: KeysetList) -> Asked:
        made, counters = slots(keysets, values.ladder(errand.amount_micro), {})
        pocket = Pocket(number=errand.number, keysets=keysets, counters=counters)
        outputs = [output_of(self._maker(pocket), keysets, slot).raw for slot in made]
        kept = Errand(step="withdrawal", pocket=pocket, slots=made)
        message = {"outputs": [codec.b64u(output) for output in outputs]}
        return Asked(operation="issue", message=message, kept=codec.canonical(kept))

    def _filled(self, pocket: Pocket, made: tuple[Slot, ...], answer: Json) -> Pocket:
        found = _SIGNATURES.convert(answer)
        if found.list != codec.b64u(pocket.keysets.digest):
            raise Conflict("keysets_differ", "this account is given other keys than everybody")
        blind = [codec.unb64u(text) for text in found.signatures]
        return pocket.with_coins(self._held(pocket, made, blind))

    def _held(self, pocket: Pocket, made: tuple[Slot, ...], blind: list[bytes]) -> tuple[Held, ...]:
        done = signatures_of(self._maker(pocket), pocket.keysets, made, blind)
        return tuple(Held(slot, one) for slot, one in zip(made, done, strict=True))

    def part(self, instrument: Instrument, amount_micro: int) -> Parted:
        """Coins that are worth the amount exactly; `OutOfRange` where there are none such."""
        pocket = POCKETS.read(instrument.body)
        exponents = [held.slot.exponent for held in pocket.coins]
        choice = values.choose(exponents, amount_micro, room=values.COUNT_MAX)
        if choice.change:
            raise OutOfRange("coins_not_exact", "these coins are not worth exactly that")
        parted = [pocket.coins[index] for index in choice.indices]
        maker = self._maker(pocket)
        token = [coins.write_coin(coin_of(maker, one.slot, one.signature)) for one in parted]
        rest = tuple(held for held in pocket.coins if held not in parted)
        left = msgspec.structs.replace(pocket, coins=rest).instrument(self.setting.currency)
        return Parted(token={"coins": token}, left=left)

    def claim(self, token: Json, at: At) -> Asked:
        """The coins are exchanged for others at once: who gave them knows them still."""
        (number,) = at.serials
        found = TOKENS.convert(token).coins
        for text in found:
            coins.read_coin(text)
        return self._ask_list(Errand(step="list", number=number, token=found))

    def _exchange(self, errand: Errand, keysets: KeysetList, at: At) -> Asked:
        shown = tuple(coins.read_coin(text) for text in errand.token)
        worth_micro = values.worth_micro([coin.ref.exponent for coin in shown])
        made, counters = slots(keysets, values.ladder(worth_micro), {})
        pocket = Pocket(number=errand.number, keysets=keysets, counters=counters, payments=1)
        maker = self._maker(pocket)
        box = coins.Box(
            header=exchange_header(self.setting.broker_id),
            answer_key=answer_key(maker, 0),
            coins=shown,
            outputs=tuple(output_of(maker, keysets, slot) for slot in made),
        )
        texts = coins.seal(codec.unb64u(keysets.sealing), box, at.entropy)
        kept = Errand(step="exchange", pocket=pocket, slots=made)
        message = {"exchange": texts}
        return Asked(operation="issue", message=message, bearer=True, kept=codec.canonical(kept))

    def _swapped(self, pocket: Pocket, made: tuple[Slot, ...], answer: Json) -> Pocket:
        key, header = (
            answer_key(self._maker(pocket), 0),
            exchange_header(self.setting.broker_id),
        )
        blind = coins.unseal_answer(key, header, _EXCHANGED.convert(answer).signatures)
        return pocket.with_coins(self._held(pocket, made, blind))

    def _maker(self, pocket: Pocket) -> Maker:
        return maker_of(self.setting.ring, self.setting.broker_id, pocket.number)

    def pay(
        self, instrument: Instrument, offer: Offer, binding: Binding, at: At, answer: Json = None
    ) -> Paid | AskFirst:
        """Coins for the price; where change is due and the list is old, another one comes first.

        `OutOfRange` where the coins that still pay are not enough, or too many.
        """
        pocket = POCKETS.read(instrument.body)
        if answer is not None:
            keysets = self._read_list(answer)
            Epoch(keysets.epoch).require_signing(at.now_s)
            pocket = msgspec.structs.replace(pocket, keysets=keysets)
        good = [held for held in pocket.coins if at.now_s < Epoch(held.slot.epoch).not_after_s]
        exponents = [held.slot.exponent for held in good]
        choice = values.choose(exponents, offer.price_micro, room=ROOM)
        if choice.change and at.now_s >= Epoch(pocket.keysets.epoch).signs_until_s:
            return AskFirst(asked=self._ask_list(Errand(step="list", pocket=pocket)))
        made, counters = slots(pocket.keysets, choice.change, pocket.counters)
        shown = [good[index] for index in choice.indices]
        payment, header = self._payment(pocket, shown, made, offer, binding, at)
        left = msgspec.structs.replace(
            pocket,
            coins=tuple(held for held in pocket.coins if held not in shown),
            counters=counters,
            payments=pocket.payments + 1,
        )
        outgoing = Outgoing(header=header, left=left, slots=made)
        return Paid(
            payload=msgspec.to_builtins(payment),
            spent=instrument if answer is None else pocket.instrument(self.setting.currency),
            after=left.instrument(self.setting.currency) if left.coins else None,
            kept=codec.canonical(outgoing),
        )

    def _payment(
        self,
        pocket: Pocket,
        shown: list[Held],
        made: tuple[Slot, ...],
        offer: Offer,
        binding: Binding,
        at: At,
    ) -> tuple[Payment, bytes]:
        """The payment, and what its box is bound to."""
        maker = self._maker(pocket)
        secret = payer_secret(maker, pocket.payments)
        bare = Payment(
            box=("",),
            epoch=min(held.slot.epoch for held in shown),
            order=codec.b64u(order_of(binding)),
            payer=codec.b64u(signing.public_of(secret)),
            price_micro=offer.price_micro,
            sig="",
            vendor=offer.vendor_id,
        )
        key = answer_key(maker, pocket.payments)
        box = coins.Box(
            header=bare.header,
            answer_key=key,
            coins=tuple(coin_of(maker, held.slot, held.signature) for held in shown),
            outputs=tuple(output_of(maker, pocket.keysets, slot) for slot in made),
        )
        texts = coins.seal(codec.unb64u(pocket.keysets.sealing), box, at.entropy)
        return msgspec.structs.replace(bare, box=tuple(texts)).sign(secret), bare.header

    def conclude(self, paid: Paid, conclusion: Conclusion, at: At) -> Concluded:
        """The change with what is left; or the pocket as it was.

        `Forged`, `Malformed` for change that is not right. Of coins that nobody takes any more
        what is left stays.
        """
        match conclusion:
            case Accepted(change=change):
                outgoing = _OUTGOING.read(paid.kept)
                if not outgoing.slots:
                    if change is not None:
                        raise Forged("change_not_due", "the coins were worth the price")
                    return Concluded(instruments=_some(paid.after))
                left = outgoing.left
                key = answer_key(self._maker(left), left.payments - 1)
                blind = coins.unseal_answer(key, outgoing.header, _TEXTS.convert(change))
                pocket = left.with_coins(self._held(left, outgoing.slots, blind))
                return Concluded(instruments=(pocket.instrument(self.setting.currency),))
            case Burned():
                return Concluded(instruments=_some(paid.after))
            case _:
                return Concluded(instruments=(paid.spent,))

    def prove(self, instrument: Instrument, statement: bytes) -> str:
        """`ed25519:` under the key that was made for the payment of this instrument."""
        pocket = POCKETS.read(instrument.body)
        secret = payer_secret(self._maker(pocket), pocket.payments)
        return write_proof("ed25519", signing.sign(secret, statement))

    def give_back(self, instrument: Instrument, at: At) -> Asked:
        """All coins, in as many messages as they need."""
        pocket = POCKETS.read(instrument.body)
        held = [one for one in pocket.coins if at.now_s <= Epoch(one.slot.epoch).ends_at_s]
        now, later = tuple(held[: values.COUNT_MAX]), tuple(held[values.COUNT_MAX :])
        maker = self._maker(pocket)
        box = coins.Box(
            header=return_header(self.setting.broker_id),
            answer_key=bytes(coins.KEY_BYTES),  # nothing is signed in return
            coins=tuple(coin_of(maker, one.slot, one.signature) for one in now),
            outputs=(),
        )
        public = codec.unb64u(pocket.keysets.sealing)
        texts = coins.seal(public, box, at.entropy)
        rest = msgspec.structs.replace(pocket, coins=later) if later else None
        kept = Errand(step="return", pocket=rest)
        return Asked(operation="take_back", message={"coins": texts}, kept=codec.canonical(kept))


def _some(instrument: Instrument | None) -> tuple[Instrument, ...]:
    return () if instrument is None else (instrument,)
