"""The parts of a deployment and their keepers: in which order they start, are replaced, and stop."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from itertools import count, groupby

from gapura_supervisor.edge import Edge
from gapura_supervisor.errors import SupervisionError
from gapura_supervisor.keeper import Keeper
from gapura_supervisor.part import Part
from gapura_supervisor.state import PartState

Say = Callable[[str], None]


class Crew:
    """Every part that is kept running.

    Args:
        parts: What to run.
        edge: Is told which workers there are when they are replaced.
        mark: Begins the marks of all processes.
        changed: Is told whenever the state of a part is another.
        say: Takes lines for the operator.
    """

    def __init__(self, parts: Sequence[Part], edge: Edge, mark: str, changed: Callable[[], None], say: Say) -> None:
        self._edge = edge
        self._mark = mark
        self._changed = changed
        self._say = say
        self._serials = count(1)
        self._keepers = [self._keeper(part) for part in sorted(parts, key=_stage)]
        self._tasks: dict[Keeper, asyncio.Task[None]] = {}

    @property
    def states(self) -> list[PartState]:
        """How the parts fare, in the order in which they start."""
        return [keeper.state for keeper in self._keepers]

    @property
    def unclean(self) -> list[str]:
        """Names those that had to be killed when they were told to stop."""
        return [keeper.part.name for keeper in self._keepers if keeper.unclean]

    async def start(self) -> None:
        """Starts the parts, stage by stage; returns when all are ready, however long that takes.

        Raises:
            SupervisionError: A part ends again and again, or is silent for too long, without ever being ready.
        """
        for _, stage in groupby(tuple(self._keepers), lambda keeper: keeper.part.stage):
            keepers = tuple(stage)
            for keeper in keepers:
                self._tasks[keeper] = keeper.start()
            await self._require_all(keeper for keeper in keepers if keeper.part.awaited)
        await self._require_all(self._keepers)

    async def _require_all(self, keepers: Iterable[Keeper]) -> None:
        await asyncio.gather(*(self._require_ready(keeper) for keeper in keepers))

    async def watch(self) -> None:
        """Returns never.

        Raises:
            Exception: A keeper has failed, which is a defect.
        """
        while True:
            for task in tuple(self._tasks.values()):
                if task.done():
                    task.result()
            try:
                await self._edge.follow()
            except SupervisionError as error:
                self._say(str(error))
            await asyncio.sleep(1)

    async def stop(self) -> None:
        """Ends the parts, the last stage first."""
        for _, stage in groupby(reversed(tuple(self._keepers)), lambda keeper: keeper.part.stage):
            await asyncio.gather(*(keeper.stop() for keeper in stage), return_exceptions=True)

    def kill(self) -> None:
        """Ends every part at once; `stop` then returns soon."""
        for keeper in self._keepers:
            keeper.kill()

    async def reload(self, say: Say) -> None:
        """Replaces the parts that can be, one by one: none takes fewer calls than before, and no call is cut.

        Raises:
            SupervisionError: A replacement does not become ready. It is ended, and those that are there stay.
        """
        await self._edge.route(self._addresses())
        for old in [keeper for keeper in self._keepers if keeper.part.renew]:
            await self._replace(old, say)

    async def _replace(self, old: Keeper, say: Say) -> None:
        new = self._successor(old)
        self._keepers.insert(self._keepers.index(old) + 1, new)
        self._tasks[new] = new.start()
        try:
            await self._require_ready(new, new.part.patience.start_seconds)
            await self._edge.route(self._addresses(without=old))
        except SupervisionError:
            await self._dismiss(new)
            raise
        pid = old.state.pid
        await self._dismiss(old)
        end = f", which {old.state.last_end}" if old.unclean else ""
        say(f"{new.part.name}: process {new.state.pid} has taken over from {pid or 'none'}{end}")

    async def _dismiss(self, keeper: Keeper) -> None:
        """Ends a part for good, its calls first."""
        await keeper.stop()
        self._keepers.remove(keeper)
        del self._tasks[keeper]
        self._changed()

    def _successor(self, old: Keeper) -> Keeper:
        assert old.part.renew is not None  # noqa: S101 - chosen so
        return self._keeper(old.part.renew(next(self._serials)))

    def _addresses(self, without: Keeper | None = None) -> list[str]:
        return [keeper.part.address for keeper in self._keepers if keeper.part.renew and keeper is not without]

    def _keeper(self, part: Part) -> Keeper:
        return Keeper(part, self._mark, self._serials, self._changed, self._say)

    async def _require_ready(self, keeper: Keeper, seconds: float | None = None) -> None:
        """Waits until a part is ready.

        Raises:
            SupervisionError: It will not be, or takes too long.
        """
        ready, hopeless = asyncio.create_task(keeper.ready.wait()), asyncio.create_task(keeper.hopeless.wait())
        try:
            await asyncio.wait({ready, hopeless}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
            hopeless.cancel()
        if not keeper.ready.is_set():
            late = "" if keeper.hopeless.is_set() else f" within {seconds:.0f} s"
            raise SupervisionError(f"{keeper.part.name} does not become ready{late}, {keeper.last_words()}")


def _stage(part: Part) -> int:
    return part.stage
