"""Mechanism `chain`: a hash chain, each preimage one unit.

- The root is authenticated once; each payment reveals a link with a larger index.
- One counter mark per chain holds the last index and link; a jump of k links pays k units.
- Any later link proves the earlier ones, so a lost link costs nothing and only the last is claimed.
- Links of one chain are never owed to two vendors; gaps are bounded before any hashing.
"""
