"""GStreamer's RTSP server as its examples have it, in Python, without decoding anything.

python bench/rtsp_server.py FILE PORT    serves rtsp://127.0.0.1:PORT/clip
"""

import importlib
import sys
from pathlib import Path
from typing import Any

_LAUNCH = (
    '( filesrc location="{file}" ! qtdemux name=d '
    "d.video_0 ! queue ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=-1 "
    "d.audio_0 ! queue ! aacparse ! rtpmp4gpay name=pay1 pt=97 )"
)


def main() -> None:
    """Serve until killed."""
    gi: Any = importlib.import_module("gi")
    for name in ("Gst", "GstRtspServer"):
        gi.require_version(name, "1.0")
    glib, gst, rtsp = (
        importlib.import_module(f"gi.repository.{name}")
        for name in ("GLib", "Gst", "GstRtspServer")
    )
    gst.init(None)
    server = rtsp.RTSPServer.new()
    server.set_address("127.0.0.1")
    server.set_service(sys.argv[2])
    factory = rtsp.RTSPMediaFactory.new()
    factory.set_launch(_LAUNCH.format(file=Path(sys.argv[1]).resolve()))
    server.get_mount_points().add_factory("/clip", factory)
    server.attach(None)
    glib.MainLoop().run()


if __name__ == "__main__":
    main()
