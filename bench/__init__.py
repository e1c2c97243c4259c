"""What this commit does on this machine, measured side by side: `script/bench`.

- A part (`till`, `paywall`, `broker`, `marks`, `bytes`) measures and returns `Figure`s; it never
  passes or fails, because a shared machine's speed is nobody's mistake.
- Contestants take turns in rounds, so that whatever else the machine does hits all of them; a ratio
  is taken within each round and the median of the rounds is reported.
- Payments are made beforehand, by the schemes' own purses; nothing is paid for twice.
- Servers are real ones on loopback, in a temporary folder, and end with the part.
- `docs/explanation/performance.md` explains the figures and keeps those of the last run.
"""
