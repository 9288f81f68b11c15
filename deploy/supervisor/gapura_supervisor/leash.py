"""Turns into a command that the kernel signals when its parent dies: `python leash.py PARENT_PID SIGNAL COMMAND ...`.

A file of its own without imports of ours, so that it costs a tenth of a second less.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def leashed(command: list[str], number: signal.Signals = signal.SIGKILL) -> list[str]:
    """Returns a command line that ends with this process; the thread that starts it has to live as long."""
    return [sys.executable, "-IS", __file__, str(os.getpid()), str(int(number)), *command]


def main(parent: int, number: int, command: list[str]) -> None:
    """Replaces this process by the command, with every signal let through."""
    if ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number):
        sys.exit("prctl is refused")
    if os.getppid() != parent:  # it died meanwhile, and the kernel cannot tell
        sys.exit("the supervisor is gone")
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
