"""The broker's side of Cashu at our gates: what stock wallets ask of it is in `broker/cashu`.

Both read and write the same records, so a coin is spent once whichever way it comes.
"""

from collections import Counter
from collections.abc import Sequence

import msgspec

from farthing import codec
from farthing.crypto import bdhke
from farthing.errors import Mismatch, Underpaid, WrongVendor
from farthing.marks import Keys, Memory, Put
from farthing.schemes.coin.blind.checking import Shown, Signed, worth_micro
from farthing.schemes.coin.blind.coinage import ListName
from farthing.schemes.coin.blind.mint import BlindMint
from farthing.schemes.coin.cashu import tokens, transactions
from farthing.schemes.coin.cashu.at_gate import CLAIMS, change_of
from farthing.schemes.coin.cashu.coinage import COINAGE, read_coin, read_output
from farthing.schemes.coin.cashu.keylist import LIST_KEY, BrokerKeys
from farthing.schemes.coin.cashu.keysets import KEYSET_KEY, unit_micro
from farthing.schemes.coin.cashu.messages import Output, Signature
from farthing.schemes.coin.cashu.traits import TRAITS
from farthing.schemes.coin.outstanding import Moved, flows_of
from farthing.schemes.contract import (
    Account,
    Applied,
    At,
    Checked,
    End,
    Json,
    Redeemed,
    Setting,
)

RECORD_KEY = "farthing/cashu/record/1"


class TokenShown(msgspec.Struct, frozen=True, kw_only=True):
    """A token for a vendor and, in outputs, its change."""

    coins: tuple[Shown, ...]
    outputs: tuple[Signed, ...]
    for_payer: Json
    price_micro: int

    def __repr__(self) -> str:
        """The price only."""
        return f"TokenShown({self.price_micro})"


class CashuMint(BlindMint):
    """The broker's side."""

    traits = TRAITS
    coinage = COINAGE
    record_key = RECORD_KEY
    signing = (LIST_KEY, RECORD_KEY)
    sealing = (KEYSET_KEY,)
    published = b"cashu/revoked/"
    listed_s = transactions.FOR_EVER_S

    def __init__(self, setting: Setting) -> None:
        """For one broker."""
        super().__init__(setting)
        self._keys = BrokerKeys(setting)

    def list_of(self, name: ListName, at: At) -> Json:
        """The present one, or that of a keyset."""
        return msgspec.to_builtins(self._keys.list_of(name))

    def digest_for(self, outputs: Sequence[bytes]) -> str:
        """Of the list of their keyset."""
        return codec.b64u(self._keys.list_of(read_output(outputs[0]).id).digest)

    def box_secrets(self) -> Sequence[bytes]:
        """One for each key of the ring."""
        return self._keys.box_secrets()

    def verified(
        self, coins: Sequence[bytes], outputs: Sequence[bytes], now_s: int, *, pays: bool
    ) -> tuple[Shown, ...]:
        """Of any unit, unlocked; `Malformed`, `Forged`, `Expired`."""
        inputs = [read_coin(raw) for raw in coins]
        made = [read_output(raw) for raw in outputs]
        return transactions.verify_inputs(self._keys, inputs, made, now_s).coins

    def signed(self, outputs: Sequence[bytes], now_s: int) -> tuple[Signed, ...]:
        """`Malformed`, `Forged`, `Expired`, `OutOfRange`."""
        made = [read_output(raw) for raw in outputs]
        for output in made:
            COINAGE.require_spendable(self._keys.find(output.id).public.final_expiry or 0, now_s)
        return transactions.sign_outputs(self._keys, made).outputs

    def output_micro(self, output: bytes) -> int:
        """By its amount, in the unit of its keyset; `Forged` for a strange one."""
        made = read_output(output)
        return made.amount * unit_micro(self._keys.find(made.id).unit)

    def output_mark(self, output: bytes) -> bytes:
        """Its B_."""
        return bytes.fromhex(read_output(output).B_)

    def coin_mark(self, name: str) -> bytes:
        """Its Y, 33 bytes, base64url."""
        return codec.unb64u(name, size_bytes=bdhke.POINT_BYTES)

    def signature_in(self, value: bytes) -> bytes:
        """C_, e and s."""
        return transactions.signature_in(value)

    def moved(
        self,
        memory: Memory,
        net: Counter[str],
        *,
        source: End | None = None,
        target: End | None = None,
    ) -> Moved:
        """Between the accounts of the units."""
        return Moved(flows=flows_of(net, source, target), records=(), due=())

    def check_payment(self, message: Json, account: Account, at: At) -> object:
        """A sealed payment of our wallets, or a token of any other; any refusal."""
        if isinstance(message, dict) and "token" in message:
            return self._check_token(message, account, at)
        return super().check_payment(message, account, at)

    def _check_token(self, message: Json, account: Account, at: At) -> TokenShown:
        claim = CLAIMS.convert(message)
        if claim.vendor != account.id:
            raise WrongVendor("claim_of_another_vendor", "a vendor claims its own payments only")
        token = tokens.read("".join(claim.token))
        shown = transactions.verify_inputs(self._keys, token.proofs, (), at.now_s).coins
        change_micro = worth_micro(shown) - claim.price_micro
        if change_micro < 0:
            raise Underpaid("coins_below_price", "the token is worth less than the price")
        amounts = change_of(self.setting.currency, token.unit, change_micro)
        if {unit: len(parts) for unit, parts in amounts.items()} != {
            unit: len(blanks) for unit, blanks in claim.blanks.items()
        }:
            raise Mismatch("change_differs", "the blank outputs are not those of the change")
        outputs: list[Output] = []
        for unit, parts in amounts.items():
            keyset_id = self._keys.current(unit).id
            outputs += [
                Output(amount=amount, id=keyset_id, B_=blank)
                for amount, blank in zip(parts, claim.blanks[unit], strict=True)
            ]
        made = transactions.sign_outputs(self._keys, outputs)
        return TokenShown(
            coins=shown,
            outputs=made.outputs,
            for_payer=self._returned(made.signatures),
            price_micro=claim.price_micro,
        )

    def _returned(self, signatures: Sequence[Signature]) -> Json:
        """By unit, with the public key of each; None where nothing is to be returned."""
        found: dict[str, list[Json]] = {}
        for one in signatures:
            keys = self._keys.find(one.id)
            returned = {
                "amount": one.amount,
                "id": one.id,
                "K": keys.public.keys[one.amount],
                "C_": one.C_,
                "e": one.dleq.e,
                "s": one.dleq.s,
            }
            found.setdefault(keys.unit, []).append(returned)
        return found or None

    def recall(self, checked: Checked) -> Keys:
        """As of all blind coins."""
        match checked.message:
            case TokenShown(coins=coins, outputs=outputs):
                return self.recalled(coins, outputs)
            case _:
                return super().recall(checked)

    def apply(self, checked: Checked, memory: Memory, at: At) -> Applied:
        """Likewise; a token pays its vendor, and what is over comes back in new coins."""
        match checked.message:
            case TokenShown(
                coins=coins, outputs=outputs, for_payer=for_payer, price_micro=price_micro
            ):
                target = End(kind="vendor", id=checked.account.id)
                return Redeemed(
                    **self.changed(memory, coins, outputs, target=target),
                    answer={"paidMicro": price_micro},
                    for_payer=for_payer,
                    paid_micro=price_micro,
                )
            case _:
                return super().apply(checked, memory, at)

    def put_back(self, applied: Applied, memory: Memory, at: At) -> tuple[Put, ...]:
        """Nothing is shared by many payments."""
        return ()
