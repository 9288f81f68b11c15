"""Nothing is timed before it answers right; the sizes of right answers tell later whether calls were answered."""

from collections.abc import Iterable
from itertools import cycle, islice

from benchmarks.measuring.asking import UnansweredError, open_caller
from benchmarks.measuring.contestants import Contestant
from benchmarks.measuring.framing import PREFIX_BYTES

LOOKS = 100


class WrongAnswerError(Exception):
    """A contestant does not answer right; the message says which, and how."""


async def verify(contestants: Iterable[Contestant], looks: int = LOOKS) -> dict[str, int]:
    """Looks at so many answers of each contestant, and at one to each question at least.

    Returns:
        How long the body of an answer to the first question is, at least, by the contestant's name.

    Raises:
        WrongAnswerError: One is wrong, or none.
    """
    return {contestant.name: await verify_one(contestant, looks) for contestant in contestants}


async def verify_one(contestant: Contestant, looks: int) -> int:
    """Looks at the answers of one contestant; returns the size of the shortest to its first question."""
    sizes = []
    async with open_caller(contestant) as ask:
        for question in islice(cycle(contestant.questions), max(looks, len(contestant.questions))):
            try:
                answer = await ask(question.body)
            except UnansweredError as error:
                raise WrongAnswerError(f"{contestant.name}: {error}") from error
            if problem := question.problem(answer):
                raise WrongAnswerError(f"{contestant.name}: {problem}")
            if question is contestant.questions[0]:
                sizes.append(len(answer))
    return min(sizes) + (PREFIX_BYTES if contestant.grpc else 0)
