"""Signatures of filters and the key file."""

from pathlib import Path

import pytest

from iceflix.farm.filters.signing import Signer, verify
from iceflix.runtime.errors import SetupError


def test_a_signature_holds_for_its_name_its_code_and_its_key() -> None:
    """A signature holds for its name its code and its key."""
    signer = Signer.make()
    signature = signer.sign("gray", b"code")
    assert verify(signer.public, "gray", b"code", signature)
    assert not verify(signer.public, "blur", b"code", signature)
    assert not verify(signer.public, "gray", b"Code", signature)
    assert not verify(signer.public, "gra", b"ycode", signature)
    assert not verify(Signer.make().public, "gray", b"code", signature)
    assert not verify(signer.public, "gray", b"code", signature[:-1])
    assert not verify(signer.public, "gray", b"code", bytes(64))
    assert not verify(b"", "gray", b"code", signature)
    assert not verify(b"\xff" * 32, "gray", b"code", signature)
    assert not verify(signer.public, "\udc80", b"code", signature)


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    """The key is made once for its owner alone."""
    path = tmp_path / "deep" / "admin.key"
    first = Signer.load(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert Signer.load(path).public == first.public
    assert len(first.public) == 32


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """A key that others can read is refused."""
    path = tmp_path / "admin.key"
    Signer.load(path)
    path.chmod(0o640)
    with pytest.raises(SetupError, match="chmod 600"):
        Signer.load(path)


@pytest.mark.parametrize("content", [b"", b"rubbish", b"-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_a_file_without_a_key_is_refused(tmp_path: Path, content: bytes) -> None:
    """A file without a key is refused."""
    path = tmp_path / "admin.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(SetupError, match="holds no usable key"):
        Signer.load(path)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    """A folder is refused."""
    with pytest.raises(SetupError, match="is not a file"):
        Signer.load(tmp_path)
