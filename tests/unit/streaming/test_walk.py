"""Listing a folder in part: what is there now, and what the listing is about."""

from pathlib import Path

import pytest

from iceflix.streaming.walk import Scope, look, walk


def _names(paths: object, folder: Path) -> set[str]:
    assert isinstance(paths, dict)
    return {str(Path(path).relative_to(folder)) for path in paths}


@pytest.mark.parametrize(
    ("path", "covered"),
    [
        ("/m/one", True),
        ("/m/one/two", False),
        ("/m/tree", True),
        ("/m/tree/deep/file", True),
        ("/m/tree2", False),
        ("/m", False),
        ("/", False),
        ("", False),
    ],
)
def test_a_scope_is_files_and_trees(path: str, covered: bool) -> None:
    """Names that begin alike are not below each other."""
    assert Scope(frozenset({"/m/one"}), frozenset({"/m/tree"})).covers(path) is covered


def test_files_folders_and_what_is_gone(tmp_path: Path) -> None:
    """Folders with all that is in them; a folder that is gone is still what it is about."""
    (tmp_path / "a" / "deep").mkdir(parents=True)
    for name in ("one", "a/two", "a/deep/three", "other"):
        (tmp_path / name).touch()
    before = walk(str(tmp_path))
    (tmp_path / "a").rename(tmp_path / "b")
    (tmp_path / "one").unlink()
    changed = {str(tmp_path / name) for name in ("a", "b", "b/deep", "one", "other")}
    listing, scope = look(changed, before.folders)
    assert _names(listing.found, tmp_path) == {"b/two", "b/deep/three", "other"}
    assert _names(listing.folders, tmp_path) == {"b", "b/deep"}
    assert not listing.problems
    for name, covered in {"a/two": True, "one": True, "b/two": True, "elsewhere": False}.items():
        assert scope.covers(str(tmp_path / name)) is covered


def test_a_folder_is_entered_under_one_name(tmp_path: Path) -> None:
    """Also when only the part with the link to it is listed."""
    (tmp_path / "a").mkdir()
    (tmp_path / "one").touch()
    before = walk(str(tmp_path))
    (tmp_path / "a" / "up").symlink_to("..")
    (tmp_path / "a" / "two").touch()
    listing, _ = look([str(tmp_path / "a")], before.folders)
    assert _names(listing.found, tmp_path) == {"a/two"}
    whole = walk(str(tmp_path))
    assert _names(whole.found, tmp_path) == {"one", "a/two"}


def test_a_link_to_a_folder_is_a_folder(tmp_path: Path) -> None:
    """As long as it is there."""
    outside, folder = tmp_path / "outside", tmp_path / "media"
    outside.mkdir()
    folder.mkdir()
    (outside / "one").touch()
    link = folder / "link"
    link.symlink_to(outside)
    before = walk(str(folder))
    assert set(before.found) == {str(link / "one")}
    link.unlink()
    listing, scope = look([str(link)], before.folders)
    assert not listing.found and not listing.problems and scope.covers(str(link / "one"))


def test_folders_are_told_before_they_are_read(tmp_path: Path) -> None:
    """What comes into them from then on is heard of."""
    (tmp_path / "a").mkdir()

    def enter(path: str, _identity: tuple[int, int]) -> None:
        (Path(path) / "late").touch()

    assert _names(walk(str(tmp_path), enter).found, tmp_path) == {"late", "a/late"}


def test_what_is_no_file_is_not_listed(tmp_path: Path) -> None:
    """A link to nothing; a link to itself is a problem."""
    nothing, loop = tmp_path / "nothing", tmp_path / "loop"
    nothing.symlink_to("nowhere")
    loop.symlink_to("loop")
    listing, _ = look([str(nothing), str(loop)], {})
    assert not listing.found and list(listing.problems) == [str(loop)]
