"""NetCash at the broker: coins for money, coins for coins, money for coins.

`issue` sells coins to an account, or exchanges coins that anybody brings, with no account and no
name; `redeem` pays a vendor for its coin; `take_back` pays a holder. Whatever takes a coin takes it
off the live list in the same transaction. What each case posts::

    issue, of the account      payer -> outstanding
    issue, of coins            nothing: what comes out is worth what goes in
    redeem                     outstanding -> vendor
    take_back                  outstanding -> payer
    nobody, until grace ends   outstanding -> breakage

`abroad.py` has coins of other brokers. `status` says who took a coin, under a key of its own: the
proof of a payer whose vendor took the coin and gave nothing for it.
"""

import msgspec

from farthing import codec
from farthing.crypto import signing
from farthing.crypto.mac import mac
from farthing.errors import Denied, Refusal, Unsupported
from farthing.marks import Keys, Memory, Record
from farthing.schemes.coin.netcash import abroad, live
from farthing.schemes.coin.netcash.coin import (
    COIN_KEY,
    PAYER_WINDOW_S,
    PAYS_S,
    SERIAL_BYTES,
    SKEW_S,
    SUBMIT_S,
    TRAITS,
    Coin,
    end_of,
)
from farthing.schemes.coin.netcash.orders import (
    ASKINGS,
    COINS,
    ORDERS,
    RETURNS,
    Asking,
    Order,
    Return,
    Shown,
    Want,
    has_coins,
)
from farthing.schemes.contract import (
    Account,
    Applied,
    At,
    Checked,
    End,
    Flow,
    Issued,
    Json,
    Mint,
    Operation,
    Redeemed,
    Returned,
)

RECEIPT_KEY = "farthing/netcash/receipt/1"
_SERIAL_TAG = "farthing/netcash/serial/1"


