"""Bytes to values and back. Pure functions and plain values: no peer, no clock, no state."""
