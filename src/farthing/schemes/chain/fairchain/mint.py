"""The fair chain at the broker: escrows, tickets, and links that are submitted.

`issue` opens an escrow or assigns ranges of one, `redeem` submits the highest link of a ticket,
`take_back` returns what is not assigned, `grant` brings the vendor's key (K_VB). A lone commit half
is disputed until one side gives way: the payer by the release half (`take_back`), the vendor by a
waiver (`redeem`), once nothing can be submitted any more. Each costs who gives way and nobody else,
so that one's word is enough.

The broker pays by its own record of a ticket: the vendor holds K_VB and could forge one.
"""

from hmac import compare_digest

import msgspec

from farthing import codec
from farthing.crypto import chain
from farthing.crypto.mac import mac
from farthing.errors import (
    Conflict,
    Denied,
    Expired,
    Forged,
    Late,
    NotYetValid,
    OutOfRange,
    Refusal,
    Replayed,
    Unsupported,
    WrongPayer,
    WrongVendor,
)
from farthing.marks import Advance, Keys, Memory, Once, Put
from farthing.schemes.chain.fairchain import escrow as book
from farthing.schemes.chain.fairchain.orders import (
    GRANTING,
    Closing,
    Collecting,
    Giving,
    Granting,
    Opening,
    Order,
    Submission,
    Waiver,
    Want,
    read_issue,
    read_redeem,
    read_take_back,
)
from farthing.schemes.chain.fairchain.ticket import (
    ESCROW_KEY,
    ESCROW_LIFE_S,
    KEY_BYTES,
    SUBMIT_S,
    TICK_TAG,
    TRAITS,
    VENDOR_KEY,
    Ticket,
    counter_id,
    day_end_s,
    escrow_key,
    link_key,
    payer_key,
    pseudonym_key,
    receipt_key,
    seed_of,
    ticket_key,
    word_at,
)
from farthing.schemes.chain.times import DISPUTE_S, LAPSE_S, SKEW_S
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

Message = Opening | Order | Submission | Waiver | Closing | Collecting | Giving | Granting


