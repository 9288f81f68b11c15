"""A conversion runs in a process of its own: what it does to that process, it does to nobody else."""

import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from converters import Conversion, ConversionError
from hub.conversions import Workshop
from hub.errors import ModelRefusedError
from tests.hub.troubled import eats, ends, fails, hangs, is_killed, refuses
from tests.hub.workplace import WORKSHOP
from tests.triton.nodes import wait_until

ROOT = Path(__file__).parents[2]
WAIT_SECONDS = 20.0


def is_alive(process: int) -> bool:
    """Whether it runs; one that nobody has reaped does not."""
    try:
        return "State:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


@pytest.mark.parametrize(
    ("convert", "reason"),
    [
        (partial(ends, 7), "its conversion crashed (exit status 7): log another model"),
        (partial(ends, 0), "its conversion crashed (exit status 0): log another model"),
        (is_killed, "its conversion crashed (signal 6): log another model"),
        (refuses, "the model has no signature"),
        (fails, "its conversion fails (KeyError: 'unforeseen'): report this"),
    ],
)
def test_what_goes_wrong_is_said(convert: Callable[[], Conversion], reason: str) -> None:
    with pytest.raises((ConversionError, ModelRefusedError)) as refused:
        WORKSHOP.run(convert)
    assert str(refused.value) == reason


def test_limits_are_kept_and_a_server_that_died_is_replaced(tmp_path: Path) -> None:
    with Workshop(4.0, memory_mib=1000) as workshop:
        with pytest.raises(ConversionError, match="needs more than 1000 MiB: simplify it"):
            workshop.run(eats)
        with pytest.raises(ModelRefusedError, match="takes longer than 4 s"):
            workshop.run(partial(hangs, str(tmp_path / "hanging")))
        hanging = int((tmp_path / "hanging").read_text())
        assert not is_alive(hanging)
        before = workshop.start()
        before.kill()
        before.wait()
        with pytest.raises(ConversionError, match="no signature"):
            workshop.run(refuses)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_however_a_publisher_ends_its_conversion_ends_with_it(tmp_path: Path, number: signal.Signals) -> None:
    told = tmp_path / "hanging"
    code = (
        "import sys; from functools import partial; from hub.conversions import Workshop;"
        "from tests.hub.troubled import hangs; Workshop().run(partial(hangs, sys.argv[1]))"
    )
    publisher = subprocess.Popen([sys.executable, "-c", code, str(told)], cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: told.exists() and bool(told.read_text()), WAIT_SECONDS)
        hanging = int(told.read_text())
        server = int(Path(f"/proc/{hanging}/stat").read_text().rpartition(")")[2].split()[1])
        publisher.send_signal(number)
        publisher.wait(WAIT_SECONDS)
        wait_until(lambda: not is_alive(hanging) and not is_alive(server), WAIT_SECONDS)
    finally:
        publisher.kill()
        publisher.wait()
