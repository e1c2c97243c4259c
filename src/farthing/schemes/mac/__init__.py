"""Mechanism `mac`: a keyed hash that only its maker can check.

- A range of serials selects the key, so a leak costs one range.
- A per-payer key is derived from a public id, so the vendor keeps no table of payers.
- A request MAC binds payment to request; a single-use serial binds it to one moment.
- Change or a balance instead of denominations; no proof to a third party.
"""
