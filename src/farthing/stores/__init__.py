"""What outlives a process: marks, books and keys, on engines that exist.

- `commit.py` is the one writer over a SQLite file: whatever has queued up is one transaction, and
  nobody is answered before it is on disk; `database.py` is the file and the transaction, without
  the thread.
- `memory.py` and `sqlite.py` answer every command of `farthing.marks`; one conformance suite holds
  every store to the same answers.
- `keys.py` is the sealed key file that the processes of one role share.
- Nothing cached in a process is authoritative: any number of processes may share a file.
- A refusal changes nothing; what was acknowledged survives the power cut that follows.
"""
