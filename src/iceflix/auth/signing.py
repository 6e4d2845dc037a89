"""The seal on tokens: HMAC-SHA256 by itsdangerous, and the file that keeps its key."""

import hashlib
import hmac
from pathlib import Path

from itsdangerous import Signer
from itsdangerous.encoding import base64_decode, base64_encode

from iceflix.runtime.errors import SetupError
from iceflix.runtime.secretfile import KEY_BYTES, SIZE_LIMIT, SecretFile, random_key

TOKEN_CHARACTERS = 4096  # the longest name makes one of half of that


class TokenSeal:
    """Seals tokens and names the versions of credentials, with one secret key."""

    def __init__(self, key: bytes) -> None:
        self._tokens = Signer(
            key, salt="iceflix.token.1", key_derivation="hmac", digest_method=hashlib.sha256
        )
        self._versions = Signer(
            key, salt="iceflix.credential.1", key_derivation="hmac", digest_method=hashlib.sha256
        )

    def seal(self, payload: bytes) -> str:
        """Return the payload and its signature, as text of the base64 alphabet and a dot."""
        return self._tokens.sign(base64_encode(payload)).decode("ascii")

    def open(self, text: str) -> bytes | None:
        """Return the payload, or None for anything but what ``seal`` returned, to the letter.

        itsdangerous compares decoded signatures; base64 lets the last character of one vary
        without changing what it decodes to. So the text that should stand there is made anew.
        """
        if len(text) > TOKEN_CHARACTERS or not text.isascii():
            return None
        body, dot, _ = text.rpartition(".")
        if not dot or not hmac.compare_digest(self._tokens.sign(body).decode("ascii"), text):
            return None
        return base64_decode(body)

    def version(self, user: str, stored: str) -> str:
        """Return a name for this credential of this user; says nothing to who lacks the key.

        Tokens travel openly: a plain digest here could be tested against guessed passwords.
        """
        signature = self._versions.get_signature(f"{len(user)}:{user}{stored}")
        return signature[:22].decode("ascii")


def load_key(path: Path) -> bytes:
    """Read the key, making the file first if there is none.

    Raises SetupError for a file that others can read or that holds no key.
    """
    file = SecretFile(path, "Auth.KeyFile", "so tokens could be forged")
    key = file.obtain(random_key).strip()
    if not KEY_BYTES <= len(key) <= SIZE_LIMIT:
        raise SetupError(
            f"{path} holds no usable key ({KEY_BYTES} to {SIZE_LIMIT} bytes); delete it and "
            "start again to have one made, or copy it from another Authenticator"
        )
    return key
