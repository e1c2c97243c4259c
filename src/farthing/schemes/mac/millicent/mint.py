"""MilliCent at the broker: mint under a vendor's licence, pay the vendor's claims, take back.

Supply model "licence": the vendor grants one series (its master scrip secret), one payer range and
a quota. Value sold goes into a pool per vendor and expiry day; claims and burn receipts draw on the
pool of the scrip they name, so a vendor is never paid more than was sold for it. What is left when
nothing can be claimed any more lapses as breakage.
"""

from hmac import compare_digest

import msgspec

from farthing import codec
from farthing.errors import (
    Denied,
    Forged,
    Overlimit,
    Replayed,
    Unavailable,
    WrongVendor,
)
from farthing.marks import Keys, Memory, Put
from farthing.schemes.contract import (
    Account,
    Applied,
    At,
    Checked,
    End,
    Flow,
    Issued,
    Json,
    Key,
    Mint,
    Operation,
    Redeemed,
    Returned,
)
from farthing.schemes.mac.millicent.orders import (
    DAY_S,
    SUBMIT_S,
    Licence,
    Order,
    Pool,
    Quota,
    Sale,
    kept_until_s,
    licence_prefix,
    open_licence,
    pool_key,
    read_pool,
    used_key,
)
from farthing.schemes.mac.millicent.scrip import (
    BURN_KEY,
    DISPUTE_S,
    GRACE_S,
    LICENSED_SERIES,
    LIFE_S,
    PAYER_RANGE,
    TRAITS,
    Burn,
    burn_mac,
    mint_scrip,
    payer_secret,
    require_props,
    serial_of,
)
from farthing.schemes.mac.millicent.till import ClaimBody, claim_mac

PAYER_ENTROPY_BYTES = 6  # the 48 random bits of a payer_id


_ORDER, _LICENCE = codec.Reader(Order), codec.Reader(Licence)
_CLAIM, _BURN = codec.Reader(ClaimBody), codec.Reader(Burn)
_POOL = codec.Reader(Pool)