class NetcashMint(Mint):
    """The broker's side."""

    traits = TRAITS
    signing = (COIN_KEY, RECEIPT_KEY)

    def is_bearer(self, operation: Operation, message: Json) -> bool:
        """An order that brings its coins, and a question about a coin."""
        return operation == "status" or (operation == "issue" and has_coins(message))

    def check(self, operation: Operation, message: Json, account: Account, at: At) -> Checked:
        """Signatures, and holders' windows; `Denied`, `Forged`, `WrongPayer`, `Expired`."""
        parsed: Order | Coin | Return | Asking
        match operation:
            case "issue":
                _require_role(account, "payer")
                parsed = ORDERS.convert(message)
                self._check_order(parsed, at.now_s)
            case "redeem":
                _require_role(account, "vendor")
                parsed = COINS.convert(message)
                self._verify(parsed)
            case "take_back":
                _require_role(account, "payer")
                parsed = RETURNS.convert(message)
                if not self._is_abroad(parsed):
                    self._check_shown(parsed.coins, parsed, at.now_s)
            case "status":
                parsed = ASKINGS.convert(message)
                self._verify(parsed.coin)
            case _:
                return super().check(operation, message, account, at)
        return Checked(operation=operation, message=parsed, account=account)

    def _check_order(self, order: Order, now_s: int) -> None:
        if self._is_abroad(order) and order.coins:
            raise Unsupported("coins_stay_here", "coins of another broker are bought with money")
        self._check_shown(order.coins, order, now_s)

    def _check_shown(self, coins: tuple[Shown, ...], of: Order | Return, now_s: int) -> None:
        for shown in coins:
            self._verify(shown.coin)
            shown.coin.require_holder(of.statement(shown.coin), shown.sig, now_s)

    def _verify(self, coin: Coin) -> None:
        coin.verify(self.setting.ring, self.setting.broker_id, self.setting.currency)

    def _is_abroad(self, message: Order | Return) -> bool:
        """Whether it is about coins of another broker."""
        return message.broker != self.setting.broker_id

    def resume(self, kept: bytes, outcome: Json | Refusal, at: At) -> Checked:
        """The other broker's coins, its credit, or its refusal; `Mismatch`."""
        return abroad.resume(kept, outcome, self.setting.currency)

    def recall(self, checked: Checked) -> Keys:
        """Both lists, where they have the coins of the message."""
        coins: tuple[Coin, ...] = ()
        match checked.message:
            case (Order() | Return()) as message if not self._is_abroad(message):
                coins = tuple(shown.coin for shown in message.coins)
            case Coin() as coin:
                coins = (coin,)
            case Asking(coin=coin):
                coins = (coin,)
            case _:
                pass  # what another broker answered needs nothing of ours
        return Keys(records=tuple(key for coin in coins for key in live.keys_of(coin)))

    def apply(self, checked: Checked, memory: Memory, at: At) -> Applied:
        """Sell, exchange, pay, give back, say; `Replayed`, `Forged`, as `_redeem`."""
        account = checked.account
        match checked.message:
            case abroad.Sold() | abroad.Credited() | abroad.Turned() as message:
                return abroad.finish(message)
            case Order() as order if self._is_abroad(order):
                return abroad.order_abroad(order, account, at)
            case Order() as order:
                return self._issue(order, account, memory, at)
            case Coin() as coin:
                return _redeem(coin, account, memory, at)
            case Return() as back if self._is_abroad(back):
                return abroad.return_abroad(back, account)
            case Return() as back:
                return _take_back(back, account, memory, at)
            case Asking(coin=coin):
                return self._say(coin, memory, at.now_s)
            case _:
                raise AssertionError("nothing else is checked")

    def _issue(self, order: Order, account: Account, memory: Memory, at: At) -> Issued:
        """Coins as they are wanted, for coins of the same worth or for money."""
        made = tuple(self._coin(want, number, at) for number, want in enumerate(order.wants))
        flows: tuple[Flow, ...] = ()
        if not order.coins:
            payer = End(kind="payer", id=account.id)
            flows = (Flow(source=payer, target=live.OUT, amount_micro=order.worth_micro),)
        return Issued(
            flows=flows,
            records=(
                *_taken(order.coins, memory, at.now_s),
                *(live.listed(coin) for coin in made),
            ),
            due=tuple(live.ends(coin) for coin in made),
            answer={"coins": [msgspec.to_builtins(coin) for coin in made]},
        )

    def _coin(self, want: Want, number: int, at: At) -> Coin:
        """A fresh coin, with the windows that begin now where they are wanted."""
        key = self.setting.ring.current(COIN_KEY)
        vendor_until_s = at.now_s + PAYS_S + SUBMIT_S + SKEW_S if want.vendor else 0
        bare = Coin(
            broker=self.setting.broker_id,
            currency=self.setting.currency,
            expires_at_s=end_of(at.now_s),
            key_id=key.id,
            payer=want.payer,
            payer_until_s=vendor_until_s + PAYER_WINDOW_S if want.vendor else 0,
            serial=codec.b64u(mac(SERIAL_BYTES, at.entropy[:32], _SERIAL_TAG, number)),
            sig="",
            vendor=want.vendor,
            vendor_until_s=vendor_until_s,
            worth_micro=want.worth_micro,
        )
        sig = codec.b64u(signing.sign(key.secret, bare.signed()))
        return msgspec.structs.replace(bare, sig=sig)

    def _say(self, coin: Coin, memory: Memory, now_s: int) -> Applied:
        """Who may take a coin; who took it, signed, where it is not live; `Forged`."""
        found = memory.records.get(live.taken_key(coin))
        if found is None:
            live.require_live(coin, memory)
            is_vendors = now_s <= coin.vendor_until_s
            return Applied(answer={"state": "vendors" if is_vendors else "holders"})
        by, key = live.TAKEN.read(found), self.setting.ring.current(RECEIPT_KEY)
        said = codec.enc(
            RECEIPT_KEY, coin.broker, coin.serial, coin.worth_micro, by.by, by.at_s, key.id
        )
        return Applied(
            answer={
                "atS": by.at_s,
                "by": by.by,
                "keyId": key.id,
                "sig": codec.b64u(signing.sign(key.secret, said)),
                "state": "taken",
            }
        )

    def lapse(self, key: bytes, value: bytes, at: At) -> Applied | None:
        """What nobody took in time is breakage."""
        return live.lapsed(key, value)


def _redeem(coin: Coin, account: Account, memory: Memory, at: At) -> Redeemed:
    """Money for the vendor's coin, once however often it is claimed; `WrongVendor`, `WrongPayer`.

    A gate that never heard of the first time claims it again with what came since.
    """
    if live.taken_by(coin, memory) == account.id:
        return Redeemed(answer={"paidMicro": 0})
    coin.require_vendor(account.id, at.now_s)
    vendor = End(kind="vendor", id=account.id)
    return Redeemed(
        flows=(Flow(source=live.OUT, target=vendor, amount_micro=coin.worth_micro),),
        records=live.taken(coin, memory, account.id, at.now_s),
        answer={"paidMicro": coin.worth_micro},
        paid_micro=coin.worth_micro,
    )


def _take_back(back: Return, account: Account, memory: Memory, at: At) -> Returned:
    """Money for a holder's coins."""
    payer = End(kind="payer", id=account.id)
    return Returned(
        flows=(Flow(source=live.OUT, target=payer, amount_micro=back.worth_micro),),
        records=_taken(back.coins, memory, at.now_s),
        answer={"returnedMicro": back.worth_micro},
    )


def _taken(coins: tuple[Shown, ...], memory: Memory, now_s: int) -> tuple[Record, ...]:
    """The records of a holder's coins that are taken now; `Replayed`, `Forged`."""
    return tuple(record for shown in coins for record in live.taken(shown.coin, memory, "", now_s))


def _require_role(account: Account, role: str) -> None:
    if account.role != role:
        raise Denied("wrong_kind_of_account", f"this is for a {role}'s account")
