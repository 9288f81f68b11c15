"""Tells from a model's configuration how its calls may go to it."""

from dataclasses import dataclass

from gateway.traits import read_traits


@dataclass(frozen=True, slots=True)
class Conduct:
    """How the batches of a lane leave it.

    Attributes:
        alone: Every call is a batch of its own.
        in_order: Batches start in the order in which their calls came.
        one_at_a_time: A batch starts when the one before it has its answer.
    """

    alone: bool = False
    in_order: bool = False
    one_at_a_time: bool = False


def conduct_of(config: bytes) -> Conduct:
    """Returns the conduct that a model needs.

    A model that keeps state along a sequence, or that sends several responses to a request, sees one call after the
    other. One without batch dimension sees calls apart, and as many at a time as it has room for.

    Args:
        config: Serialised `inference.ModelConfig`.
    """
    traits = read_traits(config)
    one_at_a_time = traits.keeps_state or traits.decoupled
    alone = one_at_a_time or not traits.batches
    return Conduct(alone=alone, in_order=alone, one_at_a_time=one_at_a_time)