class MillicentMint(Mint):
    """The broker's side."""

    traits = TRAITS

    def check(self, operation: Operation, message: Json, account: Account, at: At) -> Checked:
        """`Malformed`, `Denied` for the wrong kind of account, `WrongVendor`, `Forged`."""
        checks = {
            "issue": self._check_order,
            "redeem": self._check_claim,
            "take_back": self._check_burn,
            "grant": self._check_licence,
        }
        if operation not in checks:
            return super().check(operation, message, account, at)
        parsed = checks[operation](message, account)
        if isinstance(parsed, Order):
            expires_at_s = (at.now_s + LIFE_S) // DAY_S * DAY_S + DAY_S
            parsed = Sale(order=parsed, expires_at_s=expires_at_s)
        return Checked(operation=operation, message=parsed, account=account)

    def _check_order(self, message: Json, account: Account) -> Order:
        _require_role(account, "payer")
        order = _ORDER.convert(message)
        if order.props:
            vouched = set(account.props.split(";"))
            require_props(order.props)
            if not set(order.props.split(";")) <= vouched:
                raise Denied("props_not_vouched", "the broker does not vouch for these properties")
        return order

    def _check_claim(self, message: Json, account: Account) -> ClaimBody:
        _require_role(account, "vendor")
        claim = _CLAIM.convert(message)
        if claim.vendor != account.id:
            raise WrongVendor("claim_of_another_vendor", "a vendor claims its own payments only")
        expected = claim_mac(self._shared_key(claim.vendor), claim)
        if not compare_digest(expected.encode(), claim.mac.encode()):
            raise Forged("claim_mac_wrong", "this claim was not made by the vendor as it stands")
        return claim

    def _check_burn(self, message: Json, account: Account) -> Burn:
        _require_role(account, "payer")
        burn = _BURN.convert(message)
        expected = burn_mac(self._shared_key(burn.vendor), burn)
        if not compare_digest(expected.encode(), burn.mac.encode()):
            raise Forged("burn_receipt_wrong", "this receipt was not made by the vendor")
        return burn

    def _shared_key(self, vendor: str) -> bytes:
        key = self.setting.ring.find(BURN_KEY, vendor)
        if key is None:
            raise WrongVendor("vendor_unknown", "no vendor of this name has a licence here")
        return key.secret

    def _check_licence(self, message: Json, account: Account) -> Licence:
        _require_role(account, "vendor")
        licence = _LICENCE.convert(message)
        for text in (licence.k_burn, licence.k_payer, licence.k_scrip):
            codec.unb64u(text, size_bytes=32)
        return licence

    def recall(self, checked: Checked) -> Keys:
        """The licences or the pool, and whether the serial was used before."""
        message = checked.message
        if isinstance(message, Sale):
            pool = pool_key(message.vendor, message.expires_at_s)
            return Keys(prefixes=(licence_prefix(message.vendor),), records=(pool,))
        if isinstance(message, Licence):
            return Keys(prefixes=(licence_prefix(checked.account.id),))
        return Keys(
            records=(
                used_key(message.vendor, message.serial),
                pool_key(message.vendor, message.expires_at_s),
            )
        )

    def apply(self, checked: Checked, memory: Memory, at: At) -> Applied:
        """Sell, pay, credit or register; `Overlimit`, `Replayed`, `Unavailable`."""
        message = checked.message
        if isinstance(message, Sale):
            return self._sell(message, checked.account, memory, at)
        if isinstance(message, ClaimBody):
            return self._pay(message, memory)
        if isinstance(message, Burn):
            return self._credit(message, checked.account, memory)
        return self._register(message, checked.account, memory)

    def _sell(self, sale: Sale, account: Account, memory: Memory, at: At) -> Issued:
        order, expires_at_s = sale.order, sale.expires_at_s
        record_key, quota = open_licence(order, memory, at.now_s)
        series = record_key.decode().rsplit("/", 1)[1]
        k_scrip = self._secret(LICENSED_SERIES, f"{order.vendor}/{series}")
        k_payer = self._secret(PAYER_RANGE, f"{order.vendor}/{quota.payer_range}")
        payer = quota.payer_range + at.entropy[:PAYER_ENTROPY_BYTES].hex()
        scrip = mint_scrip(
            k_scrip,
            vendor=order.vendor,
            currency=self.setting.currency,
            value_micro=order.value_micro,
            serial=serial_of(int(series, 16), quota.next_index),
            payer=payer,
            expires_at_s=expires_at_s,
            props=order.props,
        )
        secret = payer_secret(k_payer, order.vendor, payer)
        sold = msgspec.structs.replace(
            quota,
            next_index=quota.next_index + 1,
            sold_micro=quota.sold_micro + order.value_micro,
        )
        key = pool_key(order.vendor, expires_at_s)
        pool = read_pool(memory, key)
        pool = msgspec.structs.replace(pool, sold_micro=pool.sold_micro + order.value_micro)
        until_s = kept_until_s(expires_at_s)
        return Issued(
            flows=(
                Flow(
                    source=End(kind="payer", id=account.id),
                    target=End(kind="outstanding", id=order.vendor),
                    amount_micro=order.value_micro,
                ),
            ),
            records=(
                Put(key=record_key, value=codec.canonical(sold), until_s=until_s),
                Put(key=key, value=codec.canonical(pool), until_s=until_s),
            ),
            due=((expires_at_s + GRACE_S + SUBMIT_S, key),),
            answer={"scrip": msgspec.to_builtins(scrip), "secret": codec.b64u(secret)},
        )

    def _secret(self, purpose: str, key_id: str) -> bytes:
        key = self.setting.ring.find(purpose, key_id)
        if key is None:
            raise Unavailable("licence_revoked", "the vendor's licence was revoked; ask it anew")
        return key.secret

    def _pay(self, claim: ClaimBody, memory: Memory) -> Redeemed:
        outcome = self._use(claim, claim.price_micro, "redeemed_micro", memory)
        if outcome is None:
            return Redeemed(answer={"paidMicro": 0})
        return Redeemed(
            flows=(
                _from_pool(claim.vendor, End(kind="vendor", id=claim.vendor), claim.price_micro),
            ),
            records=outcome,
            answer={"paidMicro": claim.price_micro},
            paid_micro=claim.price_micro,
        )

    def _credit(self, burn: Burn, account: Account, memory: Memory) -> Returned:
        outcome = self._use(burn, burn.value_micro, "returned_micro", memory)
        if outcome is None:
            return Returned(answer={"creditedMicro": burn.value_micro})
        return Returned(
            flows=(_from_pool(burn.vendor, End(kind="payer", id=account.id), burn.value_micro),),
            records=outcome,
            answer={"creditedMicro": burn.value_micro},
        )

    def _use(
        self, message: ClaimBody | Burn, amount_micro: int, column: str, memory: Memory
    ) -> tuple[Put, ...] | None:
        """Use up a serial and draw on its pool; None if this very message did so before."""
        used_at = used_key(message.vendor, message.serial)
        digest = codec.digest(msgspec.structs.replace(message, mac=""))
        used = memory.records.get(used_at)
        if used == digest:
            return None
        if used is not None:
            raise Replayed("serial_already_used", "this serial was claimed or returned before")
        key = pool_key(message.vendor, message.expires_at_s)
        pool = read_pool(memory, key)
        if amount_micro > pool.rest_micro:
            raise Overlimit("more_than_was_sold", "claims of a vendor end where its sales end")
        pool = msgspec.structs.replace(pool, **{column: getattr(pool, column) + amount_micro})
        until_s = kept_until_s(message.expires_at_s)
        return (
            Put(key=used_at, value=digest, until_s=until_s),
            Put(key=key, value=codec.canonical(pool), until_s=until_s),
        )

    def _register(self, licence: Licence, account: Account, memory: Memory) -> Applied:
        key = licence_prefix(account.id) + licence.series.encode()
        answer = {"series": licence.series, "quotaMicro": licence.quota_micro}
        if key in memory.records:
            raise Replayed("series_already_granted", "a series is granted once; grant the next one")
        quota = Quota(
            next_index=0,
            not_after_s=licence.not_after_s,
            payer_range=licence.payer_range,
            quota_micro=licence.quota_micro,
            sold_micro=0,
        )
        until_s = kept_until_s(licence.not_after_s + LIFE_S + DAY_S)
        return Applied(
            records=(Put(key=key, value=codec.canonical(quota), until_s=until_s),),
            keys=(
                _key(LICENSED_SERIES, f"{account.id}/{licence.series}", licence.k_scrip),
                _key(PAYER_RANGE, f"{account.id}/{licence.payer_range}", licence.k_payer),
                _key(BURN_KEY, account.id, licence.k_burn),
            ),
            answer=answer,
        )

    def lapse(self, key: bytes, value: bytes, at: At) -> Applied | None:
        """What is left in a pool after grace and submit window is breakage."""
        _, kind, vendor, _ = key.decode().split("/")
        pool = _POOL.read(value)
        if kind != "pool" or not pool.rest_micro:
            return None
        emptied = msgspec.structs.replace(pool, sold_micro=pool.sold_micro - pool.rest_micro)
        return Applied(
            flows=(_from_pool(vendor, End(kind="breakage", id=vendor), pool.rest_micro),),
            records=(Put(key=key, value=codec.canonical(emptied), until_s=at.now_s + DISPUTE_S),),
        )


def _key(purpose: str, key_id: str, secret: str) -> Key:
    return Key(id=key_id, purpose=purpose, secret=codec.unb64u(secret, size_bytes=32))


def _from_pool(vendor: str, target: End, amount_micro: int) -> Flow:
    return Flow(source=End(kind="outstanding", id=vendor), target=target, amount_micro=amount_micro)


def _require_role(account: Account, role: str) -> None:
    if account.role != role:
        raise Denied("wrong_kind_of_account", f"this is for a {role}'s account")
