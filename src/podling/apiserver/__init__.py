"""The API: http, filters, endpoints, admission, registry, in the order a request meets them."""
