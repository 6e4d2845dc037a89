"""The video of the measurements, made once: 720p30, 3 Mbit/s, H.264 with B-frames, and AAC."""

import os
import subprocess
from pathlib import Path

from bench.machine import WORK, BenchError, need, say

DESCRIPTION = "720p30 H.264 (two B-frames, a key frame every 2 s) 3 Mbit/s with AAC 128 kbit/s, MP4"
_PART_SECONDS, _TIMES = 12, 20
SECONDS = _PART_SECONDS * _TIMES
_PICTURE = f"testsrc2=s=1280x720:r=30:d={_PART_SECONDS},noise=alls=12:allf=t"
_SOUND = f"anoisesrc=r=48000:d={_PART_SECONDS}:a=0.2:c=pink"
_VIDEO = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -g 60 -bf 2 -b:v 3M -maxrate 3M"
_REST = "-bufsize 1500k -c:a aac -b:a 128k -ac 2"


def clip() -> Path:
    """The file, four minutes long. Raises BenchError."""
    made = WORK / f"720p30-{SECONDS}s.mp4"
    if made.exists():
        return made
    WORK.mkdir(parents=True, exist_ok=True)
    say("making the video (once) ...")
    part = Path(f"part-{os.getpid()}.mp4")
    whole = WORK / f"whole-{os.getpid()}.mp4"
    _ffmpeg(f"-f lavfi -i {_PICTURE} -f lavfi -i {_SOUND} {_VIDEO} {_REST}", part)
    _ffmpeg(f"-stream_loop {_TIMES - 1} -i {part} -c copy -movflags +faststart", whole)
    (WORK / part).unlink()
    whole.rename(made)
    return made


def _ffmpeg(arguments: str, target: Path) -> None:
    ffmpeg = [need("ffmpeg", "ffmpeg"), "-v", "error", "-nostdin", "-y"]
    done = subprocess.run([*ffmpeg, *arguments.split(), target.name], cwd=WORK, check=False)
    if done.returncode != 0:
        raise BenchError("ffmpeg cannot make the video; it says above why")
