"""Probe handlers, one file each, found by a scan for `PROBE`."""
