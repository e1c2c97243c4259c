"""A Micropayment System with three vendors and one payer who has money at the broker."""

from collections.abc import Sequence

import msgspec

from farthing import codec, marks
from farthing.crypto import chain, merkle, signing
from farthing.schemes.chain.agent import AGENT
from farthing.schemes.chain.agent.certificate import (
    CERTIFICATE_KEY,
    REVOKED_PREFIX,
    Certificate,
    Opening,
    leaves_of,
    roots_of,
    salt_of,
    seed_of,
)
from farthing.schemes.chain.agent.purse import Tokens
from farthing.schemes.contract import Asked, Instrument, Json, Key, Need, Paid, Rolled
from farthing.schemes.revocations import ListState
from tests.kit.canaries import canary
from tests.kit.parties import Broker, Clock, Payer, Ring, Vendor, on_the_wire, payer_account

UNIT_MICRO = 100
PRICE_MICRO = 100
LIST_S = 300
CERTIFYING_SECRET = canary("token-certifying-key")
NAMES = ("news", "daily", "weekly")


def certifying_key() -> Key:
    secret = CERTIFYING_SECRET
    public = signing.public_of(secret)
    return Key(id="1", purpose=CERTIFICATE_KEY, secret=secret, public=public)


class Scene:
    """Everybody; vendors have the broker's list as of now."""

    def __init__(self, **options: Json) -> None:
        self.clock = Clock()
        self.broker = Broker(AGENT, Ring(certifying_key()), self.clock)
        ring = Ring(msgspec.structs.replace(certifying_key(), secret=b""))
        self.vendors = {
            name: Vendor(AGENT, ring, self.clock, vendor_id=name, **options) for name in NAMES
        }
        self.payer = Payer(AGENT, ring, self.clock, payer_account())
        self.mirror()

    def mirror(self) -> None:
        """Every vendor fetches the list."""
        now_s = self.clock.now_s
        state = ListState(number=1, this_update_s=now_s, next_update_s=now_s + LIST_S)
        names = [key for key in self.broker.records if key.startswith(REVOKED_PREFIX)]
        puts = [marks.Put(key=key, value=b"", until_s=2**40) for key in names]
        for vendor in self.vendors.values():
            k = f"list{now_s}/{len(names)}"
            hold = marks.Hold(
                k=k, digest=k.encode(), marks=(), kept=b"", now_s=now_s, lease_until_s=now_s,
                until_s=2**40,
            )  # fmt: skip  # - one command
            records = (*puts, state.put("agent", 2**40))
            vendor.store.do_now(marks.Take(hold=hold, outcome=b"", records=records))

    def buy(self, tokens: int = 40, at: str = "news") -> Instrument:
        """So many tokens of the unit."""
        need = Need(
            amount_micro=tokens * UNIT_MICRO,
            currency="eur",
            vendor_id=at,
            offer=self.vendors[at].offer(PRICE_MICRO),
        )
        asked = self.payer.purse.ask(need, self.clock.at())
        applied = self.broker.run(asked.operation, asked.message, self.payer.account)
        received = self.payer.purse.receive(asked, on_the_wire(applied.answer), self.clock.at())
        assert not isinstance(received, Asked)
        return received[0]

    def pay(self, instrument: Instrument, at: str = "news", tokens: int = 1) -> Paid:
        """A payment that nobody has seen yet."""
        return self.payer.pay(instrument, self.vendors[at].offer(tokens * UNIT_MICRO))

    def serve(self, paid: Paid, at: str = "news", tokens: int = 1) -> Instrument:
        """The vendor takes it; what is left."""
        vendor = self.vendors[at]
        served = vendor.serve(paid.payload, vendor.offer(tokens * UNIT_MICRO))
        left = self.payer.conclude(paid, served)
        assert left is not None, "no test spends all"
        return left

    def spend(self, instrument: Instrument, at: str = "news", tokens: int = 1) -> Instrument:
        """One whole purchase; what is left."""
        return self.serve(self.pay(instrument, at, tokens), at, tokens)

    def rolled(self, paid: Paid) -> Instrument:
        """What the wallet has where nothing was charged."""
        (left,) = self.payer.purse.conclude(paid, Rolled(), self.clock.at()).instruments
        return left

    def clear(self, name: str = "news") -> int:
        """Every pending claim shown to the broker; what they earned."""
        return sum(self.broker.redeem(message, name) for message in self.vendors[name].claims())

    def give_back(self, instrument: Instrument) -> Json:
        """What the broker says to a return."""
        asked = self.payer.purse.give_back(instrument, self.clock.at())
        return self.broker.run(asked.operation, asked.message, self.payer.account).answer

    def pass_time(self, seconds: int) -> None:
        """Time passes, and the broker looks at what is due."""
        self.clock.now_s += seconds
        self.broker.lapse()


def tokens_of(instrument: Instrument) -> Tokens:
    """What the wallet keeps."""
    return msgspec.json.decode(instrument.body, type=Tokens)


def certificate_of(instrument: Instrument) -> Certificate:
    return tokens_of(instrument).certificate


def opening_in(paid: Paid) -> Opening:
    """The opening that a first payment carries."""
    return msgspec.convert(paid.payload["opening"], Opening)


def signed(opening: Opening, instrument: Instrument) -> Opening:
    """An opening under its payer's own signature, whatever it says."""
    secret = codec.unb64u(tokens_of(instrument).secret)
    sig = codec.b64u(signing.sign(secret, opening.signed()))
    return msgspec.structs.replace(opening, sig=sig)


class Hand:
    """A payer who opens any segments of a certificate of its own, and writes payments by hand."""

    def __init__(self, scene: Scene, length: int, segment: int, unit_micro: int = UNIT_MICRO):
        self.scene, self.secret = scene, canary("hand")
        message = {
            "length": length,
            "publicKey": codec.b64u(signing.public_of(self.secret)),
            "segment": segment,
            "unitMicro": unit_micro,
            "vendor": "",
        }
        answer = scene.broker.run("issue", message, scene.payer.account).answer
        self.certificate = msgspec.convert(answer["certificate"], Certificate)
        self.seed = codec.unb64u(answer["seed"])

    def opening(self, segments: Sequence[int], vendor: str = "news") -> Json:
        """Of these segments at one vendor, as it travels."""
        certificate = self.certificate
        tokens = (certificate.serial, certificate.length, certificate.segment)
        roots = roots_of(self.seed, *tokens)
        leaves = leaves_of(certificate.serial, roots, *tokens[1:])
        unsigned = Opening(
            certificate=certificate,
            path=tuple(codec.b64u(one) for one in merkle.prove(leaves, segments)),
            roots=tuple(codec.b64u(roots[segment]) for segment in segments),
            segments=tuple(segments),
            sig="",
            time_s=self.scene.clock.now_s,
            vendor=vendor,
        )
        sig = codec.b64u(signing.sign(self.secret, unsigned.signed()))
        return msgspec.to_builtins(msgspec.structs.replace(unsigned, sig=sig))

    def token(self, segment: int, position: int) -> Json:
        """The true token, as it travels."""
        serial, tokens = self.certificate.serial, self.certificate.tokens_in(segment)
        key = chain.link_key(salt_of(serial, segment))
        word = chain.word_of(key, seed_of(self.seed, serial, segment), tokens, position)
        return [segment, position, codec.b64u(word)]
