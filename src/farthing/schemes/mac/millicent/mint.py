"""MilliCent at the broker: sell scrip, pay the vendors' claims, take scrip back.

Scrip comes from a vendor's licence, from a warehouse, or is the broker's own. Value sold under a
licence goes into a pool per vendor and expiry day; claims and burn receipts draw on the pool of the
scrip they name, so a vendor is never paid more than was sold for it. What is left when nothing can
be claimed any more lapses as breakage. What each case posts is a table in the decisions.
"""

from hmac import compare_digest

import msgspec

from farthing import codec, props
from farthing.errors import (
    Denied,
    Forged,
    Late,
    OutOfRange,
    Refusal,
    Replayed,
    Unfit,
    WrongVendor,
)
from farthing.marks import Delete, Keys, Memory, Put
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
from farthing.schemes.mac.millicent import abroad, own_scrip, refund, warehouse
from farthing.schemes.mac.millicent.claims import CLAIMS, ClaimBody, claim_mac
from farthing.schemes.mac.millicent.draft import Draft
from farthing.schemes.mac.millicent.orders import (
    CASH_OUTS,
    LICENCE_PREFIX,
    LICENCES,
    ORDERS,
    POOL_PREFIX,
    POOLS,
    Burned,
    CashOut,
    Licence,
    Order,
    Sale,
    kept_until_s,
    licence_prefix,
    pool_key,
    register,
    unredeemed,
    used_key,
    used_up,
)
from farthing.schemes.mac.millicent.own_scrip import Return
from farthing.schemes.mac.millicent.refund import RefundBody
from farthing.schemes.mac.millicent.scrip import (
    BURN_KEY,
    DAY_S,
    DISPUTE_S,
    LARGER_MAX,
    STOCK_BIT,
    TRAITS,
    burn_mac,
    fresh_expiry_s,
)
from farthing.schemes.mac.millicent.warehouse import Batch


