"""What a file keeps of a password."""

import hashlib
import time

import pytest

from iceflix.auth import passwords
from iceflix.auth.passwords import PlainHash, ScryptHash

SECRET = passwords.digest(b"secret")


def test_the_digest_is_what_the_contract_says() -> None:
    """Lower-case hexadecimal SHA-256 of the UTF-8 password."""
    assert (
        passwords.digest("contraseña".encode()) == hashlib.sha256(b"contrase\xc3\xb1a").hexdigest()
    )
    assert passwords.is_digest(SECRET)


@pytest.mark.parametrize(
    "text", ["", "secret", SECRET[:-1], SECRET + "0", SECRET.upper(), SECRET + "\n", "٣" * 64]
)
def test_other_text_is_no_digest(text: str) -> None:
    """Nor is it worth a comparison."""
    assert not passwords.is_digest(text)


@pytest.mark.parametrize("text", [SECRET, SECRET.upper()])
def test_a_plain_hash_in_either_case(text: str) -> None:
    """The file may say it in capitals, a client may not."""
    stored = passwords.parse(text)
    assert isinstance(stored, PlainHash)
    assert stored.cost == 0
    assert stored.matches(SECRET)
    assert not stored.matches(passwords.digest(b"other"))


def test_scrypt_is_made_written_and_read() -> None:
    """With the parameters that we recommend."""
    made = ScryptHash.make(SECRET, b"0123456789abcdef")
    assert made.encode().startswith("scrypt$32768$8$1$30313233")
    stored = passwords.parse(made.encode())
    assert stored == made
    assert stored is not None
    assert stored.cost > 0
    assert stored.matches(SECRET)
    assert not stored.matches(passwords.digest(b"other"))


def test_scrypt_of_another_program() -> None:
    """Other parameters, a longer key."""
    salt = bytes(range(16))
    key = hashlib.scrypt(SECRET.encode(), salt=salt, n=1024, r=4, p=2, dklen=64)
    stored = passwords.parse(f"scrypt$1024$4$2${salt.hex()}${key.hex()}")
    assert stored is not None
    assert stored.matches(SECRET)


@pytest.mark.parametrize(
    ("n", "r", "p"),
    [
        (0, 8, 1),
        (1, 8, 1),
        (3, 8, 1),
        (1000, 8, 1),
        (2**16, 1, 1),
        (2**18, 8, 1),
        (2**20, 8, 1),
        (2**15, 0, 1),
        (2**15, 8, 0),
        (2**15, 999, 1),
        (2**15, 8, 999),
    ],
)
def test_scrypt_beyond_bounds_is_no_hash(n: int, r: int, p: int) -> None:
    """Unlawful, or more than a login may cost."""
    assert passwords.parse(f"scrypt${n}${r}${p}${'00' * 16}${'00' * 32}") is None


@pytest.mark.parametrize(
    ("n", "r", "p"), [(2, 1, 1), (2**15, 1, 1), (2**15, 8, 16), (2**17, 8, 1), (2, 512, 1)]
)
def test_scrypt_within_bounds_computes(n: int, r: int, p: int) -> None:
    """The extremes that are accepted do work."""
    stored = passwords.parse(f"scrypt${n}${r}${p}${'00' * 16}${'00' * 32}")
    assert stored is not None
    started = time.process_time()
    assert not stored.matches(SECRET)
    assert time.process_time() - started < 30


@pytest.mark.parametrize(
    "text",
    [
        None,
        5,
        True,
        [],
        {},
        "",
        "secret",
        "scrypt$",
        f"scrypt$2$1$1${'00' * 4}${'00' * 32}",
        f"scrypt$2$1$1${'00' * 16}$00",
        f"scrypt$2$1$1${'00' * 16}${'zz' * 32}",
        f"scrypt$2$1$1${'0' * 33}${'00' * 32}",
        f"bcrypt$2$1$1${'00' * 16}${'00' * 32}",
    ],
)
def test_everything_else_is_no_hash(text: object) -> None:
    """Never an exception."""
    assert passwords.parse(text) is None
