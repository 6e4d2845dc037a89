"""Titles as a catalogue has them, made up, the same every time; and what people ask for. Pure."""

import hashlib
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass

_ONSETS = (
    *("", "", "b", "c", "d", "f", "g", "h", "j", "l", "m", "n", "p", "r", "s", "t", "v"),
    *("br", "cr", "dr", "fl", "gr", "pl", "pr", "st", "tr", "ch", "qu", "ll", "th"),
)
_NUCLEI = ("a", "e", "i", "o", "u", "a", "e", "o", "ia", "ie", "á", "é", "í", "ó", "ú", "ai", "ou")
_CODAS = ("", "", "", "", "n", "r", "s", "l", "d", "m", "t", "z", "ck", "ng")
_SMALL = ("de", "la", "el", "the", "of", "and", "los", "en", "y", "a", "del", "las", "una", "with")
_WORDS = 30_000
_SYLLABLES = (1, 2, 2, 3, 3, 4)
_PER_NAME = (1, 2, 2, 3, 3, 3, 4, 5)
_PER_TITLE = (0, 1, 2, 3, 3, 4)  # tags


@dataclass(frozen=True)
class Made:
    """A title."""

    media_id: str
    name: str
    tags: tuple[str, ...]


def titles(number: int, seed: int = 1) -> Iterator[Made]:
    """So many titles: words as frequent as in a language, some with a year or a number.

    Half of the tags are of twenty genres, half of fifty thousand rarer ones.
    """
    rng = random.Random(seed)  # noqa: S311
    words = _words(rng)
    weights = list(itertools.accumulate(1 / (rank + 10) for rank in range(len(words))))
    for place in range(number):
        parts: list[str] = []
        for word in rng.choices(words, cum_weights=weights, k=rng.choice(_PER_NAME)):
            if parts and rng.random() < 0.35:
                parts.append(rng.choice(_SMALL))
            parts.append(word.capitalize())
        chance = rng.random()
        if chance < 0.15:
            parts.append(str(rng.randint(2, 9)))
        elif chance < 0.35:
            parts.append(f"({rng.randint(1920, 2026)})")
        tags = dict.fromkeys(_tag(rng) for _ in range(rng.choice(_PER_TITLE)))
        media_id = hashlib.sha256(b"%d" % place).hexdigest()
        yield Made(media_id, " ".join(parts), tuple(tags))


def patterns(names: list[str], seed: int = 7) -> list[str]:
    """What people type, three letters and more; one for each name.

    The beginning of a word, a word, the first two words, any three letters, any four to eight, and
    a word that is mistyped at its end.
    """
    rng = random.Random(seed)  # noqa: S311
    made = []
    for name in names:
        words = name.split()
        word = rng.choice(words)
        start, long = rng.randrange(max(1, len(name) - 7)), rng.randint(4, 8)
        kinds = (
            word[: rng.randint(3, 6)],
            word,
            " ".join(words[:2]),
            name[start : start + 3],
            name[start : start + long],
            word[:4] + "xq",
        )
        pattern = rng.choice(kinds)
        made.append(pattern if len(pattern) >= 3 else name[:3].ljust(3, "a"))
    return made


def short_patterns(names: list[str]) -> list[str]:
    """Every single letter and pair of letters of these names."""
    found = {letter for name in names for letter in name}
    found |= {left + right for name in names for left, right in itertools.pairwise(name)}
    return sorted(found)


def _words(rng: random.Random) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < _WORDS:
        word = "".join(
            rng.choice(_ONSETS) + rng.choice(_NUCLEI) + rng.choice(_CODAS)
            for _ in range(rng.choice(_SYLLABLES))
        )
        if len(word) > 2:
            found.setdefault(word)
    return list(found)


def _tag(rng: random.Random) -> str:
    if rng.random() < 0.5:
        return f"genre {int(20 * rng.random() ** 2)}"
    return f"tag {int(50_000 * rng.random() ** 3)}"
