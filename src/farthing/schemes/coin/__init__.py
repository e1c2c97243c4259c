"""Mechanism `coin`: a signature is the money."""
