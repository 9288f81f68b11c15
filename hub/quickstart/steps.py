"""Prints the steps of a tour as they happen: numbered, with the seconds each took."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

Say = Callable[[str], None]


class Steps:
    """Numbers steps from 1."""

    def __init__(self) -> None:
        self._number = 0

    @contextmanager
    def step(self, title: str) -> Iterator[Say]:
        """Announces a step, hands out a sink for its lines, and says how long it took."""
        self._number += 1
        click.echo(f"[{self._number}] {title}")
        started = time.perf_counter()
        yield _say
        _say(f"{time.perf_counter() - started:.1f} s")


def _say(line: str) -> None:
    click.echo(f"    {line}")
