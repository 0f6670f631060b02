"""An HTTP server on loopback for the tests; what it does depends on the path.

    http_server.py DIRECTORY [CERTIFICATE KEY]

The port is written to DIRECTORY/port, and taken again when it stands there.  Every POST is a line of JSON in DIRECTORY/posts: path,
headers, body.  GET gives the files below DIRECTORY/files.  Paths that do something else:

    /ok                200, for POST
    /status/N          N, with a short body
    /slow              answers after a minute
    /drip              200, then a byte each half second
    /endless           200, then bytes without end
    /endless-error     500, then bytes without end
    /redirect?URL      302 to there
    /loop              302 to itself
    /truncated         promises 1000 bytes and sends 10
    /cut/N/FILE        promises all of a file and sends N bytes
    /gone/N/FILE       sends N bytes of a file, and promises nothing
    /slowly/MS/FILE    sends a file in pieces of 64 kB with a pause between two
    /flaky/N           500 for the first N calls of that path, then 200
    /echo              400, and says the request's headers, the last one first, and body
    /reset             closes the connection without an answer
    /brotli            says that its body is encoded so
"""
import http.server
import json
import os
import ssl
import sys
import threading
import time
import urllib.parse

directory = sys.argv[1]
lock = threading.Lock()
calls = {}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if not any(name == "Content-Length" for name, _ in headers):
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def endless(self, status, pause=0.0, piece=b"x" * 65536):
        self.send_response(status)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        while True:
            self.wfile.write(piece)
            self.wfile.flush()
            time.sleep(pause)

    def act(self, body):
        path, _, query = self.path.partition("?")
        with lock:
            calls[path] = calls.get(path, 0) + 1
            count = calls[path]
        steps = path.strip("/").split("/")
        if steps[0] == "ok":
            self.answer(200, b"ok")
        elif steps[0] == "status":
            self.answer(int(steps[1]), b"this is\n status %s" % steps[1].encode())
        elif steps[0] == "slow":
            time.sleep(60)
            self.answer(200, b"late")
        elif steps[0] == "drip":
            self.endless(200, 0.5, b"a\n")
        elif steps[0] == "endless":
            self.endless(200)
        elif steps[0] == "endless-error":
            self.endless(500)
        elif steps[0] == "redirect":
            self.answer(302, b"", [("Location", urllib.parse.unquote(query))])
        elif steps[0] == "loop":
            self.answer(302, b"", [("Location", "/loop")])
        elif steps[0] == "truncated":
            self.answer(200, b"0123456789", [("Content-Length", "1000")])
        elif steps[0] == "cut":
            self.send_file(steps[2], most=int(steps[1]))
        elif steps[0] == "gone":
            self.send_file(steps[2], most=int(steps[1]), promise=False)
        elif steps[0] == "slowly":
            self.send_file(steps[2], pause=int(steps[1]) / 1000)
        elif steps[0] == "flaky":
            self.answer(200 if count > int(steps[1]) else 500, b"call %d" % count)
        elif steps[0] == "echo":
            self.answer(400, b"\n".join(reversed(str(self.headers).encode().split(b"\n"))) + body)
        elif steps[0] == "brotli":
            self.answer(200, b"abc", [("Content-Encoding", "br")])
        elif steps[0] == "reset":
            self.close_connection = True
        else:
            self.send_file(path)

    def send_file(self, path, most=None, promise=True, pause=0):
        name = os.path.join(directory, "files", os.path.basename(path))
        if not os.path.isfile(name):
            self.answer(404, b"no such file")
            return
        with open(name, "rb") as file:
            left = os.path.getsize(name)
            self.send_response(200)
            if promise:
                self.send_header("Content-Length", str(left))
            if most is not None:
                left = min(left, most)
                self.send_header("Connection", "close")
                self.close_connection = True
            self.end_headers()
            while left > 0 and (piece := file.read(min(left, 1 << (16 if pause else 20)))):
                self.wfile.write(piece)
                left -= len(piece)
                time.sleep(pause)

    def guarded(self, body):
        try:
            self.act(body)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.close_connection = True

    def do_GET(self):
        self.guarded(b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with lock, open(os.path.join(directory, "posts"), "a") as posts:
            posts.write(json.dumps({"path": self.path, "headers": dict(self.headers), "body": body.decode()}) + "\n")
        self.guarded(body)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


port = 0
if os.path.exists(os.path.join(directory, "port")):
    with open(os.path.join(directory, "port")) as file:
        port = int(file.read())
server = Server(("127.0.0.1", port), Handler)
if len(sys.argv) > 2:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
with open(os.path.join(directory, "port.new"), "w") as file:
    file.write(str(server.server_address[1]))
os.rename(os.path.join(directory, "port.new"), os.path.join(directory, "port"))
with open(os.path.join(directory, "ready"), "w"):
    pass
server.serve_forever()
