"""The peers that nobody here wrote, and how to find out whether they are on this machine.

A peer is a program on the PATH, a Python package, or something the kernel must allow. Adding one is adding a row.
`why_absent` answers once a session; its words are the reason of the skip, so they say what to install.
Read next: tests/conftest.py (what a test sees), docs/testing.md.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.peers.native import NATIVES

SYSTEM_PYTHON = "/usr/bin/python3"
Probe = Callable[[], str | None]
"""Gives the reason of an absence, or None when the peer is there."""


def program(name: str, package: str) -> Probe:
    """A program on the PATH; `package` is what Debian calls the package that brings it."""

    def probe() -> str | None:
        return None if shutil.which(name) else f"no program {name} on the PATH (apt install {package})"

    return probe


def module(name: str, package: str) -> Probe:
    """A Python package; `package` is its name on PyPI."""

    def probe() -> str | None:
        return None if importlib.util.find_spec(name) else f"no Python package {name} (pip install {package})"

    return probe


def network_namespaces() -> str | None:
    """Hosts of a test's own: needs root and a kernel that grants namespaces."""
    if shutil.which("ip") is None:
        return "no program ip on the PATH (apt install iproute2)"
    if os.geteuid() != 0:
        return "network namespaces need root"
    name = f"meetref-probe-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, timeout=10)
    subprocess.run(["ip", "netns", "delete", name], capture_output=True, timeout=10)
    return None if made.returncode == 0 else f"no network namespace can be made: {made.stderr.strip()}"


def small_disk() -> str | None:
    """A file system of a test's own that is soon full."""
    if os.geteuid() != 0:
        return "mounting a small disk needs root"
    with tempfile.TemporaryDirectory() as folder:
        made = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True, text=True, timeout=10)
        if made.returncode == 0:
            subprocess.run(["umount", folder], capture_output=True, timeout=10)
    return None if made.returncode == 0 else f"no small disk can be mounted: {made.stderr.strip()}"


def webrtcbin() -> str | None:
    """GStreamer's element, and an interpreter that has its bindings."""
    packages = "python3-gi gir1.2-gst-plugins-bad-1.0 gstreamer1.0-plugins-{base,good,bad} gstreamer1.0-nice"
    if shutil.which(SYSTEM_PYTHON) is None:
        return f"no {SYSTEM_PYTHON}, which would have GStreamer's bindings"
    words = [SYSTEM_PYTHON, "-c", "import gi; gi.require_version('GstWebRTC', '1.0')"]
    tried = subprocess.run(words, capture_output=True, timeout=30)
    return None if tried.returncode == 0 else f"no bindings of GStreamer's webrtcbin (apt install {packages})"


def native(name: str) -> Probe:
    """A program that is built once, by the first test that needs it (tests/peers/native.py)."""

    def probe() -> str | None:
        return NATIVES[name].why_absent()

    return probe


def kafka() -> str | None:
    """A broker, and what speaks to it."""
    return module("confluent_kafka", "confluent-kafka")() or native("kafka")()


def gstreamer() -> str | None:
    """Its elements for RTP, and its bindings for the system's Python."""
    command = ["/usr/bin/python3", "-c", "import gi; gi.require_version('Gst', '1.0')"]
    there = shutil.which("gst-inspect-1.0") and Path(command[0]).exists()
    for each in (command, ["gst-inspect-1.0", "--exists", "rtpulpfecenc"]):
        if not there or subprocess.run(each, capture_output=True, timeout=60).returncode:
            return "no GStreamer (apt install gstreamer1.0-tools gstreamer1.0-plugins-good python3-gst-1.0)"
    return None


PEERS: dict[str, Probe] = {
    "aioice": module("aioice", "aioice"),
    "aiortc": module("aiortc", "aiortc"),
    "boringssl": native("boringssl"),
    "chromedriver": program("chromedriver", "chromium-driver"),
    "chromium": program("chromium", "chromium"),
    "coturn": program("turnserver", "coturn"),
    "dimpl": native("dimpl"),
    "ffmpeg": program("ffmpeg", "ffmpeg"),
    "firefox": program("firefox-esr", "firefox-esr"),
    "gnutls": program("gnutls-cli", "gnutls-bin"),
    "gstreamer": gstreamer,
    "hls-players": program("npm", "npm"),
    "ip-netns": network_namespaces,
    "janus": program("janus", "janus"),
    "kafka": kafka,
    "libsrtp": module("pylibsrtp", "pylibsrtp"),
    "livekit": program("go", "golang"),
    "nginx": program("nginx", "nginx-light"),
    "nftables": program("nft", "nftables"),
    "node": program("node", "nodejs"),
    "openssl": program("openssl", "openssl"),
    "pion-dtls": program("go", "golang"),
    "pion-ice": program("go", "golang"),
    "pion-media": program("go", "golang"),
    "pion-sfu": program("go", "golang"),
    "pion-srtp": program("go", "golang"),
    "pion-turn": program("go", "golang"),
    "pion-webrtc": program("go", "golang"),
    "pyopenssl": module("OpenSSL", "pyopenssl"),
    "small-disk": small_disk,
    "str0m": native("str0m"),
    "tshark": program("tshark", "tshark"),
    "versitygw": native("versitygw"),
    "webrtcbin": webrtcbin,
    "werift": program("npm", "npm"),
    "wolfssl": native("wolfssl"),
    "wrtc": module("webrtc", "wrtc"),
}


@functools.cache
def why_absent(name: str) -> str | None:
    """None when the peer is here, else a sentence that says what is missing."""
    return PEERS[name]()
