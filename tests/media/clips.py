"""Videos of a few seconds, made by ffmpeg, each once per test session."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

SECONDS = 3
RATE = 25
FRAMES = SECONDS * RATE
_PICTURE = f"testsrc2=s=192x108:r={RATE}:d={SECONDS}"
_SOUND = f"sine=f=440:r=44100:d={SECONDS}"
_H264 = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -g 25 -profile:v main"
_H265 = (
    "-c:v libx265 -preset ultrafast -pix_fmt yuv420p "
    "-x265-params log-level=error:keyint=25:bframes=2:pools=1:frame-threads=1"
)
_PICTURES = {"h264": f"{_H264} -bf 2", "h265": _H265}
_SOUNDS = {"aac": "-c:a aac", "mp3": "-c:a libmp3lame", "opus": "-c:a libopus -ar 48000"}

_HOLD = "tpad=stop_duration=17:stop_mode=clone"

# Name -> ffmpeg's output options. A hue tells clips of the same kind apart.
CLIPS = {
    "plain.mp4": f"{_H264} -bf 0 -c:a aac",
    "bframes.mp4": f"{_H264} -bf 3 -c:a aac -movflags +faststart",
    "long.mp4": f"{_H264} -bf 0 -c:a aac -af apad=whole_dur=20 -vf {_HOLD}",
    "silent.mp4": f"{_H264} -bf 0 -an",
    "matroska.mkv": f"{_H264} -bf 2 -c:a aac",
    "quicktime.mov": f"{_H264} -bf 2 -c:a aac",
    "transport.ts": f"{_H264} -bf 2 -c:a aac",
    "fragmented.mp4": f"{_H264} -bf 0 -c:a aac -movflags frag_keyframe+empty_moov",
    "mp3.mp4": f"{_H264} -bf 0 -c:a libmp3lame",
    "opus.mkv": f"{_H264} -bf 0 -c:a libopus",
    "ac3.ts": f"{_H264} -bf 0 -c:a ac3",
    "unstamped.avi": f"{_H264} -bf 2 -c:a libmp3lame",
    "mpeg4.avi": "-c:v mpeg4 -q:v 2 -c:a libmp3lame",
    "vp8.webm": "-c:v libvpx -b:v 1M -cpu-used 8 -c:a libvorbis",
    "theora.ogv": "-c:v libtheora -q:v 8 -c:a libvorbis",
    "odd.mkv": "-c:v ffv1 -vf crop=191:107:0:0:exact=1,format=yuv444p -an",
    "sound.m4a": "-vn -c:a aac",
    "sound.mp3": "-vn -c:a libmp3lame",
    "still.png": "-frames:v 1 -an",
}

# What is sent as it is, in every combination: "h265-opus.mkv".
COMBINATIONS = {
    f"{picture}-{sound}.{container}": f"{picture_options} {sound_options}"
    for picture, picture_options in _PICTURES.items()
    for sound, sound_options in _SOUNDS.items()
    for container in ("mp4", "mkv", "ts")
}
CLIPS |= COMBINATIONS


@dataclass(frozen=True)
class Clips:
    """Makes clips in a folder and keeps them."""

    folder: Path

    def get(self, name: str, *, hue: int = 0) -> Path:
        """The clip of this name; a different ``hue`` in degrees gives different content."""
        file = self.folder / (f"{hue}-{name}" if hue else name)
        if not file.exists():
            picture = f"{_PICTURE},hue=h={hue}" if hue else _PICTURE
            command = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-threads", "1"]
            command += ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", _SOUND]
            command += ["-fflags", "+bitexact", *CLIPS[name].split()]
            subprocess.run([*command, str(file)], check=True, timeout=60)
        return file


def frame_digests(file: Path, form: str | None = None, seconds: float = 3600) -> list[str]:
    """The MD5 of every decoded frame of a video's beginning, in the order of presentation."""
    command = ["ffmpeg", "-v", "error", "-nostdin", *(["-f", form] if form else [])]
    command += ["-i", str(file), "-map", "0:v:0", "-fps_mode", "passthrough"]
    command += ["-t", str(seconds), "-pix_fmt", "yuv420p", "-f", "framemd5", "-"]
    done = subprocess.run(command, check=True, timeout=60, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    return [line.rsplit(",", 1)[1].strip() for line in lines]


def psnr(received: Path, source: Path) -> float:
    """Mean peak signal-to-noise ratio of two videos of the same frames, in dB."""
    command = ["ffmpeg", "-nostdin", "-v", "info"]
    command += ["-r", str(RATE), "-i", str(received), "-r", str(RATE), "-i", str(source)]
    graph = "[0:v]setpts=N,format=yuv420p[a];[1:v]setpts=N,format=yuv420p[b];[a][b]psnr"
    command += ["-lavfi", graph, "-f", "null", "-"]
    done = subprocess.run(command, check=True, timeout=60, capture_output=True, text=True)
    (line,) = [line for line in done.stderr.splitlines() if "PSNR" in line]
    return float(line.split("average:")[1].split()[0])
