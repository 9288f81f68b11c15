"""Progress bars on a terminal; lines elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from hub.publishing.progress import Progress as Stages
from hub.publishing.progress import Silent


class Bars:
    """Shows how many models are through, and what is being done with the one at hand."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    @contextmanager
    def over(self, models: int) -> Iterator[None]:
        """Shows a bar, which goes away at the end."""
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn())
        with Progress(*columns, TimeElapsedColumn(), console=self._console, transient=True) as progress:
            self._progress, self._task = progress, progress.add_task("comparing", total=models)
            try:
                yield
            finally:
                self._progress = self._task = None

    def stage(self, name: str, version: int, words: str) -> None:
        """Names what is being done."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, description=f"{name} version {version}: {words}")

    def done(self) -> None:
        """Takes the bar one model further."""
        if self._progress is not None and self._task is not None:
            self._progress.advance(self._task)

    def say(self, words: str) -> None:
        """Prints a line above the bar."""
        self._console.print(words, soft_wrap=True, markup=False, highlight=False)


def choose_progress(console: Console) -> Stages:
    """Returns bars for a terminal, and silence elsewhere."""
    return Bars(console) if console.is_terminal else Silent()
