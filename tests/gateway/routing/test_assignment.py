"""Which arm a unit has: in the right share, always the same, and independent of other experiments."""

import json
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from gateway.experiments import Exclusion
from gateway.routing.hashing import bucket_of, group_seed, mix_of, number_of
from tests.gateway.routing.models import CHAMPION, arms_of, experiment, routes_of, slices

UNITS = [f"customer-{number}" for number in range(1_000_000)]
SOME = UNITS[:20_000]

# Of chi-squared, at p = 0.001: https://www.itl.nist.gov/div898/handbook/eda/section3/eda3674.htm
MOST_WITH_2, MOST_WITH_8, MOST_WITH_99 = 13.816, 26.125, 148.230


def chi_squared(found: dict[str, int], expected: dict[str, float]) -> float:
    """Returns how far counts are from what is expected."""
    return sum((found.get(key, 0) - count) ** 2 / count for key, count in expected.items())


def test_a_million_units_are_divided_90_9_1() -> None:
    routes = routes_of(experiment(slices=slices(challenger=900, challenger_b=100)))
    found = Counter(arm.name for arm in arms_of(routes, UNITS))
    expected = {"champion": 900_000.0, "challenger": 90_000.0, "challenger-b": 10_000.0}
    assert chi_squared(found, expected) < MOST_WITH_2


def test_buckets_are_equally_large() -> None:
    mix = mix_of("some-seed")
    found = Counter(str(bucket_of(mix, number_of(unit)) // 100) for unit in UNITS[:200_000])
    assert chi_squared(found, {str(part): 2_000.0 for part in range(100)}) < MOST_WITH_99


def test_two_experiments_are_independent() -> None:
    shares = slices(challenger=3_000, challenger_b=2_000)
    one, other = (routes_of(experiment(name, slices=shares)) for name in ("one", "other"))
    pairs = zip(arms_of(one, UNITS[:200_000]), arms_of(other, UNITS[:200_000]), strict=True)
    found = Counter(f"{first.name} {second.name}" for first, second in pairs)
    parts = {"champion": 0.5, "challenger": 0.3, "challenger-b": 0.2}
    expected = {f"{first} {second}": 200_000 * a * b for first, a in parts.items() for second, b in parts.items()}
    assert chi_squared(found, expected) < MOST_WITH_8


def test_ramping_moves_only_units_that_must_move() -> None:
    before = arms_of(routes_of(experiment(slices=slices(challenger=1_000))), SOME)
    after = arms_of(routes_of(experiment(slices=slices(challenger=2_000))), SOME)
    moves = Counter((old.name, new.name) for old, new in zip(before, after, strict=True) if old.name != new.name)
    assert set(moves) == {("champion", "challenger")}
    assert moves.total() == pytest.approx(0.1 * len(SOME), rel=0.1)


def test_one_experiment_leaves_those_of_other_models_and_other_generations_alone() -> None:
    before = arms_of(routes_of(experiment()), SOME)
    again = arms_of(routes_of(experiment("elsewhere", tenants=frozenset({"other"})), experiment()), SOME)
    assert [arm.name for arm in before] == [arm.name for arm in again]


def test_a_unit_meets_one_experiment_of_a_group_at_most() -> None:
    parts = {name: Exclusion("pricing", first, 4_000) for name, first in (("one", 0), ("other", 5_000))}
    found = {}
    for name, part in parts.items():
        arms = arms_of(routes_of(experiment(name, exclusion=part, slices=slices(challenger=10_000))), SOME)
        found[name] = {unit for unit, arm in zip(SOME, arms, strict=True) if arm.experiment}
    assert not found["one"] & found["other"]
    assert [len(units) / len(SOME) for units in found.values()] == pytest.approx([0.4, 0.4], abs=0.02)


def test_what_no_experiment_takes_is_the_champions() -> None:
    arms = arms_of(routes_of(experiment(exclusion=Exclusion("pricing", 0, 1))), SOME)
    assert Counter(arm.experiment for arm in arms)[""] > 0.99 * len(SOME)
    assert arms[0].version is CHAMPION.version


@pytest.fixture(scope="module")
def reference() -> str:
    """Returns the JavaScript of the documentation."""
    page = Path(__file__).parents[3] / "docs/routing.md"
    (code,) = re.findall(r"```js\n(.*?)```", page.read_text(), re.DOTALL)
    return str(code)


def test_javascript_of_the_documentation_gives_every_unit_the_same_arm(reference: str) -> None:
    units = [*SOME[:2_000], "", "käse", "日本語", "🧀", "a/b", "%41", " "]
    part = Exclusion("pricing", 1_000, 7_000)
    given = experiment(slices=slices(challenger=900, challenger_b=100), exclusion=part)
    told = {
        "seed": given.seed,
        "slices": [{"arm": each.arm, "first_bucket": each.first, "buckets": each.count} for each in given.slices],
        "exclusion": {"group": part.group, "first_bucket": part.first, "buckets": part.count},
    }
    program = f"""{reference}
    const {{ experiment, units }} = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
    console.log(JSON.stringify(units.map((unit) => [bucketOf(experiment.seed, unit), armOf(experiment, unit)])));
    """
    asked = json.dumps({"experiment": told, "units": units})
    node = shutil.which("node")
    assert node, "Node.js is missing; Debian's package nodejs has it"
    done = subprocess.run([node, "-e", program], input=asked, capture_output=True, text=True, check=True)
    mix, group = mix_of(given.seed), mix_of(group_seed(part.group))
    found = json.loads(done.stdout)
    assert [bucket for bucket, _ in found] == [bucket_of(mix, number_of(unit)) for unit in units]
    for unit, (_, arm) in zip(units, found, strict=True):
        taken = part.first <= bucket_of(group, number_of(unit)) < part.first + part.count
        chosen = arms_of(routes_of(given), [unit])[0]
        if unit:  # without one, a call has its arm for itself
            assert (arm, chosen.experiment) == ((chosen.name, given.name) if taken else (None, ""))
