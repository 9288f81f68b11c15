"""The process that publishers are forked from: it has imported what they need, and started no thread.

It reads a line per publisher and answers two: its process as it starts, and its status when it has ended.
"""

import os
import sys
from collections.abc import Callable

from hub.chatter import silence_mlflow

silence_mlflow()

import mlflow.store.model_registry.sqlalchemy_store  # noqa: E402 - after MLflow was told to be silent
import mlflow.store.tracking.sqlalchemy_store  # noqa: E402, F401 - as above

from hub.publication import publish_all  # noqa: E402
from hub.settings import read_settings  # noqa: E402


def _say(words: str) -> None:
    sys.stderr.write(f"{words}\n")


def serve(answer: Callable[[str], object]) -> None:
    """Forks a publisher per line."""
    for _ in sys.stdin.buffer:
        child = os.fork()
        if child == 0:
            os._exit(0 if publish_all(read_settings(), _say) else 1)
        answer(f"{child}\n")
        answer(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr] # it is a file
    serve(sys.stdout.write)
