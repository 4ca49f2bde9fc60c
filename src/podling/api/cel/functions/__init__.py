"""The function libraries, one a file; each holds a tuple `FUNCTIONS`."""
