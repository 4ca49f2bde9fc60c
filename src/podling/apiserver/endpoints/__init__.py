"""One verb, one file: how a request to a resource is answered."""
