"""Peers: their environments, their processes, and what becomes of those that answer wrong."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from gapura_supervisor.processes import marked

from benchmarks.gbm import COLUMNS
from benchmarks.measuring.measurement import Pace
from benchmarks.measuring.verification import WrongAnswerError
from benchmarks.peers import raw
from benchmarks.peers.bout import fight, standing
from benchmarks.peers.environments import NoEnvironmentError, folder_of, make_environment
from benchmarks.peers.exam import Exam
from benchmarks.peers.peer import Peer
from benchmarks.peers.processes import NoStartError

SERVER = Path(__file__).parent / "mean_server.py"
PACE = Pace(rounds=1, seconds=0.6, warm_up_seconds=0.2, look_seconds=10.0)

Compose = Callable[[str], Peer]


@pytest.fixture(scope="module")
def requirements(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """A package of one line."""
    wheel = tmp_path_factory.mktemp("wheels") / "tiny-1.0-py3-none-any.whl"
    metadata = "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny.py", "VALUE = 1\n")
        archive.writestr("tiny-1.0.dist-info/METADATA", metadata)
        archive.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tiny-1.0.dist-info/RECORD", "")
    return (f"tiny @ file://{wheel}",)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where environments are."""
    return tmp_path_factory.mktemp("environments")


@pytest.fixture
def exam(tmp_path: Path) -> Exam:
    """Rows and their means; the first cell of every fourth row is positive."""
    rows = np.linspace(-1, 1, 8 * COLUMNS, dtype=np.float32).reshape(8, COLUMNS)
    rows[:, 0] = np.where(np.arange(8) % 4 == 3, 1, -1)
    return Exam(tmp_path / "model.onnx", tmp_path, rows, tuple(map(float, rows.mean(axis=1))))


@pytest.fixture
def compose(requirements: tuple[str, ...]) -> Compose:
    """What makes a peer of a kind."""

    def compose_peer(kind: str) -> Peer:
        return Peer(
            name=f"mean ({kind})",
            setting=kind,
            requirements=requirements,
            command=lambda place: [place.bin / "python", SERVER, str(place.port)],
            path="/",
            body=raw.compose_body,
            probability=raw.probability_of,
            environment={"KIND": kind},
        )

    return compose_peer


def test_environment_has_its_packages_and_is_made_once(requirements: tuple[str, ...], home: Path) -> None:
    bin_folder = make_environment(requirements, home)
    (library,) = bin_folder.parent.glob("lib/*/site-packages")
    assert (library / "tiny.py").exists()
    (library / "tiny.py").write_text("VALUE = 2\n")
    assert make_environment(requirements, home) == bin_folder
    assert (library / "tiny.py").read_text() == "VALUE = 2\n"


def test_environment_whose_making_failed_is_not_there(home: Path) -> None:
    missing = (f"missing @ file://{home}/missing-1.0-py3-none-any.whl",)
    with pytest.raises(NoEnvironmentError, match="cannot be installed"):
        make_environment(missing, home)
    assert not folder_of(missing, home).exists()
    assert not list(home.glob(".new-*"))


def test_other_requirements_are_another_environment(requirements: tuple[str, ...], home: Path) -> None:
    assert folder_of(requirements, home) != folder_of((*requirements, "six==1.17.0"), home)


def test_peer_is_measured(compose: Compose, exam: Exam, home: Path) -> None:
    bout = fight(compose("right"), [], {}, exam, PACE, home)
    (measured,) = bout.rounds["mean (right)"]
    assert measured.calls > 20
    assert measured.unanswered == 0
    assert measured.cpu_per_1000 > 0
    assert 0 < bout.cold_start_seconds < 30


def test_peer_that_answers_wrong_is_refused(compose: Compose, exam: Exam, home: Path) -> None:
    with pytest.raises(WrongAnswerError, match=r"mean \(wrong\): 2 of 8 answers are wrong"):
        fight(compose("wrong"), [], {}, exam, PACE, home)


def test_answers_that_get_short_under_load_are_counted(compose: Compose, exam: Exam, home: Path) -> None:
    bout = fight(compose("tiring"), [], {}, exam, PACE, home)
    (measured,) = bout.rounds["mean (tiring)"]
    assert measured.unanswered > measured.calls / 2


def test_peer_that_does_not_start_says_why(compose: Compose, exam: Exam, home: Path) -> None:
    with pytest.raises(NoStartError, match="the model is not there"):
        fight(compose("broken"), [], {}, exam, PACE, home)


def test_all_processes_of_a_peer_are_gone_afterwards(compose: Compose, exam: Exam, home: Path) -> None:
    with standing(compose("parent"), exam, home) as (alive, contestant):
        mark = f"peer-{alive.place.port}"
        assert contestant.name == compose("parent").name
        assert len(list(marked(mark))) == 2
    assert not list(marked(mark))
