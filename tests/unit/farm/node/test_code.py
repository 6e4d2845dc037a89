"""Nothing runs that the administrator did not sign (F41), and nothing is asked for twice."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iceflix.farm.filters.catalogue import Publisher
from iceflix.farm.filters.signing import Signer
from iceflix.farm.model import FilterCode
from iceflix.farm.node.code import Received, SharedFolder
from iceflix.farm.publickey import PublicKey
from iceflix.runtime.errors import Denial, NotAvailable, SetupError

CODE = b'"""Nothing."""\n\n\ndef apply(image):\n    """Leave it."""\n    return image\n'


class Directory:
    """Knows one filter administrator, or none."""

    # pylint: disable=too-few-public-methods  # all that is used

    def __init__(self, key: bytes | None) -> None:
        self.key = key
        self.asked = 0

    def ask(self, _kind: object, _call: Callable[[Any], Any]) -> bytes:
        """Answer with the key."""
        self.asked += 1
        if self.key is None:
            raise NotAvailable("nobody")
        return self.key


def _key(folder: Path, directory: Directory) -> PublicKey:
    return PublicKey(folder / "filters.pub", directory)  # type: ignore[arg-type]


def _signed(signer: Signer, name: str, code: bytes = CODE) -> FilterCode:

    return FilterCode(name, hashlib.sha256(code).hexdigest(), code, signer.sign(name, code))


def test_the_key_is_learned_once_and_kept(tmp_path: Path) -> None:
    """The key is learned once and kept."""
    signer = Signer.make()
    directory = Directory(signer.public)
    assert _key(tmp_path, directory).get() == signer.public
    assert _key(tmp_path, Directory(b"another".ljust(32))).get() == signer.public
    assert directory.asked == 1


def test_without_a_key_another_node_may_do_it(tmp_path: Path) -> None:
    """Without a key another node may do it."""
    with pytest.raises(Denial) as denial:
        _key(tmp_path, Directory(None)).get()
    assert denial.value.reason == "SIN_SERVIDORES"


def test_a_damaged_key_file_is_said(tmp_path: Path) -> None:
    """A damaged key file is said."""
    (tmp_path / "filters.pub").write_text("nonsense")
    with pytest.raises(SetupError, match="holds no public key"):
        _key(tmp_path, Directory(None)).get()


def test_the_shared_folder_gives_what_is_signed(tmp_path: Path) -> None:
    """The shared folder gives what is signed."""
    signer = Signer.make()
    Publisher(tmp_path / "filters", signer).add("plain", CODE)
    folder = SharedFolder(tmp_path / "filters", _key(tmp_path, Directory(signer.public)))
    found = folder.find("plain", "")
    assert found.code == CODE
    with pytest.raises(Denial) as denial:
        folder.find("plain", "0" * 64)
    assert denial.value.reason == "SIN_SERVIDORES"
    (tmp_path / "filters" / "dropped.py").write_bytes(CODE)
    with pytest.raises(Denial) as denial:
        folder.find("dropped", "")
    assert denial.value.reason == "FILTRO_DESCONOCIDO"
    Publisher(tmp_path / "filters", signer).adopt()
    assert folder.find("dropped", "").code == CODE


def test_what_the_token_brings_is_verified_and_written(tmp_path: Path) -> None:
    """What the token brings is verified and written."""
    signer = Signer.make()
    received = Received(tmp_path / "node", _key(tmp_path, Directory(signer.public)))
    good = _signed(signer, "plain")
    received.store(good)
    assert received.find("plain", good.sha256) == good
    assert (tmp_path / "node" / "plain.py").read_bytes() == CODE
    forged = _signed(Signer.make(), "forged", CODE + b"# forged\n")
    renamed = FilterCode("other", good.sha256, good.code, good.signature)
    hostile = _signed(signer, "../../up")
    for bad in (forged, renamed, hostile):
        received.store(bad)
        assert not (tmp_path / "node" / f"{bad.name}.py").exists()
    with pytest.raises(Denial) as denial:
        received.find("forged", forged.sha256)
    assert denial.value.reason == "SIN_SERVIDORES"


def test_a_file_that_was_changed_is_written_anew(tmp_path: Path) -> None:
    """At the next use and whenever it is compared, whatever was done to it; it is never run."""
    signer = Signer.make()
    received = Received(tmp_path / "node", _key(tmp_path, Directory(signer.public)))
    good = _signed(signer, "plain")
    received.store(good)
    file = tmp_path / "node" / "plain.py"
    for tampered in (CODE[::-1], CODE + b"import os\n", b""):
        file.write_bytes(tampered)
        assert received.find("plain", good.sha256).code == CODE
        assert file.read_bytes() == CODE
    file.unlink()
    elsewhere = tmp_path / "elsewhere.py"
    elsewhere.write_bytes(b"another's")
    file.symlink_to(elsewhere)
    received.compare()
    assert (file.is_symlink(), file.read_bytes()) == (False, CODE)
    assert elsewhere.read_bytes() == b"another's"
    newer = _signed(signer, "plain", CODE + b"# newer\n")
    received.store(newer)
    assert received.find("plain", good.sha256).code == CODE
    assert file.read_bytes() == newer.code


def test_a_folder_that_takes_no_files_stops_nothing(tmp_path: Path) -> None:
    """The code is there all the same; once it can be written, it is."""
    signer = Signer.make()
    (tmp_path / "node").write_text("a file")
    received = Received(tmp_path / "node", _key(tmp_path, Directory(signer.public)))
    good = _signed(signer, "plain")
    received.store(good)
    assert received.find("plain", good.sha256) == good
    (tmp_path / "node").unlink()
    received.compare()
    assert (tmp_path / "node" / "plain.py").read_bytes() == CODE


def test_what_came_before_the_key_is_verified_later(tmp_path: Path) -> None:
    """What came before the key is verified later."""
    signer = Signer.make()
    directory = Directory(None)
    received = Received(tmp_path / "node", _key(tmp_path, directory))
    good = _signed(signer, "plain")
    received.store(good)
    with pytest.raises(Denial):
        received.find("plain", good.sha256)
    directory.key = signer.public
    assert received.find("plain", good.sha256) == good
