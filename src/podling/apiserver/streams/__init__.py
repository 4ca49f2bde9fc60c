"""Subresources that leave the shape of request and answer: exec, attach, portforward, log, proxy.

The server has no way into a node of its own. Each of these asks the Dialer for a descriptor (`network/dialer.py`)
before it answers, so that what goes wrong is still an ordinary `Status`, and then moves bytes between that descriptor
and the client in whatever the client speaks: WebSocket channels, SPDY streams, chunks, or HTTP again.
"""
