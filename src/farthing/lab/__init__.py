"""Simulated worlds: the programs that production runs, on edges that one seed decides.

- `loop.py` is virtual time and processes that can be killed, `disk.py` files in memory with a
  writer that commits at virtual times, `network.py` messages that are lost, repeated and late.
- `parties.py` and `payer.py` put broker, vendor and wallet on these edges; nothing below an edge
  is written again here.
- `faults.py` says what goes wrong and how often, `invariants.py` what must hold whatever does.
- `genesis.py` founds everybody for every registered scheme, and what `goods.py` has them sell;
  `world.py` begins there, has them do what `acts.py` knows, and `liveness.py` and `recount.py`
  have it all finished and counted again, `months.py` lets time pass in between.
- `runs.py` makes one world a seed; `spread.py` shares work out over processes that end at once,
  `scratch.py` gives disks a place in memory.
- `twins/` cheats in such worlds, and `bounds.py` holds what that cost the honest against what
  schemes declare.
- `shrinking.py` finds the shortest list of events that still fails, `traces.py` tells a run as
  sentences.
- `bad_disk.py` is a VFS under real files that fails at a step, or loses what was not synced.
- `conformance/` holds every scheme to what all of them promise, case by case, step by step.
- No scheme has a line of its own: a scheme that is registered meets all of it.
"""
