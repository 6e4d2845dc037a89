"""The shared folder and its signed list."""

import json
from pathlib import Path

import pytest

from iceflix.farm.filters import library
from iceflix.farm.filters.catalogue import LIST, Catalogue, Publisher, UnknownFilter
from iceflix.farm.filters.signing import Signer
from iceflix.runtime.errors import InvalidRequest

MINE = b'def apply(image):\n    """Mine."""\n    return image\n'
OTHER = MINE.replace(b"Mine", b"Other")
SIGNER = Signer.make()


@pytest.fixture(name="folder")
def folder_fixture(tmp_path: Path) -> Path:
    """A folder with the shipped filters."""
    folder = tmp_path / "filters"
    assert Publisher(folder, SIGNER).seed() == list(library.names())
    return folder


def test_the_shipped_filters_are_there_and_can_be_run(folder: Path) -> None:
    """The shipped filters are there and can be run."""
    catalogue = Catalogue(folder, SIGNER.public)
    assert sorted(catalogue.listed()) == list(library.names())
    blur = catalogue.get("blur")
    assert blur.code == library.code("blur")
    assert blur.spec.parameters[0].name == "radius"
    assert blur is catalogue.get("blur")
    assert not Publisher(folder, SIGNER).seed()


def test_added_and_removed_without_a_restart(folder: Path) -> None:
    """Added and removed without a restart."""
    catalogue = Catalogue(folder, SIGNER.public)
    publisher = Publisher(folder, SIGNER)
    publisher.add("mine", MINE)
    assert catalogue.get("mine").code == MINE
    publisher.add("mine", OTHER)
    assert catalogue.get("mine").spec.summary == "Other."
    assert publisher.remove("mine")
    assert not publisher.remove("mine")
    assert not publisher.remove("../mine")
    with pytest.raises(UnknownFilter, match="there is no filter 'mine'; there are: blur"):
        catalogue.get("mine")


def test_a_dropped_file_runs_once_it_is_adopted(folder: Path) -> None:
    """F30: usable without restart; what cannot be a filter is named."""
    catalogue = Catalogue(folder, SIGNER.public)
    publisher = Publisher(folder, SIGNER)
    (folder / "mine.py").write_bytes(MINE)
    (folder / "broken.py").write_bytes(b"def")
    (folder / "Not-A-Name.py").write_bytes(MINE)
    with pytest.raises(UnknownFilter):
        catalogue.get("mine")
    adopted, refused = publisher.adopt()
    assert adopted == ["mine"]
    assert list(refused) == ["broken"]
    assert catalogue.get("mine").code == MINE
    assert not publisher.adopt()[0]
    (folder / "mine.py").write_bytes(OTHER)
    with pytest.raises(UnknownFilter, match="was changed and is not signed anew"):
        Catalogue(folder, SIGNER.public).get("mine")
    assert publisher.adopt()[0] == ["mine"]
    assert catalogue.get("mine").code == OTHER
    (folder / "mine.py").unlink()
    publisher.adopt()
    assert "mine" not in catalogue.listed()


def test_what_another_key_signed_does_not_run(folder: Path) -> None:
    """What another key signed does not run."""
    stranger = Signer.make()
    Publisher(folder, stranger).add("mine", MINE)
    with pytest.raises(UnknownFilter, match="is not signed by this farm's administrator"):
        Catalogue(folder, SIGNER.public).get("mine")


def test_a_missing_file_is_unknown(folder: Path) -> None:
    """A missing file is unknown."""
    (folder / "blur.py").unlink()
    with pytest.raises(UnknownFilter, match="cannot be read"):
        Catalogue(folder, SIGNER.public).get("blur")


@pytest.mark.parametrize("text", ["", "[]", '{"filters": 3}', '{"filters": {"blur": 3}}', "{" * 99])
def test_a_list_that_makes_no_sense_lists_nothing(folder: Path, text: str) -> None:
    """A list that makes no sense lists nothing."""
    (folder / LIST).write_text(text)
    assert not Catalogue(folder, SIGNER.public).listed()


def test_hostile_names_in_the_list_are_left_out(folder: Path) -> None:
    """Hostile names in the list are left out."""
    content = json.loads((folder / LIST).read_text())
    content["filters"]["../evil"] = content["filters"]["blur"]
    content["filters"]["gray"]["sha256"] = "x"
    (folder / LIST).write_text(json.dumps(content))
    listed = Catalogue(folder, SIGNER.public).listed()
    assert "../evil" not in listed
    assert "gray" not in listed
    assert "blur" in listed


def test_no_folder_lists_nothing(tmp_path: Path) -> None:
    """No folder lists nothing."""
    assert not Catalogue(tmp_path / "none", SIGNER.public).listed()


def test_a_bad_filter_is_not_added(folder: Path) -> None:
    """A bad filter is not added."""
    with pytest.raises(InvalidRequest, match="must define one function"):
        Publisher(folder, SIGNER).add("bad", b"x = 1")
    assert not (folder / "bad.py").exists()
