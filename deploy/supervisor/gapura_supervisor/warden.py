"""Outlives the supervisor, however that ends, and clears up: `python -m gapura_supervisor.warden MARK SOCKETS`.

Parts themselves are on a leash; this is for what parts have started, and what those have.
"""

import shutil
import signal
import sys
from functools import partial

from gapura_supervisor.processes import kill_all, marked


def main(mark: str, sockets: str) -> None:
    """Waits until the supervisor's end of the pipe is closed; kills what carries the mark, and removes the sockets."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    kill_all(partial(marked, mark))
    shutil.rmtree(sockets, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
