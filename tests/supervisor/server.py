"""A server that behaves as its command line says: `python server.py NAME PORT JOURNAL [BEHAVIOUR ...]`.

It answers GET with 200, and writes what happens to it into a journal that all servers share.
"""

import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import FrameType

NAME, PORT, JOURNAL, BEHAVIOURS = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), set(sys.argv[4:])


def note(event: str) -> None:
    """Writes a line that is whole, whoever else writes."""
    with JOURNAL.open("a") as journal:
        journal.write(f"{NAME} {event}\n")


class Answer(BaseHTTPRequestHandler):
    """Answers 200, or 503 if it is unready."""

    def do_GET(self) -> None:
        """Answers."""
        self.send_response(503 if "unready" in BEHAVIOURS else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def end(_number: int, _frame: FrameType | None) -> None:
    """Takes SIGTERM."""
    note("told to end")
    if "stubborn" in BEHAVIOURS:
        return
    time.sleep(0.3 if "slow" in BEHAVIOURS else 0)
    note("ended")
    os._exit(0)


if __name__ == "__main__":
    sys.stdout.write(f"{NAME} begins\n")
    sys.stdout.flush()
    if "fails" in BEHAVIOURS:
        sys.exit(f"{NAME} has no luck")
    if "silent" in BEHAVIOURS:
        time.sleep(600)
    if "breeds" in BEHAVIOURS:  # a grandchild that leaves the process group and lets go of everything
        child = subprocess.Popen(["sleep", "600"], start_new_session=True)  # noqa: S607 - wherever it is
        note(f"bred {child.pid}")
    signal.signal(signal.SIGTERM, end)
    note("begun")
    HTTPServer(("127.0.0.1", PORT), Answer).serve_forever()
