"""What the paced sender knows of a file: its parts, one per track of the description. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from iceflix.streaming.paced import packets
from iceflix.streaming.paced.boxes import Edit, Movie, Read, TrackBox, Unfit, read_movie
from iceflix.streaming.paced.codecs import require_audio, video_config
from iceflix.streaming.paced.tables import Sample, Samples
from iceflix.streaming.sdp import Track

_HANDLERS = {"video": b"vide", "audio": b"soun"}
_MOST_TICKS = 1 << 53  # beyond it floating point is not exact: 10 to the 11 seconds of 90 kHz


@dataclass(frozen=True, eq=False)
class Part:
    """One track of a file, ready to be sent.

    Time 0 of the film is at ``origin`` in the track's time scale. ``end`` is the film's time in
    seconds at which the last sample ends.
    """

    track: Track
    samples: Samples
    timescale: int
    origin: int
    packetise: packets.Packetise
    end: float

    def seconds(self, ticks: int) -> float:
        """When that time of the track comes in the film."""
        return (ticks - self.origin) / self.timescale

    def ticks(self, seconds: float) -> int:
        """The time of the track at that second of the film."""
        return round(min(seconds * self.timescale, _MOST_TICKS)) + self.origin

    def unit(self, sample: Sample, data: packets.Data) -> packets.Unit:
        """The packets of a sample that consists of these bytes."""
        payloads = self.packetise(data, self.samples.is_key(sample.number))
        stamp = (sample.pts - self.origin) * self.track.clock_rate // self.timescale
        times = packets.Times(self.seconds(sample.dts), self.seconds(sample.pts), stamp)
        return packets.pack(payloads, self.track.payload_type, times)

    def key_before(self, seconds: float) -> Sample:
        """Where to begin to see the film from this second on."""
        # Half a tick of a common clock: 0.1 s must find the frame that is shown at 0.1 s.
        return self.samples.key_before(self.ticks(seconds + 1e-5))

    def at(self, seconds: float) -> int:
        """The sample that covers this second, for sound."""
        return self.samples.at_time(self.ticks(seconds + 1e-5))


def index(read: Read, size: int, tracks: Sequence[Track]) -> tuple[Part, ...]:
    """The parts of a file, one for each track that is described, video first. Raises Unfit."""
    movie = read_movie(read, size)
    return tuple(_part(movie, track, read) for track in tracks)


def _part(movie: Movie, track: Track, read: Read) -> Part:
    box = _chosen(movie, track)
    samples = Samples(box.tables)
    origin, length = _window(box, movie.timescale)
    whole = (samples.end - origin) / box.timescale
    if max(samples.end, abs(origin)) > _MOST_TICKS:
        raise Unfit("its times are beyond all reason")
    packetise = _packetiser(box, track)
    if track.media == "video":
        first = samples.at(0)
        if not samples.is_key(0) or first.pts < origin:
            raise Unfit("it begins before it is shown")
        # What an edit hides at the end would have to be decoded and dropped: that is not ours.
        if length is not None and length < whole - 0.5:
            raise Unfit("it is cut by an edit list")
    elif length is not None and length < whole - 0.5:
        raise Unfit("its sound is cut by an edit list")
    elif track.encoding == "MPA" and not _is_frame(read(samples.at(0).offset, 2)):
        raise Unfit("its sound does not lie in frames")
    return Part(track, samples, box.timescale, origin, packetise, whole)


def _chosen(movie: Movie, track: Track) -> TrackBox:
    """The one track that is meant. Raises Unfit when it may be another."""
    found = [box for box in movie.tracks if box.handler == _HANDLERS[track.media]]
    if len(found) != 1:
        raise Unfit(f"it has {len(found)} tracks of {track.media}")
    return found[0]


def _window(box: TrackBox, timescale: int) -> tuple[int, float | None]:
    """Which time of the track is the film's beginning; how many seconds are shown, if told."""
    edits = list(box.edits)
    delay = 0
    if len(edits) > 1 and edits[0].media_time == -1:
        empty: Edit = edits.pop(0)
        delay = empty.duration * box.timescale // max(1, timescale)
    if not edits:
        return 0, None
    (shown, *further) = edits
    if further or shown.media_time < 0 or not shown.plain:
        raise Unfit("its edit list rearranges it")
    length = shown.duration / timescale if shown.duration and timescale else None
    return shown.media_time - delay, None if length is None else length + delay / box.timescale


def _is_frame(head: bytes) -> bool:
    """Whether a frame of MPEG audio begins like this."""
    return len(head) == 2 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0


def _packetiser(box: TrackBox, track: Track) -> packets.Packetise:
    if track.media == "video":
        config = video_config(box, track)
        make = packets.avc if track.encoding == "H264" else packets.hevc
        return make(config.length_bytes, config.parameter_sets)
    require_audio(box, track)
    sounds = {"OPUS": packets.opus, "MPA": packets.mp3, "MPEG4-GENERIC": packets.aac}
    return sounds[track.encoding]
