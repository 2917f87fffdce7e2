"""Encodes a camera as a browser does that sends it in three sizes: `python -m tests.captured.record_sizes`.

It writes camera-q.ivf, camera-h.ivf and camera-f.ivf here (any player shows them): eight seconds of the robot of
`app/picture`, ten pictures a second, in three temporal layers. The captures of vectors/sessions carry these pictures;
other versions of libvpx may make others, which is why they are kept. Read next: `tests/generate/sessioncamera.py`.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from meetref.app.frames import serialize_ivf
from meetref.app.picture import Painter

HERE = Path(__file__).parent
SIZES = {"q": (80, 48, 16_000), "h": (160, 96, 48_000), "f": (320, 192, 120_000)}
"""Width, height, bits a second."""
PICTURES, FRAME_RATE = 80, 10
OPTIONS = {
    "deadline": "realtime",
    "cpu-used": "-8",  # below zero the speed is fixed; above, octets depend on how busy the machine is
    "lag-in-frames": "0",
    "error-resilient": "1",
    "auto-alt-ref": "0",
    "max-intra-rate": "500",
}


def encoded(width: int, height: int, bitrate_bps: int) -> tuple[bytes, ...]:
    """The pictures of one size, the first one a keyframe, in the pattern 0 2 1 2 of temporal layers."""
    encoder: Any = av.CodecContext.create("libvpx", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.framerate, encoder.time_base = Fraction(FRAME_RATE), Fraction(1, FRAME_RATE)
    encoder.bit_rate, encoder.gop_size, encoder.thread_count = bitrate_bps, 1_000_000, 1
    targets = ",".join(str(bitrate_bps * part // 1000) for part in (0.5, 0.7, 1))
    layers = f"ts_number_layers=3:ts_target_bitrate={targets}:ts_rate_decimator=4,2,1:ts_periodicity=4"
    encoder.options = {**OPTIONS, "ts-parameters": f"{layers}:ts_layer_id=0,2,1,2:ts_layering_mode=3"}
    painter, made = Painter("meetref", 0, width=width, height=height), []
    for number in range(PICTURES):
        painted = painter.paint(2 * number, f"{number // FRAME_RATE + 1} / 8")
        frame = av.VideoFrame.from_ndarray(painted, format="yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, FRAME_RATE)
        made.append(b"".join(bytes(packet) for packet in encoder.encode(frame)))
    return tuple(made)


def main() -> None:
    for rid, (width, height, bitrate_bps) in SIZES.items():
        pictures = encoded(width, height, bitrate_bps)
        path = HERE / f"camera-{rid}.ivf"
        path.write_bytes(serialize_ivf(pictures, width, height, FRAME_RATE))
        print(f"{path.name}: {path.stat().st_size} octets, {[len(picture) for picture in pictures[:9]]}")


if __name__ == "__main__":
    main()
