"""Every payment scheme, each as a mint, a purse and a till.

- `contract.py` is the whole contract; `registry.py` lists who keeps it.
- A folder is a mechanism (`mac`, `chain`, ...), with the engine its schemes share.
- Schemes are pure: messages in, frozen structs out; time, randomness and serials are arguments.
- No scheme imports another, and nothing here imports a store, a clock or a socket.
- Adding a scheme is one module and one line in the registry.
"""
