"""Scripts that run inside Pods: servers that say who they are, and clients that print JSON."""

SERVE = """
import json, socket, socketserver, threading
name = socket.gethostname()
class Tcp(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(json.dumps([name, self.client_address[0]]).encode() + b"\\n")
        for line in self.rfile:
            self.wfile.write(line)
class Udp(socketserver.DatagramRequestHandler):
    def handle(self):
        self.wfile.write(name.encode())
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 128
threading.Thread(target=socketserver.UDPServer(("", 8081), Udp).serve_forever, daemon=True).start()
Server(("", 8080), Tcp).serve_forever()
"""
"""Says its name and whom it sees, then echoes lines (TCP 8080); says its name (UDP 8081)."""

TALK = """
import json, socket, sys
host, port, times = sys.argv[1:]
answers = []
for _ in range(int(times)):
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        answers.append(json.loads(connection.makefile().readline()))
print(json.dumps(answers))
"""

UDP = """
import json, socket, sys
host, port, times = sys.argv[1:]
answers = []
for _ in range(int(times)):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.settimeout(5)
        sender.connect((socket.gethostbyname(host), int(port)))
        sender.send(b"who")
        answers.append(sender.recv(100).decode())
print(json.dumps(answers))
"""

CONNECT = """
import errno, json, socket, sys, time
began = time.monotonic()
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3).close()
    reason = "connected"
except TimeoutError:
    reason = "timed out"
except OSError as error:
    reason = errno.errorcode.get(error.errno, str(error))
print(json.dumps([reason, time.monotonic() - began]))
"""
"""[reason, seconds]"""

ASK = """
import json, socket, struct, sys
name, kind = sys.argv[1:]
KINDS = {"A": 1, "CNAME": 5, "PTR": 12, "AAAA": 28, "SRV": 33}
CODES = {0: "NOERROR", 2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED"}
server = next(line.split()[1] for line in open("/etc/resolv.conf") if line.startswith("nameserver"))
question = b"".join(bytes([len(part)]) + part.encode() for part in name.strip(".").split(".")) + b"\\0"
question += struct.pack("!HH", KINDS[kind], 1)

def name_at(data, at):
    parts, after = [], None
    while data[at]:
        if data[at] >= 192:
            after = after or at + 2
            at = struct.unpack_from("!H", data, at)[0] & 0x3FFF
        else:
            parts.append(data[at + 1 : at + 1 + data[at]].decode())
            at += 1 + data[at]
    return ".".join(parts), after or at + 1

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
    sender.settimeout(3)
    sender.sendto(struct.pack("!6H", 4711, 0x100, 1, 0, 0, 0) + question, (server, 53))
    data = sender.recv(4096)
_, flags, _, answers, _, _ = struct.unpack_from("!6H", data)
at, found = 12 + len(question), []
for _ in range(answers):
    _, at = name_at(data, at)
    record, _, _, length = struct.unpack_from("!HHIH", data, at)
    at += 10
    if record == KINDS[kind]:
        if record == 1:
            found.append(socket.inet_ntoa(data[at : at + 4]))
        elif record == 33:
            found.append([struct.unpack_from("!H", data, at + 4)[0], name_at(data, at + 6)[0]])
        else:
            found.append(name_at(data, at)[0] if record != 28 else data[at : at + 16].hex())
    at += length
print(json.dumps([CODES[flags & 15], found]))
"""
"""[code, records of the kind asked for]"""
