"""Gapura beside what a user would pick instead, each at its best setting: the same model, right answers first.

Peers come one after the other, and each alternates with Gapura, so that every ratio is of the same minutes.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import uvloop

from benchmarks.measuring.contestants import Contestant
from benchmarks.measuring.measurement import Measurement, Pace
from benchmarks.measuring.ratios import Ratio, ratio_of
from benchmarks.measuring.results import Findings, Table
from benchmarks.measuring.verification import WrongAnswerError, verify
from benchmarks.peers import ground
from benchmarks.peers.bout import GRPC_SHAPE, HTTP_SHAPE, Rounds, fight, play
from benchmarks.peers.environments import NoEnvironmentError, make_environments
from benchmarks.peers.exam import Exam
from benchmarks.peers.field import (
    bentoml,
    fastapi_onnxruntime,
    fastapi_pyfunc,
    kserve,
    litserve,
    mlflow_serve,
    mlserver,
    mosec,
    pytriton,
    ray_serve,
)
from benchmarks.peers.model import set_exam
from benchmarks.peers.peer import Peer
from benchmarks.peers.processes import NoStartError

THOROUGH, QUICK = Pace(rounds=4, seconds=4.0, warm_up_seconds=1.0), Pace(rounds=2, seconds=1.2, warm_up_seconds=0.4)
LOOK_SECONDS = 0.5
"""Between the looks at answers: those of slow peers would be a part of what they answer otherwise."""

FIELD: tuple[Peer, ...] = (
    *mosec.PEERS,
    *fastapi_onnxruntime.PEERS,
    *kserve.PEERS,
    *mlserver.PEERS,
    *fastapi_pyfunc.PEERS,
    *pytriton.PEERS,
    *litserve.PEERS,
    *mlflow_serve.PEERS,
    *bentoml.PEERS,
    *ray_serve.PEERS,
)
TIMES_LESS: Mapping[str, float] = {
    kserve.NAME: 6,
    mlserver.NAME: 8,
    fastapi_pyfunc.NAME: 14,
    "LitServe": 20,
    mlflow_serve.NAME: 25,
    "BentoML": 25,
    ray_serve.BEHIND_PROXY: 50,
}
"""How many times less CPU Gapura has to take for a call than a peer at its best setting."""

COLUMNS = ("", "CPU over Gapura's", "lowest", "highest", "Gapura's calls/s over its", "cold start s")


@dataclass(slots=True)
class Standings:
    """What came of the bouts so far.

    Attributes:
        rounds: Of each contestant, by its name; Gapura's of all bouts one after the other.
        cpu: CPU of each over Gapura's in the same rounds.
        rates: Gapura's calls per second over those of each.
        cold_starts: Seconds that peers took to their first right answer.
    """

    rounds: Rounds = field(default_factory=dict)
    cpu: dict[str, Ratio] = field(default_factory=dict)
    rates: dict[str, Ratio] = field(default_factory=dict)
    cold_starts: dict[str, float] = field(default_factory=dict)

    def take(self, rounds: Mapping[str, Sequence[Measurement]]) -> None:
        """Adds rounds in which Gapura took part."""
        gapura = rounds[ground.GATEWAY]
        for name, measured in rounds.items():
            self.rounds.setdefault(name, []).extend(measured)
            if name not in self.cpu:
                self.cpu[name] = ratio_of(cpu_of(measured), cpu_of(gapura))
                self.rates[name] = ratio_of(rates_of(gapura), rates_of(measured))

    def tabulate(self) -> Table:
        """Returns the ratios, a row for each contestant."""
        rows = (
            (
                name,
                *(round(figure, 2) for figure in (cpu.median, cpu.low, cpu.high, self.rates[name].median)),
                round(self.cold_starts[name], 1) if name in self.cold_starts else "",
            )
            for name, cpu in self.cpu.items()
        )
        return Table("beside Gapura in the same rounds", COLUMNS, tuple(rows))


def measure(pace: Pace) -> Findings:
    """Runs the suite."""
    exam, looking = set_exam(), replace(pace, look_seconds=LOOK_SECONDS)
    make_environments([peer.requirements for peer in FIELD])
    findings, standings = Findings(), Standings()
    with ground.open_ground() as own, tempfile.TemporaryDirectory() as scratch:
        sizes = uvloop.run(verify(own.values()))
        standings.take(uvloop.run(play(list(own.values()), sizes, looking, Path(scratch))))
        for peer in FIELD:
            try:
                admit(peer, own, sizes, exam, looking, standings)
            except (NoEnvironmentError, NoStartError, WrongAnswerError) as error:
                findings.problems.append(f"{peer.name} is refused: {error}")
    findings.take(f"one row, {GRPC_SHAPE} over gRPC, {HTTP_SHAPE} over HTTP/1.1", standings.rounds)
    findings.tables.append(standings.tabulate())
    settings = tuple((peer.name, peer.setting, peer.requirements[0]) for peer in FIELD)
    findings.tables.append(Table("each at its best setting", ("", "setting", "release"), settings))
    findings.figures["cold_start_seconds"] = standings.cold_starts
    judge(findings, standings)
    return findings


def admit(  # noqa: PLR0913, PLR0917 - what a bout consists of
    peer: Peer,
    own: Mapping[str, Contestant],
    sizes: Mapping[str, int],
    exam: Exam,
    pace: Pace,
    standings: Standings,
) -> None:
    """Lets a peer alternate with Gapura; with one that has the model inside, where that is what it is held against."""
    beside = [own[ground.GATEWAY], *([own[ground.EMBEDDED]] if peer.name == mosec.NAME else [])]
    bout = fight(peer, beside, sizes, exam, pace)
    standings.take(bout.rounds)
    standings.cold_starts[peer.name] = bout.cold_start_seconds


def judge(findings: Findings, standings: Standings) -> None:
    """Holds peers against what is promised."""
    for name, least in TIMES_LESS.items():
        if name in standings.cpu:
            findings.compare(f"CPU of {name} over Gapura's", standings.cpu[name], at_least=least)
    if mosec.NAME in standings.rounds:
        theirs = standings.rounds[mosec.NAME]
        inside = standings.rounds[ground.EMBEDDED][-len(theirs) :]
        ratio = ratio_of(cpu_of(theirs), cpu_of(inside))
        findings.compare(f"CPU of {mosec.NAME} over the embedded backend's", ratio, at_least=1)


def cpu_of(measured: Sequence[Measurement]) -> list[float]:
    """Returns the CPU seconds per 1,000 calls of each round."""
    return [each.cpu_per_1000 for each in measured]


def rates_of(measured: Sequence[Measurement]) -> list[float]:
    """Returns the calls per second of each round."""
    return [each.calls_per_second for each in measured]


PARTS = {"field": measure}