class FairMint(Mint):
    """The broker's side."""

    traits = TRAITS
    sealing = (ESCROW_KEY,)

    def check(self, operation: Operation, message: Json, account: Account, at: At) -> Checked:
        """MACs and links; `Denied`, `Unsupported`, `WrongVendor`, `Forged`, `Late`, `OutOfRange`.

        `Conflict` for a vendor that grants another key.
        """
        parsed: Message
        if operation == "issue":
            _require_role(account, "payer")
            parsed = read_issue(message)
            if isinstance(parsed, Order):
                self._require_vendors(parsed)
        elif operation == "redeem":
            _require_role(account, "vendor")
            parsed = read_redeem(message)
            if isinstance(parsed, Submission):
                self._check_submission(parsed, account, at)
        elif operation == "take_back":
            _require_role(account, "payer")
            parsed = read_take_back(message)
        elif operation == "grant":
            _require_role(account, "vendor")
            parsed = GRANTING.convert(message)
            self._check_grant(parsed, account)
        else:
            return super().check(operation, message, account, at)
        return Checked(operation=operation, message=parsed, account=account)

    def _require_vendors(self, order: Order) -> None:
        for vendor, _, _ in order.wants:
            if self.setting.ring.find(VENDOR_KEY, vendor) is None:
                raise Unsupported("vendor_without_key", f"{vendor} has not granted its key here")

    def _check_submission(self, shown: Submission, account: Account, at: At) -> None:
        ticket = shown.ticket
        key = self.setting.ring.find(VENDOR_KEY, account.id)
        if ticket.vendor != account.id or key is None:
            raise WrongVendor("claim_of_another_vendor", "a vendor claims its own payments only")
        ticket.verify(key.secret, account.id)
        if at.now_s > ticket.ends_at_s + SUBMIT_S + SKEW_S:
            raise _late()
        if not 0 < shown.index <= ticket.length:
            raise OutOfRange("chain_index_above_length", f"this chain has {ticket.length} links")
        word, root = codec.unb64u(shown.word), codec.unb64u(ticket.root)
        chain.verify_word(link_key(ticket.id), word, shown.index, root, 0)

    def _check_grant(self, granting: Granting, account: Account) -> None:
        secret = codec.unb64u(granting.key, size_bytes=KEY_BYTES)
        known = self.setting.ring.find(VENDOR_KEY, account.id)
        if known is not None and not compare_digest(known.secret, secret):
            raise Conflict("vendor_key_granted", "this vendor has granted another key before")

    def recall(self, checked: Checked) -> Keys:
        """The escrow, or the ticket with its counter."""
        match checked.message:
            case Order(escrow=name) | Closing(escrow=name):
                return Keys(records=(escrow_key(name),))
            case Submission(ticket=ticket):
                return _keys_of(ticket.id)
            case Waiver(waived=ticket_id) | Collecting(ticket=ticket_id):
                return _keys_of(ticket_id)
            case Giving(released=ticket_id):
                return _keys_of(ticket_id)
            case _:
                return Keys()

    def apply(self, checked: Checked, memory: Memory, at: At) -> Applied:
        """Open, assign, pay, return, keep a key; any refusal."""
        message: Message = checked.message
        account = checked.account
        match message:
            case Opening():
                return self._open(message, account, at)
            case Order():
                return self._assign(message, _own_escrow(message.escrow, account, memory), at)
            case Submission():
                return _submit(message, memory)
            case Waiver():
                return _waive(_assigned(message.waived, memory), account)
            case Closing():
                if escrow_key(message.escrow) not in memory.records:  # it has come back by itself
                    return Returned(answer={"returnedMicro": 0})
                return _close(message.escrow, _own_escrow(message.escrow, account, memory))
            case Collecting():
                return _collect(message, memory)
            case Giving():
                return _give(message, account, memory, at)
            case Granting():
                secret = codec.unb64u(message.key)
                key = Key(id=account.id, purpose=VENDOR_KEY, secret=secret)
                return Applied(keys=(key,), answer={"granted": account.id})

    def _open(self, opening: Opening, account: Account, at: At) -> Issued:
        """Money under a fresh pseudonym, which only this record links to its payer."""
        name = "n_" + at.entropy[:12].hex()
        key = self.setting.ring.current(ESCROW_KEY)
        made = book.Escrow(
            account=account.id,
            ends_at_s=day_end_s(at.now_s) + ESCROW_LIFE_S,
            key_id=key.id,
            worth_micro=opening.amount_micro,
        )
        payer = End(kind="payer", id=account.id)
        return Issued(
            flows=(Flow(source=payer, target=book.OUT, amount_micro=opening.amount_micro),),
            records=(made.put(name),),
            due=((made.ends_at_s + SUBMIT_S + SKEW_S + 1, escrow_key(name)),),
            answer={
                "endsAtS": made.ends_at_s,
                "escrow": name,
                "key": codec.b64u(payer_key(key.secret, name)),
            },
        )

    def _assign(self, order: Order, escrow: book.Escrow, at: At) -> Issued:
        """Tickets over the next units of the escrow."""
        if at.now_s > escrow.ends_at_s:
            raise Expired("escrow_over", "open another escrow; the rest comes back by itself")
        if order.worth_micro > escrow.open_micro:
            raise Replayed("escrow_used_up", "this wallet is older than what was ordered with it")
        key = self.setting.ring.find(ESCROW_KEY, escrow.key_id)
        if key is None:
            raise Expired("escrow_key_gone", "open another escrow; the rest comes back by itself")
        k_pb = payer_key(key.secret, order.escrow)
        records: list[Put] = []
        due: list[tuple[int, bytes]] = []
        answers: list[Json] = []
        for number, want in enumerate(order.wants):
            ticket, k_t = self._ticket(want, number, escrow, k_pb, at)
            escrow = msgspec.structs.replace(
                escrow, next_micro=escrow.next_micro + ticket.worth_micro
            )
            out = book.Assigned(account=escrow.account, escrow=order.escrow, ticket=ticket)
            records += [out.put(), out.named()]
            due.append((out.submit_until_s + LAPSE_S, ticket_key(ticket.id)))
            answers.append({"receiptKey": codec.b64u(k_t), "ticket": msgspec.to_builtins(ticket)})
        return Issued(
            records=(escrow.put(order.escrow), *records),
            due=tuple(due),
            answer={"tickets": answers},
        )

    def _ticket(
        self, want: Want, number: int, escrow: book.Escrow, k_pb: bytes, at: At
    ) -> tuple[Ticket, bytes]:
        """One ticket of an order, and the key of its receipts."""
        vendor, unit_micro, units = want
        vendor_key = self.setting.ring.find(VENDOR_KEY, vendor)
        assert vendor_key is not None, "the check has found it"
        fresh = mac(32, at.entropy[:32], TICK_TAG, number)
        bare = Ticket(
            broker=self.setting.broker_id,
            currency=self.setting.currency,
            ends_at_s=min(day_end_s(at.now_s), escrow.ends_at_s),
            first_micro=escrow.next_micro,
            id=codec.b64u(fresh[:16]),
            payer="p_" + fresh[16:28].hex(),
            root="",
            tau="",
            unit_micro=unit_micro,
            units=units,
            vendor=vendor,
        )
        root = codec.b64u(word_at(bare, seed_of(k_pb, bare), 0))
        rooted = msgspec.structs.replace(bare, root=root)
        ticket = msgspec.structs.replace(rooted, tau=rooted.tick(vendor_key.secret))
        return ticket, receipt_key(vendor_key.secret, ticket.id)

    def pseudonym_key(self, name: str) -> bytes:
        """Where the account behind a ticket is."""
        return pseudonym_key(name)

    def lapse(self, key: bytes, value: bytes, at: At) -> Applied | None:
        """The rest of an escrow or a ticket whose window is over; in the end a lone half."""
        prefix = escrow_key("")
        if key.startswith(prefix):
            return book.closed(book.ESCROWS.read(value), key[len(prefix) :].decode())
        return book.ended(book.ASSIGNED.read(value))


