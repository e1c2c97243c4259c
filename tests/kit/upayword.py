"""A payer who writes UPayWord commitments, continuations and payments by hand, right or wrong."""

from typing import Any

import msgspec

from farthing import codec
from farthing.crypto import chain
from farthing.schemes.chain.credit.purse import Card
from farthing.schemes.chain.upayword import UPAYWORD
from farthing.schemes.chain.upayword.commitment import Continuation, Stretch, UpaywordCommitment
from farthing.schemes.contract import Instrument, Json
from tests.kit import payword
from tests.kit.canaries import draw
from tests.kit.payword import TODAY

UNIT_MICRO = 100


def scene(**options: Json) -> payword.Scene:
    """A payer with a certificate whose slots are worth 1,000 words of 100 each."""
    return payword.Scene(scheme=UPAYWORD, **options)


class Hand:
    """One commitment and its chains, `lengths` links each."""

    def __init__(
        self,
        certificate: Instrument,
        *lengths: int,
        word_bytes: int = 16,
        vendor: str = "news",
        slots: tuple[int, int] = (0, 1),
    ) -> None:
        card = msgspec.json.decode(certificate.body, type=Card)
        self.secret = codec.unb64u(card.secret)
        self.word_bytes, self._name = word_bytes, f"{vendor}-{slots}"
        unsigned = UpaywordCommitment(
            certificate=card.certificate,
            chains=((UNIT_MICRO, lengths[0], self.root(0, lengths[0])),),
            day=TODAY,
            salt=codec.b64u(self.salt(0)),
            sig="",
            slots=slots,
            vendor=vendor,
            word_bytes=word_bytes,
        )
        self.commitment = unsigned.sign(self.secret)
        self.chains: list[Stretch] = [self.commitment]
        for length in lengths[1:]:
            self.chains.append(self.after(length))

    def salt(self, number: int) -> bytes:
        return draw(f"salt {self._name} {number}", 16)

    def seed(self, number: int) -> bytes:
        return draw(f"seed {self._name} {number}", self.word_bytes)

    def root(self, number: int, length: int) -> str:
        return codec.b64u(chain.root_of(self.salt(number), self.seed(number), length))

    def after(self, length: int, **changes: Any) -> Continuation:
        """The continuation after the chains so far, with some fields changed, signed."""
        last = self.chains[-1]
        number = last.number + 1
        right = Continuation(
            before=last.before + last.length,
            length=length,
            number=number,
            of=self.commitment.id,
            root=self.root(number, length),
            salt=codec.b64u(self.salt(number)),
            sig="",
        )
        return msgspec.structs.replace(right, **changes).sign(self.secret)

    def other(self) -> Continuation:
        """Another second chain, with another salt and root, of the same numbers."""
        second = self.chains[1]
        salt = draw("another salt", 16)
        root = codec.b64u(chain.root_of(salt, self.seed(1), second.length))
        assert isinstance(second, Continuation)
        wrong = msgspec.structs.replace(second, salt=codec.b64u(salt), root=root)
        return wrong.sign(self.secret)

    def link(self, number: int, index: int, *, of: Stretch | None = None) -> Json:
        """The true word at an index of a chain, as it travels."""
        stretch = of or self.chains[number]
        key = chain.link_key(codec.unb64u(stretch.salt))
        word = chain.descend(key, self.seed(number), stretch.length, index)
        return [UNIT_MICRO, index, codec.b64u(word)]

    def payment(self, units: int, *, known: int | None = None) -> Json:
        """What pays so many words in all, for a vendor that knows the chains up to `known`."""
        number = next(at for at, one in enumerate(self.chains) if units <= one.before + one.length)
        index = units - self.chains[number].before
        first = min(known or 0, number)
        payload: dict[str, Any] = {
            "commitment": self.chains[first].id
            if known is not None
            else msgspec.to_builtins(self.commitment),
            "links": [
                *(self.link(at, self.chains[at].length) for at in range(first, number)),
                self.link(number, index),
            ],
        }
        if number > first:
            more = [msgspec.to_builtins(one) for one in self.chains[first + 1 : number + 1]]
            payload["continuations"] = more
        return payload
