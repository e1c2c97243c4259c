"""From all that a broker stores of a day, nobody tells whose coins a vendor was paid with.

The payers withdraw the same amount and buy for the same price, in an order of their own. A guesser
sees every record, answer and message, and looks for whatever a deposit has in common with one
withdrawal and not with the others. What it may know is that somebody paid; who, is a guess.
"""

from collections.abc import Iterable
from random import Random

import gmpy2
import pytest

from farthing import codec
from farthing.crypto import blind_rsa
from farthing.schemes.coin.blind import boxes
from farthing.schemes.coin.blind.coinage import tag
from farthing.schemes.coin.cashu import CASHU
from farthing.schemes.coin.cashu.coinage import read_coin as read_cashu
from farthing.schemes.coin.ecash import coin as coins
from farthing.schemes.coin.ecash.keyset import BrokerKeys
from farthing.schemes.contract import Json, Scheme
from tests.kit.blind import SCHEMES, Scene
from tests.kit.parties import on_the_wire, vendor_account

PAYERS = 8
WINDOW = 8  # bytes: what two independent messages do not have in common by chance


def bytes_of(value: Json) -> Iterable[bytes]:
    """Every text of a message, as the bytes that it stands for."""
    match value:
        case str():
            yield value.encode()
            if len(value) % 4 != 1 and value.replace("-", "").replace("_", "").isalnum():
                yield codec.unb64u(value.rstrip("=")) if _is_canonical(value) else b""
        case list() | tuple():
            for each in value:
                yield from bytes_of(each)
        case dict():
            for each in value.values():
                yield from bytes_of(each)
        case _:
            pass


def _is_canonical(text: str) -> bool:
    try:
        codec.unb64u(text)
    except Exception:  # noqa: BLE001 - whatever it is, it is no base64url
        return False
    return True


def unsealed(scene: Scene, payload: Json) -> boxes.Box:
    """What the broker sees in a payment."""
    name = tag(scene.coinage.name, "sealed")
    return boxes.unseal(name, scene.mint.box_secrets(), payload["box"])


def own(scene: Scene, raw: bytes) -> tuple[bytes, ...]:
    """What is a coin's own: not the name of its key, which all have in common."""
    if scene.scheme is CASHU:
        proof = read_cashu(raw)
        return proof.secret.encode(), bytes.fromhex(proof.secret), bytes.fromhex(proof.C)
    coin = coins.read_coin(raw)
    return coin.serial, coin.prefix, coin.signature


def windows(values: Iterable[bytes]) -> set[bytes]:
    return {raw[at : at + WINDOW] for raw in values for at in range(len(raw) - WINDOW + 1)}


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.traits.name)
def test_no_guess_from_what_the_broker_has_is_better_than_chance(scheme: Scheme) -> None:
    scene, random = Scene(scheme), Random(7)
    payers = [scene.admit(f"payer{number}") for number in range(PAYERS)]
    seen_withdrawing: list[set[bytes]] = []
    pockets = []
    for payer in payers:
        asked = scene.asked(64, payer)
        before = dict(scene.broker.records)
        pockets.append(scene.received(asked, payer))
        added = scene.broker.records.items() - before.items()
        seen_withdrawing.append(
            windows([*bytes_of(asked.message), *(raw for pair in added for raw in pair)])
        )
    guesses = right = 0
    for number in random.sample(range(PAYERS), PAYERS):
        payer, scene.payer = scene.payer, payers[number]
        paid, offer = scene.pay(pockets[number], 21)
        before = dict(scene.broker.records)
        scene.deposit(paid, offer)
        scene.payer = payer
        added = scene.broker.records.items() - before.items()
        payload = on_the_wire(paid.payload)
        inside = [part for raw in unsealed(scene, payload).coins for part in own(scene, raw)]
        seen = windows([*bytes_of(payload), *inside, *(raw for pair in added for raw in pair)])
        shared = [len(seen & other) for other in seen_withdrawing]
        best = max(shared)
        candidates = [at for at, score in enumerate(shared) if score == best]
        guesses += 1
        right += candidates == [number]
        assert len(candidates) == PAYERS, "each withdrawal fits as well as any other"
    assert (guesses, right) == (PAYERS, 0)


def test_every_withdrawal_can_be_unblinded_to_every_coin() -> None:
    """For each pair there is a blinding factor that makes the one of the other.

    With Cashu there is one by the form of it: the difference of B_ and Y is some multiple of G.
    """
    scene = Scene()
    keys = BrokerKeys(scene.broker.mint.setting)
    outputs, shown = [], []
    for number in range(3):
        payer = scene.admit(f"payer{number}")
        asked = scene.asked(1, payer)
        outputs.append(coins.read_output(codec.unb64u(asked.message["outputs"][0])))
        scene.payer = payer
        paid, _ = scene.pay(scene.received(asked, payer), 1)
        shown.append(coins.read_coin(unsealed(scene, on_the_wire(paid.payload)).coins[0]))
        scene.broker.run("redeem", on_the_wire(paid.payload), vendor_account())
    for output in outputs:
        _, secret = keys.find(output.ref)
        n = secret.public.n
        blind = int.from_bytes(blind_rsa.blind_sign(secret, output.blinded))
        for coin in shown:
            factor = blind * gmpy2.invert(int.from_bytes(coin.signature), n) % n
            message = pow(int.from_bytes(coin.signature), blind_rsa.E, n)
            made = message * gmpy2.powmod(factor, blind_rsa.E, n) % n
            assert int(made) == int.from_bytes(output.blinded)
            assert gmpy2.gcd(factor, n) == 1