def _submit(shown: Submission, memory: Memory) -> Redeemed:
    """Charge what is committed, pay what is released, since the last submission."""
    ticket, index = shown.ticket, shown.index
    place = memory.counters.get(counter_id(ticket.id))
    last = place.to if place is not None else 0
    if index <= last:
        return Redeemed(answer={"paidMicro": 0})
    assigned = _assigned(ticket.id, memory)
    if assigned.ticket != ticket:
        raise Forged("ticket_unknown", "the broker pays by its own record of a ticket")
    if assigned.over:  # it was in time when it was checked, and its rest has gone back since
        raise _late()
    after, flows, paid_micro = book.submitted(assigned, index)
    return Redeemed(
        flows=flows,
        marks=(_mark(ticket, last, index, codec.unb64u(shown.word)),),
        records=(after.put(),),
        answer={"paidMicro": paid_micro},
        paid_micro=paid_micro,
    )


def _late() -> Late:
    return Late("claim_after_submit_window", "a ticket's links are submitted within a day")


def _waive(assigned: book.Assigned, account: Account) -> Redeemed:
    """The vendor leaves a lone half to the payer."""
    ticket = assigned.ticket
    if ticket.vendor != account.id:
        raise WrongVendor("claim_of_another_vendor", "a vendor gives up its own payments only")
    if not assigned.over:
        raise NotYetValid("ticket_not_over", "its links can still be submitted")
    flow, record = book.given_way(assigned, End(kind="payer", id=assigned.account))
    until_s = assigned.submit_until_s + DISPUTE_S
    mark = Once(id=b"fairchain/waived/" + ticket.id.encode(), until_s=until_s)
    return Redeemed(
        flows=(flow,), marks=(mark,), records=(record,), answer={"waivedMicro": ticket.unit_micro}
    )


def _close(name: str, escrow: book.Escrow) -> Returned:
    closed = book.closed(escrow, name)
    until_s = escrow.ends_at_s + SUBMIT_S + SKEW_S + DISPUTE_S
    return Returned(
        flows=closed.flows,
        marks=(Once(id=b"fairchain/closed/" + name.encode(), until_s=until_s),),
        records=closed.records,
        answer={"returnedMicro": escrow.open_micro},
    )


def _collect(collecting: Collecting, memory: Memory) -> Returned:
    """Nothing moves: what a ticket left is back already, or waits for its window."""
    found = memory.records.get(ticket_key(collecting.ticket))
    if found is not None and not book.ASSIGNED.read(found).over:
        raise NotYetValid("ticket_not_over", "its rest comes back by itself, two days after it")
    return Returned(answer={"collected": collecting.ticket})


def _give(giving: Giving, account: Account, memory: Memory, at: At) -> Returned:
    """The payer leaves a lone half to the vendor; the same as if the vendor had submitted it."""
    assigned = _assigned(giving.released, memory)
    place = memory.counters.get(counter_id(giving.released))
    if assigned.account != account.id:
        raise WrongPayer("ticket_of_another", "release what is your own")
    if place is None or not assigned.is_lone or giving.index != assigned.last + 1:
        raise OutOfRange("release_without_commit", "release what was committed to")
    ticket, word = assigned.ticket, codec.unb64u(giving.word)
    chain.verify_word(link_key(ticket.id), word, giving.index, place.link, place.to)
    mark = _mark(ticket, place.to, giving.index, word)
    answer = {"paidMicro": ticket.unit_micro}
    if assigned.over:
        flow, record = book.given_way(assigned, End(kind="vendor", id=ticket.vendor))
        return Returned(flows=(flow,), marks=(mark,), records=(record,), answer=answer)
    after, flows, _ = book.submitted(assigned, giving.index)
    return Returned(flows=flows, marks=(mark,), records=(after.put(),), answer=answer)


def _mark(ticket: Ticket, last: int, index: int, word: bytes) -> Advance:
    until_s = ticket.ends_at_s + SUBMIT_S + SKEW_S + DISPUTE_S
    return Advance(id=counter_id(ticket.id), over=last, to=index, link=word, until_s=until_s)


def _keys_of(ticket_id: str) -> Keys:
    return Keys(counters=(counter_id(ticket_id),), records=(ticket_key(ticket_id),))


def _own_escrow(name: str, account: Account, memory: Memory) -> book.Escrow:
    """`Replayed` for one that is over or was never there; `WrongPayer`."""
    found = memory.records.get(escrow_key(name))
    if found is None:
        raise Replayed("escrow_unknown", "it was returned, or has come back by itself")
    escrow = book.ESCROWS.read(found)
    if escrow.account != account.id:
        raise WrongPayer("escrow_of_another", "open an escrow of your own")
    return escrow


def _assigned(ticket_id: str, memory: Memory) -> book.Assigned:
    found = memory.records.get(ticket_key(ticket_id))
    if found is None:
        raise Forged("ticket_unknown", "the broker pays by its own record of a ticket")
    return book.ASSIGNED.read(found)


def _require_role(account: Account, role: str) -> None:
    if account.role != role:
        raise _wrong_role(role)


def _wrong_role(role: str) -> Refusal:
    return Denied("wrong_kind_of_account", f"this is for a {role}'s account")