class MillicentMint(Mint):
    """The broker's side."""

    traits = TRAITS
    sealing = (own_scrip.OWN_KEY,)
    shared = POOL_PREFIX
    given = (LICENCE_PREFIX, warehouse.SHELF_PREFIX)

    def found(self, at: At) -> Applied | None:
        """The licence that the broker grants itself, for scrip of its own."""
        licence = own_scrip.licence_of(self.setting.ring, at.entropy)
        return register(licence, self.setting.broker_id, Memory())

    def is_bearer(self, operation: Operation, message: Json) -> bool:
        """An order paid with broker scrip, and a burn receipt that is to become broker scrip."""
        return own_scrip.is_bearer(operation, message)

    def check(self, operation: Operation, message: Json, account: Account, at: At) -> Checked:
        """`Malformed`, `Denied` for the wrong kind of account, `WrongVendor`, `Forged`."""
        checks = {
            "issue": self._check_order,
            "redeem": self._check_claim,
            "take_back": self._check_take_back,
            "grant": self._check_grant,
        }
        if operation not in checks:
            return super().check(operation, message, account, at)
        parsed = checks[operation](message, account, at)
        return Checked(operation=operation, message=parsed, account=account)

    def _check_order(self, message: Json, account: Account, at: At) -> Sale:
        _require_role(account, "payer")
        order = ORDERS.convert(message)
        if order.props and not props.has_all(account.props, order.props):
            raise Denied("props_not_vouched", "the broker does not vouch for these properties")
        if order.reveal and not order.broker:
            order = order.revealing(account.props)
        if order.pay is not None:
            own_scrip.verify_payment(self.setting, order.pay, order, at.now_s)
        return Sale(order=order, expires_at_s=fresh_expiry_s(at.now_s))

    def _check_claim(self, message: Json, account: Account, at: At) -> ClaimBody | RefundBody:
        _require_role(account, "vendor")
        if refund.is_claim(message):
            body = refund.check(message, account.id, at.now_s)
            refund.verify(body, self._shared_key(body.vendor))
            return body
        claim = CLAIMS.convert(message)
        if claim.vendor != account.id:
            raise WrongVendor("claim_of_another_vendor", "a vendor claims its own payments only")
        expected = claim_mac(self._shared_key(claim.vendor), claim)
        if not compare_digest(expected.encode(), claim.mac.encode()):
            raise Forged("claim_mac_wrong", "this claim was not made by the vendor as it stands")
        # By the vendor's clock: where ours was set back, refusing would take what it has earned.
        latest_s = fresh_expiry_s(at.now_s + DAY_S)
        if claim.moved_to_s > latest_s or claim.moved_to_s % DAY_S:
            raise OutOfRange("renewed_too_long", "renewed scrip lives no longer than new scrip")
        return claim

    def _check_take_back(self, message: Json, account: Account, at: At) -> Burned | Return:
        """A burn receipt by itself, with a wish for broker scrip, or broker scrip."""
        _require_role(account, "payer")
        if isinstance(message, dict) and "scrip" in message:
            order = own_scrip.RETURNS.convert(message)
            own_scrip.verify_return(self.setting, order, at.now_s)
            return order
        if isinstance(message, dict) and "burn" not in message:
            message = {"burn": message}
        cash_out = CASH_OUTS.convert(message)
        burn = cash_out.burn
        if self._is_abroad(cash_out):
            return Burned(cash_out=cash_out, expires_at_s=0)
        expected = burn_mac(self._shared_key(burn.vendor), burn)
        if not compare_digest(expected.encode(), burn.mac.encode()):
            raise Forged("burn_receipt_wrong", "this receipt was not made by the vendor")
        if at.now_s > kept_until_s(burn.expires_at_s):  # nobody knows whether it was shown before
            raise Late("burn_receipt_too_old", "a receipt is shown while its serial is remembered")
        return Burned(cash_out=cash_out, expires_at_s=fresh_expiry_s(at.now_s))

    def _is_abroad(self, message: Order | CashOut) -> bool:
        """Whether it is about a vendor of another broker."""
        return message.broker not in {"", self.setting.broker_id}

    def resume(self, kept: bytes, outcome: Json | Refusal, at: At) -> Checked:
        """The other broker's piece, its credit, or its refusal; `Mismatch`."""
        return abroad.resume(kept, outcome, self.setting.currency, at)

    def _shared_key(self, vendor: str) -> bytes:
        key = self.setting.ring.find(BURN_KEY, vendor)
        if key is None:
            raise WrongVendor("vendor_unknown", "no vendor of this name has a licence here")
        return key.secret

    def _check_grant(self, message: Json, account: Account, at: At) -> Licence | Batch:
        """A licence from the vendor, or a batch that the operator buys of it."""
        if isinstance(message, dict) and "pieces" in message:
            _require_role(account, "broker")
            batch = warehouse.BATCHES.convert(message)
            first = batch.pieces[0]
            if first.vendor != account.id or first.currency != self.setting.currency:
                raise WrongVendor("batch_of_another_vendor", f"these are not for {account.id}")
            return batch
        _require_role(account, "vendor")
        licence = LICENCES.convert(message)
        for text in (licence.k_burn, licence.k_payer, licence.k_scrip):
            codec.unb64u(text, size_bytes=32)
        if int(licence.series, 16) & STOCK_BIT:
            raise Unfit("series_for_stock", "a licence is for a series that is no warehouse's")
        return licence

    def recall(self, checked: Checked) -> Keys:
        """Licences, shelves and pools, and whether a serial was used before."""
        message, own = checked.message, self.setting.broker_id
        match message:
            case abroad.Bought() | abroad.Credited() | abroad.Turned():
                return abroad.recall(message, own)
            case Burned(cash_out=cash_out) if self._is_abroad(cash_out):
                return Keys(records=(abroad.receipt_key(cash_out),))
            case Sale(order=order):
                records = [
                    pool_key(order.vendor, message.expires_at_s),
                    warehouse.stock_key(order.vendor),
                ]
                prefixes = [licence_prefix(order.vendor), warehouse.shelf_prefix(order.vendor)]
                if order.pay is not None:
                    paid = order.pay.scrip
                    records += [used_key(own, paid.serial), pool_key(own, paid.expires_at_s)]
                    prefixes.append(licence_prefix(own))
                return Keys(records=tuple(records), prefixes=tuple(prefixes))
            case ClaimBody():
                keys = (
                    used_key(message.vendor, message.serial),
                    pool_key(message.vendor, message.expires_at_s),
                    pool_key(message.vendor, message.moved_to_s),
                )
                return Keys(records=keys[: 3 if message.moved_to_s else 2])
            case RefundBody():
                return refund.recall(message)
            case Burned(cash_out=CashOut(burn=burn, in_scrip=in_scrip)):
                return Keys(
                    records=(
                        used_key(burn.vendor, burn.serial),
                        pool_key(burn.vendor, burn.expires_at_s),
                        warehouse.stock_key(burn.vendor),
                        pool_key(own, message.expires_at_s),
                    ),
                    prefixes=(licence_prefix(own),) if in_scrip else (),
                )
            case Return(scrip=scrip):
                return Keys(
                    records=(used_key(own, scrip.serial), pool_key(own, scrip.expires_at_s))
                )
            case Batch():
                vendor = checked.account.id
                return Keys(
                    records=(warehouse.stock_key(vendor),),
                    prefixes=(warehouse.shelf_prefix(vendor),),
                )
            case _:
                return Keys(prefixes=(licence_prefix(checked.account.id),))

    def apply(self, checked: Checked, memory: Memory, at: At) -> Applied:
        """Sell, pay, credit or register; `Overlimit`, `Replayed`, `WrongVendor`, `Mismatch`."""
        message, account = checked.message, checked.account
        draft = Draft(self.setting.ring, self.setting.currency, memory, at)
        match message:
            case abroad.Bought() | abroad.Credited() | abroad.Turned():
                return abroad.finish(message, draft, self.setting.broker_id, at)
            case Burned(cash_out=cash_out) if self._is_abroad(cash_out):
                return abroad.show_abroad(cash_out, account, memory)
            case Sale(order=order) if self._is_abroad(order):
                return abroad.order_abroad(order, account, draft, self.setting.broker_id, at)
            case Sale():
                return self._sell(message, account, draft, at)
            case ClaimBody():
                return self._pay(message, draft)
            case RefundBody():
                return refund.apply(message, draft)
            case Burned():
                return self._cash_out(message, account, draft, at)
            case Return():
                return self._return(message, account, draft)
            case Batch():
                return warehouse.buy(message, account.id, memory, at)
            case _:
                return register(message, account.id, memory)

    def _sell(self, sale: Sale, account: Account, draft: Draft, at: At) -> Issued:
        order, source = sale.order, End(kind="payer", id=account.id)
        answer: dict[str, Json] = {}
        if order.pay is not None:
            source = End(kind="outstanding", id=self.setting.broker_id)
        shelf = None
        if not order.props:
            largest_micro = order.value_micro * (1 if order.exact else LARGER_MAX)
            if order.pay is not None:
                largest_micro = min(largest_micro, order.pay.scrip.value_micro)
            shelf = warehouse.find(
                order.vendor,
                order.value_micro,
                draft.memory,
                at.now_s,
                largest_micro=largest_micro,
            )
        if shelf is not None:
            scrip, records, flows = warehouse.sell(shelf, draft.memory, source)
            draft.write(*records)
            draft.flows += flows
            secret = draft.secret_of(scrip)
        else:
            scrip, secret = draft.mint(order, sale.expires_at_s, entropy=at.entropy)
            draft.flow(source, End(kind="outstanding", id=order.vendor), order.value_micro)
        if order.pay is not None:
            own_scrip.use_up(order.pay, draft)
            answer |= own_scrip.change_of(order.pay, draft, scrip.value_micro)
        answer |= {"scrip": msgspec.to_builtins(scrip), "secret": codec.b64u(secret)}
        return Issued(
            flows=tuple(draft.flows),
            records=draft.records,
            due=tuple(draft.due),
            answer=answer,
        )

    def _pay(self, claim: ClaimBody, draft: Draft) -> Redeemed:
        digest = codec.digest(msgspec.structs.replace(claim, mac=""))
        if draft.is_repeat(claim.vendor, claim.serial, digest, claim.expires_at_s):
            return Redeemed(answer={"paidMicro": 0})
        draft.pool(
            claim.vendor,
            claim.expires_at_s,
            redeemed=claim.price_micro,
            sold=-claim.moved_micro,
        )
        if claim.moved_micro:
            draft.pool(claim.vendor, claim.moved_to_s, sold=claim.moved_micro)
        draft.flow(
            End(kind="outstanding", id=claim.vendor),
            End(kind="vendor", id=claim.vendor),
            claim.price_micro,
        )
        return Redeemed(
            flows=tuple(draft.flows),
            records=draft.records,
            due=tuple(draft.due),
            answer={"paidMicro": claim.price_micro},
            paid_micro=claim.price_micro,
        )

    def _cash_out(self, burned: Burned, account: Account, draft: Draft, at: At) -> Returned:
        asked, own = burned.cash_out, self.setting.broker_id
        burn = asked.burn
        # By account: to another one it was not credited, and a peer must not be told that it was.
        digest = codec.digest([account.id, msgspec.structs.replace(burn, mac="")])
        answer: dict[str, Json] = {"creditedMicro": burn.value_micro}
        if draft.is_repeat(burn.vendor, burn.serial, digest, burn.expires_at_s):
            if asked.in_scrip:
                raise Replayed("serial_already_used", "this piece was cashed out before")
            return Returned(answer=answer)
        target = End(kind="payer", id=account.id)
        if asked.in_scrip:
            target = End(kind="outstanding", id=own)
            answer |= draft.mint_own(own, burn.value_micro, burned.expires_at_s, at.entropy)
        draft.take_back(burn, target)
        return Returned(
            flows=tuple(draft.flows), records=draft.records, due=tuple(draft.due), answer=answer
        )

    def _return(self, order: Return, account: Account, draft: Draft) -> Returned:
        own, scrip = self.setting.broker_id, order.scrip
        answer = {"creditedMicro": scrip.value_micro}
        if draft.is_repeat(own, scrip.serial, codec.digest(order), scrip.expires_at_s):
            return Returned(answer=answer)
        draft.pool(own, scrip.expires_at_s, returned=scrip.value_micro)
        draft.flow(
            End(kind="outstanding", id=own), End(kind="payer", id=account.id), scrip.value_micro
        )
        return Returned(flows=tuple(draft.flows), records=draft.records, answer=answer)

    def put_back(self, applied: Applied, memory: Memory, at: At) -> tuple[Put, ...]:
        """The pool with the price in it again; `Unsupported` for what moves value elsewhere."""
        assert isinstance(applied, Redeemed), "only payments are reserved"
        return (unredeemed(memory, applied.paid_micro),)

    def rewind(self, key: bytes, value: bytes, at: At) -> Applied | None:
        """Licences are used up: their next serials may be out. Shelves sell nothing any more."""
        if key.startswith(warehouse.SHELF_PREFIX):
            return Applied(records=(warehouse.closed(key, value),))
        return Applied(records=(used_up(key, value),))

    def lapse(self, key: bytes, value: bytes, at: At) -> Applied | None:
        """What is left in a pool is breakage, what is left on a shelf the broker's loss."""
        _, kind, vendor, *_ = key.decode().split("/")
        if kind == "shelf":
            return Applied(flows=warehouse.write_off(vendor, value), records=(Delete(key=key),))
        pool = POOLS.read(value)
        if kind != "pool" or not pool.rest_micro:
            return None
        emptied = msgspec.structs.replace(pool, sold_micro=pool.sold_micro - pool.rest_micro)
        rest = Flow(
            source=End(kind="outstanding", id=vendor),
            target=End(kind="breakage", id=vendor),
            amount_micro=pool.rest_micro,
        )
        put = Put(key=key, value=codec.canonical(emptied), until_s=at.now_s + DISPUTE_S)
        return Applied(flows=(rest,), records=(put,))


def _require_role(account: Account, role: str) -> None:
    if account.role != role:
        raise Denied("wrong_kind_of_account", f"this is for a {role}'s account")
