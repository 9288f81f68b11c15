"""Starts the process of a part: on a leash, marked, in a process group of its own, its output in its log."""

import asyncio
import os
from asyncio.subprocess import DEVNULL, STDOUT, Process

from gapura_supervisor.leash import leashed
from gapura_supervisor.part import Part
from gapura_supervisor.processes import MARK


async def spawn(part: Part, mark: str) -> Process:
    """Starts a part.

    Raises:
        OSError: It cannot be started, or its log not be opened.
    """
    part.log.parent.mkdir(parents=True, exist_ok=True)
    with part.log.open("ab") as log:
        return await asyncio.create_subprocess_exec(
            *leashed(list(part.command)),
            env={**os.environ, **part.environment, MARK: mark},
            stdin=DEVNULL,
            stdout=log,
            stderr=STDOUT,
            process_group=0,
        )
