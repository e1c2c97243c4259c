"""The payer's side of blind coins: pockets of them, paid with exactly where they can.

    ask -> the list of keys, asked without an account -> a withdrawal -> a pocket
    pay -> coins worth the price or a little more, and outputs for the change, in one box

What was asked for and what was paid is told apart from nothing but the wallet's own seed.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Generic

import msgspec

from farthing import codec
from farthing.crypto import signing
from farthing.errors import Conflict, Expired, Forged, OutOfRange
from farthing.schemes.coin import values
from farthing.schemes.coin.blind import boxes, restoring
from farthing.schemes.coin.blind.coinage import (
    CURRENT,
    Coinage,
    K,
    Slot,
    answer_key,
    payer_secret,
    require_one_line,
    signatures_of,
    slots,
    tag,
)
from farthing.schemes.coin.blind.kept import Errand, Exchanged, Outgoing, Readers, Signatures
from farthing.schemes.coin.blind.messages import Payment, exchange_header, order_of, return_header
from farthing.schemes.coin.blind.pocket import Held, Pocket
from farthing.schemes.coin.blind.restoring import Search
from farthing.schemes.coin.deriving import Maker, maker_of
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


_SIGNATURES = codec.Reader(Signatures)
_EXCHANGED = codec.Reader(Exchanged)
_TEXTS = codec.Reader(tuple[str, ...])


class BlindPurse(Purse, Generic[K]):
    """One wallet's coins of one broker."""

    numbers = True
    parts = True
    merges = True
    coinage: ClassVar[Coinage[Any]]
    readers: ClassVar[Readers[Any]]

    def ask(self, need: Need, at: At) -> Asked:
        """The list of keys comes first; `OutOfRange` for more than one withdrawal has."""
        values.ladder(need.amount_micro)
        (number,) = at.serials
        return self._ask_list(Errand(step="list", amount_micro=need.amount_micro, number=number))

    def _ask_list(self, errand: Errand[K]) -> Asked:
        return Asked(
            operation="issue",
            message={"list": CURRENT},
            bearer=True,
            kept=codec.canonical(errand),
        )

    def receive(self, asked: Asked, answer: Json, at: At) -> tuple[Instrument, ...] | Asked:
        """What the list leads to; or the coins of a withdrawal.

        `Forged`, `Malformed`; `Conflict` where the account is given another list than everybody.
        """
        errand = self.readers.kept.read(asked.kept)
        if isinstance(errand, Search):
            return self._remade(errand, answer, at)
        match errand.step:
            case "list":
                keysets = self._read_list(answer)
                self.coinage.require_signing(keysets, at.now_s)
                if errand.pocket is not None:
                    require_one_line(keysets, errand.pocket.keysets)
                    renewed = msgspec.structs.replace(
                        errand.pocket, keysets=keysets, listed_s=at.now_s
                    )
                    return (self._instrument(renewed),)
                if errand.token is not None:
                    return self._exchange(errand, keysets, at)
                return self._withdraw(errand, keysets, at)
            case "withdrawal":
                assert errand.pocket is not None, "a withdrawal fills one"
                filled = self._filled(errand.pocket, errand.slots, answer)
                return (self._instrument(filled),)
            case "exchange":
                assert errand.pocket is not None, "an exchange fills one"
                swapped = self._swapped(errand.pocket, errand.slots, answer)
                return (self._instrument(swapped),)
            case "return":
                if errand.pocket is None:
                    return ()
                left, (good, _) = self._instrument(errand.pocket), self._parted(errand.pocket, at)
                return self.give_back(left, at) if good else (left,)
            case other:
                raise AssertionError(f"no purse sends {other!r}")

    def compare(self, asked: Asked, held: Sequence[Instrument]) -> None:
        """`Conflict` where new coins would be signed by another list than those that are here."""
        errand = self.readers.kept.read(asked.kept)
        if isinstance(errand, Errand) and errand.pocket is not None:
            for instrument in held:
                known = self.readers.pockets.read(instrument.body).keysets
                require_one_line(errand.pocket.keysets, known)

    def _instrument(self, pocket: Pocket[K]) -> Instrument:
        return pocket.instrument(self.coinage, self.setting.currency)

    def _read_list(self, answer: Json) -> K:
        keysets: K = self.coinage.lists.convert(answer)
        keysets.verify(self.setting.broker_id, self.setting.currency)
        return keysets

    def remake(self, number: int, at: At) -> Asked:
        """Its questions go on until nothing more can be found."""
        return restoring.begun(self.coinage, number, at)

    def _remade(self, search: Search[K], answer: Json, at: At) -> tuple[Instrument, ...] | Asked:
        found: Pocket[K] | Asked
        maker = maker_of(self.setting.ring, self.setting.broker_id, search.number)
        restorer = restoring.Restorer(self.coinage, maker)
        if search.step == "list":
            found = restorer.with_list(search, self._read_list(answer))
        elif search.step == "signed":
            found = restorer.with_signatures(search, answer)
        else:
            found = restorer.with_spent(search, answer, at)
        if isinstance(found, Asked):
            return found
        return (self._instrument(found),) if found.counters else ()

    def _withdraw(self, errand: Errand[K], keysets: K, at: At) -> Asked:
        made, counters = slots(keysets, values.ladder(errand.amount_micro), {})
        pocket = Pocket(number=errand.number, keysets=keysets, listed_s=at.now_s, counters=counters)
        outputs = self._outputs(pocket, made)
        kept = Errand(step="withdrawal", pocket=pocket, slots=made)
        message = {"outputs": [codec.b64u(output) for output in outputs]}
        return Asked(operation="issue", message=message, kept=codec.canonical(kept))

    def _outputs(self, pocket: Pocket[K], made: tuple[Slot, ...]) -> tuple[bytes, ...]:
        maker = self._maker(pocket)
        return tuple(self.coinage.output(maker, pocket.keysets, slot) for slot in made)

    def _shown(self, pocket: Pocket[K], held: Sequence[Held]) -> tuple[bytes, ...]:
        maker = self._maker(pocket)
        return tuple(self.coinage.coin(maker, one.slot, one.signature) for one in held)

    def _seal(self, keysets: K, box: boxes.Box, at: At) -> list[str]:
        public = codec.unb64u(keysets.sealing)
        return boxes.seal(tag(self.coinage.name, "sealed"), public, box, at.entropy)

    def _filled(self, pocket: Pocket[K], made: tuple[Slot, ...], answer: Json) -> Pocket[K]:
        found = _SIGNATURES.convert(answer)
        if found.list != codec.b64u(pocket.keysets.digest):
            raise Conflict("keysets_differ", "this account is given other keys than everybody")
        blind = [codec.unb64u(text) for text in found.signatures]
        return pocket.with_coins(self._held(pocket, made, blind))

    def _held(
        self, pocket: Pocket[K], made: tuple[Slot, ...], blind: list[bytes]
    ) -> tuple[Held, ...]:
        done = signatures_of(self.coinage, self._maker(pocket), pocket.keysets, made, blind)
        return tuple(Held(slot, one) for slot, one in zip(made, done, strict=True))

    def part(self, instrument: Instrument, amount_micro: int) -> Parted:
        """Coins that are worth the amount exactly; `OutOfRange` where there are none such."""
        pocket = self.readers.pockets.read(instrument.body)
        exponents = [held.slot.exponent for held in pocket.coins]
        choice = values.choose(exponents, amount_micro, room=values.COUNT_MAX)
        if choice.change:
            raise OutOfRange("coins_not_exact", "these coins are not worth exactly that")
        parted = [pocket.coins[index] for index in choice.indices]
        setting = self.setting
        token = self.coinage.write_token(
            self._maker(pocket),
            [(one.slot, one.signature) for one in parted],
            setting.broker_url,
            setting.currency,
        )
        rest = tuple(held for held in pocket.coins if held not in parted)
        left = self._instrument(msgspec.structs.replace(pocket, coins=rest))
        return Parted(token=token, left=left)

    def claim(self, token: Json, at: At) -> Asked:
        """The coins are exchanged for others at once: who gave them knows them still."""
        (number,) = at.serials
        self.coinage.read_token(token)
        return self._ask_list(Errand(step="list", number=number, token=token))

    def _exchange(self, errand: Errand[K], keysets: K, at: At) -> Asked:
        worth_micro, shown = self.coinage.read_token(errand.token, keysets)
        made, counters = slots(keysets, values.ladder(worth_micro), {})
        pocket = Pocket(
            number=errand.number,
            keysets=keysets,
            listed_s=at.now_s,
            counters=counters,
            payments=1,
        )
        box = boxes.Box(
            header=exchange_header(self.coinage.name, self.setting.broker_id),
            answer_key=answer_key(self.coinage, self._maker(pocket), 0),
            coins=shown,
            outputs=self._outputs(pocket, made),
        )
        kept = Errand(step="exchange", pocket=pocket, slots=made)
        message = {"exchange": self._seal(keysets, box, at)}
        return Asked(operation="issue", message=message, bearer=True, kept=codec.canonical(kept))

    def _swapped(self, pocket: Pocket[K], made: tuple[Slot, ...], answer: Json) -> Pocket[K]:
        key = answer_key(self.coinage, self._maker(pocket), 0)
        header = exchange_header(self.coinage.name, self.setting.broker_id)
        texts = _EXCHANGED.convert(answer).signatures
        blind = boxes.unseal_answer(key, header, texts, self.coinage.blind_bytes)
        return pocket.with_coins(self._held(pocket, made, blind))

    def _maker(self, pocket: Pocket[K]) -> Maker:
        return maker_of(self.setting.ring, self.setting.broker_id, pocket.number)

    def pay(
        self, instrument: Instrument, offer: Offer, binding: Binding, at: At, answer: Json = None
    ) -> Paid | AskFirst:
        """Coins for the price; where change is due and the list is old, another one comes first.

        `OutOfRange` where the coins that still pay are not enough, or too many; `Conflict` for a
        list that does not go on from the one before.
        """
        pocket = self.readers.pockets.read(instrument.body)
        if answer is not None:
            keysets = self._read_list(answer)
            self.coinage.require_signing(keysets, at.now_s)
            require_one_line(keysets, pocket.keysets)
            pocket = msgspec.structs.replace(pocket, keysets=keysets, listed_s=at.now_s)
        pays_until_s = self.coinage.pays_until_s
        good = [held for held in pocket.coins if at.now_s < pays_until_s(held.slot.period)]
        good.sort(key=lambda held: pays_until_s(held.slot.period))  # those that end first go first
        exponents = [held.slot.exponent for held in good]
        choice = values.choose(exponents, offer.price_micro, room=ROOM)
        fresh = self.coinage.is_fresh(pocket.keysets, pocket.listed_s, at.now_s)
        if choice.change and not fresh:
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
            spent=instrument if answer is None else self._instrument(pocket),
            after=self._instrument(left) if left.coins else None,
            kept=codec.canonical(outgoing),
        )

    def _payment(
        self,
        pocket: Pocket[K],
        shown: list[Held],
        made: tuple[Slot, ...],
        offer: Offer,
        binding: Binding,
        at: At,
    ) -> tuple[Payment, bytes]:
        """The payment, and what its box is bound to."""
        maker, name = self._maker(pocket), self.coinage.name
        secret = payer_secret(self.coinage, maker, pocket.payments)
        periods = [held.slot.period for held in shown]
        bare = Payment(
            box=("",),
            order=codec.b64u(order_of(name, binding)),
            payer=codec.b64u(signing.public_of(secret)),
            period=min(periods, key=self.coinage.pays_until_s),
            price_micro=offer.price_micro,
            sig="",
            vendor=offer.vendor_id,
        )
        header = bare.header(name)
        box = boxes.Box(
            header=header,
            answer_key=answer_key(self.coinage, maker, pocket.payments),
            coins=self._shown(pocket, shown),
            outputs=self._outputs(pocket, made),
        )
        texts = tuple(self._seal(pocket.keysets, box, at))
        return msgspec.structs.replace(bare, box=texts).sign(name, secret), header

    def conclude(self, paid: Paid, conclusion: Conclusion, at: At) -> Concluded:
        """The change with what is left; or the coins as they were, to be paid under another key.

        `Forged`, `Malformed` for change that is not right. Of coins that nobody takes any more
        what is left stays.
        """
        match conclusion:
            case Accepted(change=change):
                outgoing = self.readers.outgoing.read(paid.kept)
                if not outgoing.slots:
                    if change is not None:
                        raise Forged("change_not_due", "the coins were worth the price")
                    return Concluded(instruments=_some(paid.after))
                left = outgoing.left
                key = answer_key(self.coinage, self._maker(left), left.payments - 1)
                blind = boxes.unseal_answer(
                    key, outgoing.header, _TEXTS.convert(change), self.coinage.blind_bytes
                )
                pocket = left.with_coins(self._held(left, outgoing.slots, blind))
                return Concluded(instruments=(self._instrument(pocket),))
            case Burned():
                return Concluded(instruments=_some(paid.after))
            case _:
                pocket = self.readers.pockets.read(paid.spent.body)
                pocket = msgspec.structs.replace(pocket, payments=pocket.payments + 1)
                return Concluded(instruments=(self._instrument(pocket),))

    def merge(self, current: Instrument, paid: Paid, left: Instrument | None) -> Instrument | None:
        """Without the coins that were shown, and with their change."""
        read = self.readers.pockets.read
        after = read(left.body) if left else self.readers.outgoing.read(paid.kept).left
        merged = read(current.body).merge(read(paid.spent.body), after)
        return self._instrument(merged) if merged.coins else None

    def payer_secret(self, instrument: Instrument) -> bytes:
        """Of the Ed25519 key that was made for the payment of this instrument, 32 bytes."""
        pocket = self.readers.pockets.read(instrument.body)
        return payer_secret(self.coinage, self._maker(pocket), pocket.payments)

    def prove(self, instrument: Instrument, statement: bytes) -> str:
        """`ed25519:` under that key."""
        secret = self.payer_secret(instrument)
        return write_proof("ed25519", signing.sign(secret, statement))

    def names(self, instrument: Instrument) -> tuple[tuple[str, int], ...]:
        """The mark of each coin."""
        pocket = self.readers.pockets.read(instrument.body)
        maker, mark = self._maker(pocket), self.coinage.mark
        return tuple(
            (mark(maker, held.slot, held.signature), held.slot.micro) for held in pocket.coins
        )

    def give_back(self, instrument: Instrument, at: At) -> Asked:
        """All coins, in as many messages as they need; `Expired` where none is good any more.

        Those that are not stay in the pocket.
        """
        pocket = self.readers.pockets.read(instrument.body)
        good, over = self._parted(pocket, at)
        if not good:
            raise Expired("coins_over", "their grace is over too: they are worth nothing any more")
        now, later = good[: values.COUNT_MAX], good[values.COUNT_MAX :] + over
        box = boxes.Box(
            header=return_header(self.coinage.name, self.setting.broker_id),
            answer_key=bytes(boxes.KEY_BYTES),  # nothing is signed in return
            coins=self._shown(pocket, now),
            outputs=(),
        )
        texts = self._seal(pocket.keysets, box, at)
        rest = msgspec.structs.replace(pocket, coins=later) if later else None
        kept = Errand(step="return", pocket=rest)
        return Asked(operation="take_back", message={"coins": texts}, kept=codec.canonical(kept))

    def _parted(self, pocket: Pocket[K], at: At) -> tuple[tuple[Held, ...], tuple[Held, ...]]:
        """Its coins that the broker takes back yet, and the others."""
        parts: tuple[list[Held], list[Held]] = ([], [])
        for one in pocket.coins:
            parts[at.now_s > self.coinage.ends_at_s(one.slot.period)].append(one)
        return tuple(parts[0]), tuple(parts[1])


def _some(instrument: Instrument | None) -> tuple[Instrument, ...]:
    return () if instrument is None else (instrument,)
