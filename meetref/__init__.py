"""meetref: a complete video-conferencing system, written to be read."""

__version__ = "0.1.0"
