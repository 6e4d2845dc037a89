"""Indexes of MP4 files against a model, and against files that lie."""

import contextlib
import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from iceflix.streaming.paced.boxes import Unfit
from iceflix.streaming.paced.index import Part, index
from iceflix.streaming.paced.tables import Sample
from tests.unit.streaming.paced.film import (
    AUDIO,
    VIDEO,
    Film,
    Reel,
    SoundReel,
    WideReel,
    box,
    nal,
    reader,
)

SECOND = 90000


def _reel(data: some.DataObject) -> Reel:
    """A track with anything that the tables can say of some samples."""
    count = data.draw(some.integers(1, 40))

    def many(low: int, high: int) -> list[int]:
        numbers = some.lists(some.integers(low, high), min_size=count, max_size=count)
        return data.draw(numbers)

    sizes = data.draw(some.sampled_from([many(0, 30), [7] * count]))
    keys = data.draw(some.one_of(some.none(), some.sets(some.integers(0, count - 1))))
    offsets = data.draw(some.sampled_from([[], many(0, 3000), [0, *many(-500, 500)][:count]]))
    kind = data.draw(some.sampled_from([Reel, WideReel]))
    return kind(
        [bytes([number % 256]) * size for number, size in enumerate(sizes)],
        many(0, 3000),
        offsets,
        None if keys is None else sorted({0} | keys),
        many(1, 9),
    )


def _parts(reel: Reel) -> tuple[Part, Film, bytes]:
    film = Film([reel])
    data = film.pack()
    (part,) = index(reader(data), len(data), [VIDEO])
    return part, film, data


@given(some.data())
def test_every_sample_is_where_the_tables_say(drawn: some.DataObject) -> None:
    """Places, sizes and times, walked from anywhere."""
    reel = _reel(drawn)
    part, film, data = _parts(reel)
    dts, expected = 0, []
    offsets = reel.offsets or [0] * len(reel.samples)
    for number, sample in enumerate(reel.samples):
        place = film.places[0][number]
        assert data[place : place + len(sample)] == sample
        expected.append(Sample(number, place, len(sample), dts, dts + offsets[number]))
        dts += reel.steps[number]
    for start in range(len(expected) + 1):
        assert list(part.samples.walk(start)) == expected[start:]
    assert part.samples.end == dts
    keys = range(len(expected)) if reel.keys is None else reel.keys
    assert [part.samples.is_key(number) for number in range(len(expected))] == [
        number in keys for number in range(len(expected))
    ]


@given(some.data(), some.integers(-10_000, 200_000))
def test_a_time_finds_the_key_frame_before(drawn: some.DataObject, ticks: int) -> None:
    """The last key frame that is shown by then, where key frames are in the order of time."""
    reel = _reel(drawn)
    part, _, _ = _parts(replace(reel, offsets=()))
    keys = [sample for sample in part.samples.walk(0) if part.samples.is_key(sample.number)]
    before = [sample for sample in keys if sample.pts <= ticks]
    assert part.samples.key_before(ticks).pts == (before or keys)[0 if not before else -1].pts


@given(some.data(), some.integers(-10, 200_000))
def test_a_time_finds_the_sound_that_is_heard_then(drawn: some.DataObject, ticks: int) -> None:
    """The sample that has begun by then and not ended."""
    reel = _reel(drawn)
    part, _, _ = _parts(replace(reel, offsets=()))
    found = part.samples.at(part.samples.at_time(ticks))
    later = [sample.dts for sample in part.samples.walk(0) if sample.dts > max(ticks, 0)]
    assert found.dts <= max(ticks, 0)
    assert not later or min(later) > found.dts


