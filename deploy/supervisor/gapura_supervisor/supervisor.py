"""Runs a deployment until it is told to stop."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence

from gapura_supervisor.control import Control
from gapura_supervisor.crew import Crew, Say
from gapura_supervisor.edge import Edge
from gapura_supervisor.errors import SupervisionError
from gapura_supervisor.logs import rotate
from gapura_supervisor.part import Part
from gapura_supervisor.state import Place, State

STOPPED, FAILED, ENDED_AT_ONCE = 0, 1, 130
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_WRITE_SECONDS = 0.05
_ROTATE_SECONDS = 2.0


class Supervisor:
    """Keeps parts running, from the first that starts to the last that ends.

    Args:
        parts: What to run.
        edge: Is told which workers there are when they are replaced.
        state: Where all this is; its parts are filled in.
        place: Takes the state.
        say: Takes lines for the operator.
        when_ready: Is told once every part is ready.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what there is to know
        self,
        parts: Sequence[Part],
        edge: Edge,
        state: State,
        place: Place,
        say: Say,
        when_ready: Callable[[State], None],
    ) -> None:
        self._crew = Crew(parts, edge, state.mark, self._note, say)
        self._logs = {part.log.parent for part in parts}
        self._state = state
        self._place = place
        self._say = say
        self._when_ready = when_ready
        self._changed = asyncio.Event()
        self._stop, self._again = asyncio.Event(), asyncio.Event()
        self._all_ready = False
        self._control = Control(place.control, {"reload": self._reload})

    async def run(self) -> int:
        """Returns the exit status: 0 after a drain, 1 for parts that fail, 130 after a second signal."""
        for number in STOP_SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._take_signal)
        beside = [asyncio.create_task(work()) for work in (self._write_states, self._keep_warden, self._bound_logs)]
        await self._control.open()
        try:
            status = await self._serve()
            await self._end()
        finally:
            self._control.close()
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            self._place.write(self._snapshot())
        if self._again.is_set():
            return ENDED_AT_ONCE
        return FAILED if self._crew.unclean else status

    async def _serve(self) -> int:
        """Starts everything, and returns when it is told to stop or a part is hopeless."""
        work = asyncio.create_task(self._start_and_watch())
        stop = asyncio.create_task(self._stop.wait())
        await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        work.cancel()
        (result,) = await asyncio.gather(work, return_exceptions=True)
        if isinstance(result, SupervisionError):
            self._say(f"Error: {result}")
        elif isinstance(result, Exception):
            self._say(f"Error: a defect: {result!r}")
        return FAILED if isinstance(result, Exception) else STOPPED

    async def _start_and_watch(self) -> None:
        await self._crew.start()
        self._all_ready = True
        self._when_ready(self._snapshot())
        await self._crew.watch()

    async def _end(self) -> None:
        """Lets every part finish, or ends them at once when told so again."""
        ending = asyncio.create_task(self._crew.stop())
        again = asyncio.create_task(self._again.wait())
        await asyncio.wait({ending, again}, return_when=asyncio.FIRST_COMPLETED)
        again.cancel()
        if not ending.done():
            self._crew.kill()
        await ending
        for name in self._crew.unclean:
            self._say(f"{name} had to be killed: it took too long to end")

    async def _reload(self, say: Say) -> None:
        """Carries out `gapura reload`.

        Raises:
            SupervisionError: Not everything was replaced.
        """
        if self._stop.is_set() or not self._all_ready:
            raise SupervisionError("the deployment is " + ("stopping" if self._stop.is_set() else "still starting"))
        self._say("reloading")
        work = asyncio.create_task(self._crew.reload(say))
        stop = asyncio.create_task(self._stop.wait())
        await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        self._place.write(self._snapshot())  # whoever ordered it may look at once
        if not work.done():
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            raise SupervisionError("the deployment was told to stop")
        work.result()

    def _take_signal(self) -> None:
        if self._stop.is_set():
            self._again.set()
        self._stop.set()

    def _note(self) -> None:
        self._changed.set()

    def _snapshot(self) -> State:
        state = self._state
        return State(state.supervisor, state.mark, state.sockets, state.since, self._crew.states)

    async def _write_states(self) -> None:
        """Records changes, a burst of them once."""
        while True:
            try:
                self._place.write(self._snapshot())
            except OSError as error:  # a full disk must not end what serves
                self._say(f"the state cannot be written: {error}")
            await self._changed.wait()
            await asyncio.sleep(_WRITE_SECONDS)
            self._changed.clear()

    async def _bound_logs(self) -> None:
        """Rotates every log beside those of the parts, whoever writes it."""
        while True:
            for log in [path for folder in self._logs for path in folder.glob("*.log")]:
                await asyncio.to_thread(rotate, log)
            await asyncio.sleep(_ROTATE_SECONDS)

    async def _keep_warden(self) -> None:
        """Has a process that ends what is left when this one is killed."""
        while True:
            warden = subprocess.Popen(  # noqa: S603, ASYNC220 - our own command; it takes a millisecond
                [sys.executable, "-m", "gapura_supervisor.warden", self._state.mark, self._state.sockets],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            try:
                while warden.poll() is None:
                    await asyncio.sleep(1)
            finally:
                if warden.stdin is not None:
                    warden.stdin.close()
                warden.wait()
            self._say("the warden ended; another is started")
