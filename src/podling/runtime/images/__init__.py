"""The image store: content-addressed blobs, unpacked layers, build, load and pull."""
