"""Signatures of filters: Ed25519 (RFC 8032) over the name and the code.

The filter administrator holds the private key; nodes hold the public one and refuse what it did
not sign (F41), for what travels to them is run.
"""

from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from iceflix.runtime.errors import SetupError
from iceflix.runtime.secretfile import SecretFile

PUBLIC_BYTES = 32
SIGNATURE_BYTES = 64
_CONTEXT = b"iceflix filter 1\0"


class Signer:
    """The private key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def make(cls) -> "Signer":
        """A new key, kept nowhere."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path) -> "Signer":
        """Read the key file, making it (mode 0600) if there is none; of several, one makes it.

        Raises SetupError for a file that others can read or that holds no key.
        """
        file = SecretFile(path, "FilterAdmin.KeyFile", "who could sign filters")
        try:
            key = serialization.load_pem_private_key(file.obtain(_new_key), None)
        except (ValueError, TypeError) as error:
            raise SetupError(
                f"{path} holds no usable key; delete it to have one made, or copy it again"
            ) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise SetupError(f"{path} holds a key of another kind; an Ed25519 key is needed")
        return cls(key)

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes."""
        return self._key.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw
        )

    def sign(self, name: str, code: bytes) -> bytes:
        """The signature, 64 bytes."""
        return self._key.sign(_signed(name, code))


def verify(public: bytes, name: str, code: bytes, signature: bytes) -> bool:
    """Whether this key's owner signed this code under this name. Never raises."""
    if len(public) != PUBLIC_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        key = Ed25519PublicKey.from_public_bytes(public)
        key.verify(signature, _signed(name, code))
    except (InvalidSignature, ValueError):
        return False
    return True


def _signed(name: str, code: bytes) -> bytes:
    encoded = name.encode("utf-8", "surrogatepass")
    return _CONTEXT + len(encoded).to_bytes(4, "big") + encoded + code


def _new_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