@settings(max_examples=300)
@given(some.data())
def test_a_damaged_file_is_refused_in_words_or_walked_safely(data: some.DataObject) -> None:
    """Bytes changed, cut out and cut off: Unfit or an index, never anything else."""
    sound = SoundReel([b"abc"] * 3, [1024] * 3)
    file = bytearray(Film([replace(_reel(data), edits=[(1000, 0)]), sound]).pack())
    start = file.index(b"moov") - 4 if data.draw(some.booleans()) else 0
    for _ in range(data.draw(some.integers(1, 6))):
        place = data.draw(some.integers(start, len(file) - 1))
        file[place] = data.draw(some.sampled_from([0, 1, 2, 0x7F, 0x80, 0xFF]))
    cut = bytes(file[: data.draw(some.integers(len(file) // 2, len(file)))])
    with contextlib.suppress(Unfit):
        for part in index(reader(cut), len(cut), [VIDEO, AUDIO]):
            walk = part.samples.walk(0)
            assert len(list(itertools.islice(walk, 200))) <= 200
            part.samples.key_before(part.ticks(1e9))
            part.samples.at_time(part.ticks(1e300))


def _refused(data: bytes, *tracks: object) -> str:
    with pytest.raises(Unfit) as refused:
        index(reader(data), len(data), tracks or [VIDEO])  # type: ignore[arg-type]
    return str(refused.value)


def _simple(**changes: object) -> Reel:
    base = Reel([nal(5, 50), nal(1, 20), nal(1, 30)], [3000] * 3, keys=[0])
    return replace(base, **changes)  # type: ignore[arg-type]


def test_what_is_not_for_the_quick_way_says_why() -> None:
    """Each for its own reason."""
    simple = Film([_simple()]).pack()
    assert index(reader(simple), len(simple), [VIDEO])
    assert "no index" in _refused(b"")
    assert "no index" in _refused(box("mdat", b"x"))
    assert "beyond its end" in _refused(simple[:-9])
    assert "fragmented" in _refused(box("ftyp") + box("moof"))
    assert "fragmented" in _refused(box("moov", box("mvex")))
    assert "tracks of audio" in _refused(simple, VIDEO, AUDIO)
    assert "rearranges" in _refused(Film([_simple(edits=[(10, 0), (10, 6000)])]).pack())
    assert "before it is shown" in _refused(Film([_simple(edits=[(10, 3000)])]).pack())
    assert "before it is shown" in _refused(Film([_simple(keys=[1])]).pack())
    long = _simple(steps=[SECOND] * 3, edits=[(1000, 0)])
    assert "cut by an edit" in _refused(Film([long]).pack())
    assert "parameter sets" in _refused(simple.replace(b"\x68\xeb\xe3", b"\x68\xeb\xe4"))


def test_descriptions_that_do_not_fit_are_refused() -> None:
    """What is sent is what was described, or somebody else sends it."""
    data = Film([_simple()]).pack()
    other = replace(VIDEO, parameters=(("packetization-mode", "0"), *VIDEO.parameters[1:]))
    assert "another kind" in _refused(data, other)
    assert "another kind" in _refused(data, replace(VIDEO, encoding="H265"))
    sound = SoundReel([b"abc"] * 3, [1024] * 3)
    data = Film([_simple(), sound]).pack()
    assert len(index(reader(data), len(data), [VIDEO, AUDIO])) == 2
    longer = tuple((key, "14" if key == "sizelength" else value) for key, value in AUDIO.parameters)
    assert "not as it was described" in _refused(data, replace(AUDIO, parameters=longer))
    assert "another kind" in _refused(data, replace(AUDIO, encoding="MPA"))
    assert "another kind" in _refused(data, replace(AUDIO, encoding="OPUS"))


def test_an_edit_list_moves_the_beginning() -> None:
    """A track that begins later, and one whose first pictures are shown after a delay."""
    moved = _simple(offsets=[6000] * 3, edits=[(500, -1), (100, 6000)])
    part, _, _ = _parts(moved)
    first = part.samples.at(0)
    assert part.seconds(first.pts) == pytest.approx(0.5)
    assert part.key_before(0.6).number == 0
