"""The primitives that the schemes use, each a thin and checked face over a known library.

- `mac.py`: keyed BLAKE2b over injective encodings (the mechanism `mac`, receipts).
- `signing.py`: Ed25519, canonical signatures only.
- `chain.py`: hash chains whose links cost one SHA-256 compression each.
- `merkle.py`: trees of digests, and proofs for several leaves at once.
- `agreement.py`: X25519, for a key that two share and for what is sealed to one receiver.
- `sealing.py`: ChaCha20-Poly1305 with padded lengths (MilliCent's private protocol).
- Checks raise `Forged`; nothing here returns a boolean for a security question.
"""
