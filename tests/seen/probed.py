"""What runs inside the Pods of these tests: a server that is told to fail, and says when it was asked."""

PROBED = """
import http.server, os, signal, sys, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        code = 500 if os.path.exists("/tmp/broken") else 200
        if self.path == "/ready":
            print("probe", time.time(), code, flush=True)
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
"""


def probed_pod(name: str, **probes: dict) -> dict:
    """A Pod labelled app=probed; probes have period, timeout and thresholds of 1 unless said otherwise."""
    filled = {
        kind: {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1, "timeoutSeconds": 1}
        | {"failureThreshold": 1}
        | probe
        for kind, probe in probes.items()
    }
    container = {"name": "c", "image": "host:1", "command": ["python3", "-c", PROBED], **filled}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "probed"}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
    }
