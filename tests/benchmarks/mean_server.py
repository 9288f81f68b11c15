"""A peer for tests: answers float32 0 and the mean of the row, over HTTP/1.1; `KIND` says what is wrong with it."""

import os
import subprocess
import sys
from array import array
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

KIND = os.environ["KIND"]
RIGHT_ANSWERS = 50
calls = count()


class Handler(BaseHTTPRequestHandler):
    """Answers calls."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answers a call."""
        row = array("f", self.rfile.read(int(self.headers["content-length"])))
        mean = sum(row) / len(row) + (1.0 if KIND == "wrong" and row[0] > 0 else 0.0)
        short = KIND == "tiring" and next(calls) > RIGHT_ANSWERS
        answer = b"" if short else array("f", (0.0, mean)).tobytes()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class Server(ThreadingHTTPServer):
    """Takes as many connections at once as a load opens."""

    request_queue_size = 128


if KIND == "broken":
    sys.exit("the model is not there")
if KIND == "parent":
    sleep = [
        sys.executable,
        "-c",
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)",
    ]
    subprocess.Popen(sleep, start_new_session=True)
Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
