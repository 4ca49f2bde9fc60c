"""Volume types, one file each, found by a scan for `VOLUME`."""
