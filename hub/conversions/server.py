"""The process that conversions are forked from: one request per line, answered by how the child ended.

Nothing that it imports starts a thread, which a fork would not survive. It ends when its input does, and a conversion
under way with it.
"""

import json
import os
import pickle
import resource
import select
import signal
import sys
from pathlib import Path
from typing import Any

from hub.chatter import silence_mlflow

silence_mlflow()

import mlflow.sklearn  # noqa: E402, F401 - after MLflow was told to be silent
import sklearn.ensemble  # noqa: E402, F401 - most models are scikit-learn's; other libraries are imported when needed

import converters.from_sklearn  # noqa: E402, F401
import hub.artifact  # noqa: E402, F401
from converters import Conversion, ConversionError  # noqa: E402
from hub.errors import HubError  # noqa: E402

_MIB = 1024 * 1024


def serve() -> None:
    """Answers requests until there are none."""
    for line in sys.stdin.buffer:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            _work(Path(request["task"]), Path(request["answer"]), request["memory_mib"])
        sys.stdout.write(f"{_await(child, request['seconds'])}\n")
        sys.stdout.flush()


def _await(child: int, seconds: float) -> int:
    """Returns how a child ended, as `waitstatus_to_exitcode` does; by SIGALRM where its time was over.

    Whatever it does, it ends then, and also when nobody waits for it any more.
    """
    ended = os.pidfd_open(child)
    try:
        found, _, _ = select.select([sys.stdin, ended], [], [], seconds)
    finally:
        os.close(ended)
    if sys.stdin in found:  # no request comes before the answer: the publisher was killed
        os.killpg(os.getpid(), signal.SIGKILL)
    if not found:
        os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status if found else -signal.SIGALRM


def _work(task: Path, answer: Path, memory_mib: int) -> None:
    """Converts in the child, which ends here."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what models print is no answer
    resource.setrlimit(resource.RLIMIT_DATA, (memory_mib * _MIB, memory_mib * _MIB))
    content = pickle.dumps(_convert(task, memory_mib))
    try:
        answer.write_bytes(content)
    except OSError:
        os._exit(os.EX_IOERR)
    os._exit(os.EX_OK)


def _convert(task: Path, memory_mib: int) -> dict[str, bytes] | str:
    """Returns the files of a conversion, or why there are none."""
    try:
        convert: Any = pickle.loads(task.read_bytes())  # noqa: S301 - the publisher wrote it
        conversion: Conversion = convert()
        return dict(conversion.to_files())
    except Exception as error:  # noqa: BLE001 - whatever goes wrong with one model keeps no other from going live
        if isinstance(error, MemoryError) or isinstance(error.__cause__, MemoryError):
            return f"its conversion needs more than {memory_mib} MiB: simplify it, or set GAPURA_CONVERT_MEMORY_MIB"
        if isinstance(error, ConversionError | HubError):
            return str(error)
        return f"its conversion fails ({type(error).__name__}: {error}): report this"


if __name__ == "__main__":
    serve()
