"""Signatures to check, for tills to stand beside: plain Ed25519, and what x402 `exact` asks."""

import secrets
from collections.abc import Callable

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from eth_account import Account
from eth_account.messages import encode_typed_data

VALUE = 200  # that a transfer authorizes


def ed25519(count: int) -> Callable[[], Callable[[], int]]:
    """One signature of OpenSSL, over a text as long as a payment's."""
    key = Ed25519PrivateKey.generate()
    public, message = key.public_key(), secrets.token_bytes(200)
    signature = key.sign(message)

    def verify_all() -> int:
        for _ in range(count):
            public.verify(signature, message)
        return count

    return lambda: verify_all


def secp256k1(count: int) -> Callable[[], Callable[[], int]]:
    """The curve of EIP-3009 in C: what any x402 `exact` verification costs at the least."""
    key = ec.generate_private_key(ec.SECP256K1())
    public, message = key.public_key(), secrets.token_bytes(66)
    signature, algorithm = key.sign(message, ec.ECDSA(hashes.SHA256())), ec.ECDSA(hashes.SHA256())

    def verify_all() -> int:
        for _ in range(count):
            public.verify(signature, message, algorithm)
        return count

    return lambda: verify_all


_TRANSFER_WITH_AUTHORIZATION = [
    {"name": "from", "type": "address"},
    {"name": "to", "type": "address"},
    {"name": "value", "type": "uint256"},
    {"name": "validAfter", "type": "uint256"},
    {"name": "validBefore", "type": "uint256"},
    {"name": "nonce", "type": "bytes32"},
]
_DOMAIN = {
    "name": "USD Coin",
    "version": "2",
    "chainId": 8453,
    "verifyingContract": "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
}


def eip3009(count: int) -> Callable[[], Callable[[], int]]:
    """Recover the signer of an EIP-712 `TransferWithAuthorization`, as x402 `exact` asks."""
    account = Account.create()
    types = {"TransferWithAuthorization": _TRANSFER_WITH_AUTHORIZATION}
    message = {
        "from": account.address,
        "to": "0x000000000000000000000000000000000000dEaD",
        "value": VALUE,
        "validAfter": 0,
        "validBefore": 2**32,
        "nonce": secrets.token_bytes(32),
    }
    signature = account.sign_message(encode_typed_data(_DOMAIN, types, message)).signature

    def verify_all() -> int:
        for _ in range(count):
            signable = encode_typed_data(_DOMAIN, types, message)
            assert Account.recover_message(signable, signature=signature) == account.address
        return count

    return lambda: verify_all
