"""What images and results may be called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iceflix.farm.images.naming import (
    MAX_NAME,
    InvalidPath,
    clean,
    intermediate_path,
    result_path,
    temporary_name,
    work_folder,
)


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("cat.jpg", "cat.jpg"),
        ("a/./b//cat.jpg", "a/b/cat.jpg"),
        ("señal/日本 1.png", "señal/日本 1.png"),
        ("..cat.jpg", "..cat.jpg"),
        (" cat.jpg", " cat.jpg"),
    ],
)
def test_good_paths(path: str, plain: str) -> None:
    """Good paths."""
    assert str(clean(path)) == plain


@pytest.mark.parametrize(
    "path",
    [
        "",
        " ",
        ".",
        "/",
        "/etc/passwd",
        "//server/share/x",
        "..",
        "../cat.jpg",
        "a/../../cat.jpg",
        "a/..",
        "a\\..\\b",
        "\\\\server\\x",
        "C:/x.jpg",
        "c:x.jpg",
        "cat.jpg\0.png",
        "a/",
        "x" * 256,
        "é" * 128,
        "a/" * 3000 + "b",
        "\udc80.jpg",
        ".iceflix/work/x.ifx",
        ".ICEFLIX/x",
        "./.iceflix/x",
    ],
)
def test_hostile_paths(path: str) -> None:
    """Hostile paths."""
    with pytest.raises(InvalidPath, match="there is no image") as caught:
        clean(path)
    assert str(caught.value).isprintable()


@given(st.text(max_size=60))
def test_whatever_passes_stays_inside(path: str) -> None:
    """Whatever passes stays inside."""
    try:
        plain = clean(path)
    except InvalidPath:
        return
    assert not plain.is_absolute()
    assert ".." not in plain.parts
    assert "\0" not in str(plain)
    assert clean(str(plain)) == plain


def test_results_lie_beside_their_sources() -> None:
    """F12."""
    steps: list[tuple[str, dict[str, str]]] = [("gray", {}), ("blur", {})]
    assert result_path("cat.jpg", steps) == "cat__gray-blur.jpg"
    assert result_path("a b/cat.tar.PNG", steps[:1]) == "a b/cat.tar__gray.PNG"
    assert result_path("cat", steps[:1]) == "cat__gray"
    assert result_path(".cat", steps[:1]) == ".cat__gray"


def test_parameters_are_part_of_the_name() -> None:
    """Parameters are part of the name."""
    steps = [("blur", {"radius": "4"}), ("crop", {"left": "0.5", "top": "-1"})]
    assert result_path("cat.jpg", steps) == "cat__blur_radius=4-crop_left=0.5_top=-1.jpg"
    odd = result_path("cat.jpg", [("text", {"of": "a/b"})])
    other = result_path("cat.jpg", [("text", {"of": "a:b"})])
    assert odd.startswith("cat__text_of=a_b~")
    assert odd != other
    assert "/" not in odd


STEPS = st.lists(
    st.tuples(
        st.from_regex(r"[a-z][a-z0-9_]{0,31}", fullmatch=True),
        st.dictionaries(
            st.from_regex(r"[a-z]{1,9}", fullmatch=True), st.text(min_size=1), max_size=3
        ),
    ),
    min_size=1,
    max_size=16,
)


@given(st.text(alphabet="aé日.-_ ", min_size=1, max_size=120), STEPS)
def test_every_result_has_a_name_that_file_systems_take(image: str, steps: list) -> None:  # type: ignore[type-arg]
    """Every result has a name that file systems take."""
    try:
        clean(image)
    except InvalidPath:
        return
    name = result_path(image, steps)
    assert len(name.encode()) <= MAX_NAME
    assert name != image
    assert str(clean(name)) == name
    assert result_path(image, steps) == name
    assert result_path(image, [*steps, ("gray", {})]) != name


def test_long_names_are_cut_and_stay_different() -> None:
    """Long names are cut and stay different."""
    one = result_path("x" * 251 + ".jpg", [("gray", {})])
    other = result_path("x" * 251 + ".jpg", [("blur", {})])
    assert len(one) <= 255
    assert one.endswith(".jpg")
    assert one != other


def test_intermediate_results_lie_in_their_jobs_folder() -> None:
    """Intermediate results lie in their jobs folder."""
    path = intermediate_path("5d1f-77/2/1", ".ifx")
    assert path.startswith(work_folder("5d1f-77") + "/")
    assert intermediate_path("j/1/2", ".ifx") != intermediate_path("j/1-2", ".ifx")
    for task in ("../../x/1", "", "a b/..", "é" * 300, "/"):
        assert str(clean(intermediate_path(task, ".ifx"), internal=True)).startswith(
            ".iceflix/work/"
        )
    assert str(clean("x/" + temporary_name("ab"))) == "x/.iceflix-ab.tmp"
