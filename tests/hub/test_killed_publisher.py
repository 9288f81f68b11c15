"""A publisher may be killed at any moment: what the catalog names is whole, and the next one finishes the work."""

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hub.champion import ALIAS
from tests.hub.crash import Crash, CrashPoint
from tests.hub.workplace import Workplace

OLD, NEW, GONE = "team1_old", "team2_new", "team3_gone"
MOST_CHANGES = 200


@pytest.fixture(scope="module")
def crash_point() -> CrashPoint:
    return CrashPoint()


def replace_version(workplace: Workplace) -> dict[str, list[int]]:
    """A live model has a new version."""
    workplace.register(OLD)
    workplace.publish()
    workplace.register(OLD)
    return {OLD: [2]}


def add_and_withdraw(workplace: Workplace) -> dict[str, list[int]]:
    """One model is new; one has lost its alias."""
    workplace.register(GONE)
    workplace.publish()
    workplace.register(NEW)
    workplace.client().delete_registered_model_alias(GONE, ALIAS)
    return {NEW: [1]}


def copy(workplace: Workplace, root: Path) -> Workplace:
    """Copies all but the artifacts, which nobody writes."""
    root.mkdir()
    shutil.copy(workplace.database, root)
    shutil.copytree(workplace.repository, root / "model_repository")
    shutil.copytree(workplace.catalog_file.parent, root / "catalog")
    return Workplace(root)


def served(workplace: Workplace) -> dict[str, list[int]]:
    return {model.name: [version.number for version in model.versions] for model in workplace.catalog().models}


@pytest.mark.parametrize("prepare", [replace_version, add_and_withdraw])
def test_every_moment_is_safe(
    workplace: Workplace,
    tmp_path: Path,
    crash_point: CrashPoint,
    monkeypatch: pytest.MonkeyPatch,
    prepare: Callable[[Workplace], dict[str, list[int]]],
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # what the dead leave behind goes with the test
    wanted = prepare(workplace)
    for change in range(MOST_CHANGES):
        place = copy(workplace, tmp_path / f"crash-{change}")
        try:
            with crash_point.at(change, place.root):
                place.publish()
        except Crash:
            place.require_whole()
        else:
            assert change > 10, "the publisher made fewer changes than it must"
            break
        if OLD in wanted:
            assert served(place)[OLD] in ([1], [2])
        place.publish()
        place.require_settled()
        assert served(place) == wanted
    else:
        pytest.fail("the publisher never came to an end")


@pytest.mark.parametrize(("prepare", "appears"), [(replace_version, f"{OLD}/2"), (add_and_withdraw, NEW)])
def test_a_real_kill_is_safe(
    workplace: Workplace, prepare: Callable[[Workplace], dict[str, list[int]]], appears: str
) -> None:
    wanted = prepare(workplace)
    code = (
        "import sys; from pathlib import Path; from tests.hub.workplace import Workplace;"
        "Workplace(Path(sys.argv[1])).publish()"
    )
    publisher = subprocess.Popen([sys.executable, "-c", code, str(workplace.root)], cwd=Path(__file__).parents[2])
    while not (workplace.repository / appears).exists() and publisher.poll() is None:
        time.sleep(0.0005)
    publisher.kill()
    assert publisher.wait() in {-signal.SIGKILL, 0}  # it may have been quicker than we
    workplace.require_whole()
    workplace.publish()
    workplace.require_settled()
    assert served(workplace) == wanted
