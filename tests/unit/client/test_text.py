"""Names from strangers, tags from people."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iceflix.client.text import (
    cells,
    clock_time,
    format_tags,
    parse_clock,
    parse_tags,
    safe,
    shorten,
    where,
)


def test_control_characters_cannot_move_the_cursor() -> None:
    """Control characters cannot move the cursor."""
    assert safe("a\x1b[2Jb\x07") == "a�[2Jb�"
    assert safe("one\ntwo\tthree\u2028four") == "one two three four"
    assert safe("c1\x9b31m") == "c1�31m"


def test_overrides_are_removed() -> None:
    """Overrides are removed."""
    assert safe("abc\u202etxt.exe") == "abctxt.exe"


def test_right_to_left_text_is_isolated() -> None:
    """Right to left text is isolated."""
    assert safe("שלום") == "\u2068שלום\u2069"
    assert safe("plain") == "plain"


def test_marks_do_not_pile_up() -> None:
    """Marks do not pile up."""
    assert len(safe("a" + "\u0301" * 50)) == 5


def test_long_names_are_cut() -> None:
    """Long names are cut."""
    assert safe("x" * 1000, limit=10) == "x" * 9 + "…"


@given(st.text())
def test_safe_text_is_one_harmless_line(text: str) -> None:
    """Safe text is one harmless line."""
    line = safe(text)
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in line)
    assert len(line.splitlines()) <= 1


def test_cells_and_shortening() -> None:
    """Cells and shortening."""
    assert cells("añ") == 2
    assert cells("日本") == 4
    assert cells("e\u0301") == 1
    assert shorten("日本語", 5) == "日本…"
    assert shorten("abc", 3) == "abc"
    assert shorten("abcd", 3) == "ab…"
    assert shorten(safe("שלום עולם"), 5) == "\u2068שלום…\u2069"


@given(st.text(), st.integers(min_value=1, max_value=30))
def test_shortened_text_fits(text: str, width: int) -> None:
    """Shortened text fits."""
    assert cells(shorten(safe(text), width)) <= width


def test_commas_separate_tags_and_quotes_keep_them() -> None:
    """Commas separate tags and quotes keep them."""
    assert parse_tags('drama, "rain, wind" , noir') == ["drama", "rain, wind", "noir"]
    assert parse_tags("two words") == ["two words"]
    assert parse_tags('"say ""hi"""') == ['say "hi"']
    assert parse_tags(" , ,a,a,") == ["a"]
    assert not parse_tags("")


_TAG = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1).filter(
    lambda tag: tag == tag.strip()
)


@given(st.lists(_TAG, unique=True))
def test_tags_survive_the_way_there_and_back(tags: list[str]) -> None:
    """Tags survive the way there and back."""
    assert parse_tags(format_tags(tags)) == tags


def test_clock_time() -> None:
    """Clock time."""
    assert clock_time(59.9) == "0:59"
    assert clock_time(61) == "1:01"
    assert clock_time(3723) == "1:02:03"
    assert clock_time(-1) == "0:00"


def test_where_a_proxy_leads() -> None:
    """Where a proxy leads."""
    assert where("IceFlix/Main:tcp -h 127.0.0.1 -p 10010") == "127.0.0.1:10010"
    assert where('IceFlix/Main -t:ssl -p 10010 -h "2001:db8::1"') == "[2001:db8::1]:10010"
    assert where("IceFlix/Main:tcp -p 10010") == "localhost:10010"
    assert where("IceFlix/Main") == "IceFlix/Main"


@given(st.text())
def test_where_takes_anything(text: str) -> None:
    """Where takes anything."""
    assert isinstance(where(text), str)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90.0),
        ("1.5", 1.5),
        ("1:30", 90.0),
        (" 1:02:03.5 ", 3723.5),
        ("0", 0.0),
        ("-1", None),
        ("1:75", None),
        ("1:75:00", None),
        ("", None),
        ("1:", None),
        ("nan", None),
    ],
)
def test_positions_are_read(text: str, seconds: float | None) -> None:
    """Positions are read as people write them."""
    assert parse_clock(text) == seconds
