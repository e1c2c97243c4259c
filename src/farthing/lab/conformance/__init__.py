"""What every scheme promises, tried on the production engine, gate and wallet.

- `cases.py` is a case and what it may find; `buying.py`, `repeating.py`, `tampering.py` and so on
  hold the cases, and `catalogue.py` names those files. No case names a scheme: what one cannot do
  it says itself, by a trait or a refusal, and the case is reported as skipped with that reason.
- `stage.py` builds a bank (`bank.py`), shops (`shop.py`) and payers (`payer.py`) out of production
  parts; `room.py` has their time, luck and files, `line.py` is what lies between them.
- `hand.py` makes what no honest wallet would: repeats, races, parts put together wrongly;
  `changing.py` is in how many ways a message can be changed.
- `runner.py` runs cases from a seed, here or in worker processes, and makes the report.
"""
