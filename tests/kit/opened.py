"""A payer of tokens who opens segments as it likes, by hand."""

import msgspec

from farthing import codec
from farthing.crypto import chain, merkle, signing
from farthing.schemes.chain.agent.certificate import (
    Certificate,
    Opening,
    leaves_of,
    roots_of,
    salt_of,
    seed_of,
)
from farthing.schemes.contract import Json
from tests.kit.agent import UNIT_MICRO, Scene
from tests.kit.canaries import canary

LENGTH, SEGMENT = 60, 30


class Hand:
    """A payer with a certificate of two segments, who opens them as it likes."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.secret = scene, canary("agent key")
        asked = {
            "length": LENGTH,
            "publicKey": codec.b64u(signing.public_of(self.secret)),
            "segment": SEGMENT,
            "unitMicro": UNIT_MICRO,
            "vendor": "",
        }
        answer = scene.broker.run("issue", asked, scene.payer.account).answer
        self.certificate = msgspec.convert(answer["certificate"], Certificate)
        self.seed = codec.unb64u(answer["seed"])

    def opening(self, *segments: int) -> Json:
        one = self.certificate
        roots = roots_of(self.seed, one.serial, one.length, one.segment)
        leaves = leaves_of(one.serial, roots, one.length, one.segment)
        bare = Opening(
            certificate=one,
            path=tuple(map(codec.b64u, merkle.prove(leaves, segments))),
            roots=tuple(codec.b64u(roots[segment]) for segment in segments),
            segments=segments,
            sig="",
            time_s=self.scene.clock.now_s,
            vendor="news",
        )
        sig = codec.b64u(signing.sign(self.secret, bare.signed()))
        return msgspec.to_builtins(msgspec.structs.replace(bare, sig=sig))

    def token(self, segment: int, position: int) -> Json:
        one = self.certificate
        key = chain.link_key(salt_of(one.serial, segment))
        last = seed_of(self.seed, one.serial, segment)
        word = chain.word_of(key, last, one.tokens_in(segment), position)
        return [segment, position, codec.b64u(word)]

    def pay(self, opening: Json, *tokens: Json, price_micro: int) -> None:
        vendor = self.scene.vendors["news"]
        payload = {"opening": opening, "tokens": list(tokens)}
        vendor.serve(payload, vendor.offer(price_micro))
