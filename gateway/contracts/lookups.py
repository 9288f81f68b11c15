"""Compiles what a request looks up: the entity of each of its ids, unless it says itself what they would say."""

from collections.abc import Callable, Sequence
from typing import Any

from gapura_features.keys import MOST_ENTITY_BYTES, is_entity

from gateway.contracts.entities import Entity, join_id
from gateway.contracts.rows import RowPlan, compile_row
from gateway.feature_views import FeatureStatus, Lookup

# An id of so many characters has no more bytes than may be.
SHORT_ENTITY = MOST_ENTITY_BYTES // 4
NOT_USED = FeatureStatus.NOT_USED.value


class Asked:
    """A request on its way to one arm, and what was found out about it.

    Attributes:
        message: The request. Stored values are written into it, so that decisions see what the model sees.
        row: Its row of each input tensor, once that is known.
        status: The worst of the stored features that were used.
        oldest_ms: Event time of the oldest of them, in milliseconds since 1970; 0 where there are none.
        binding: The method, compiled for the arm, once its lookups are known.
    """

    __slots__ = ("binding", "message", "oldest_ms", "row", "status")

    binding: Any

    def __init__(self, message: Any) -> None:
        self.message = message
        self.row: tuple[bytes, ...] | None = None
        self.status: int = NOT_USED
        self.oldest_ms = 0


# A request -> what it looks up, one for each of its entities; nothing if none is needed: a row may be packed then.
Seek = Callable[[Asked], Sequence[Lookup | None]]


def compile_seek(plan: RowPlan, entities: Sequence[Entity]) -> Seek:
    """Compiles the lookups of a request.

    Their source is written like that of packers; for one entity it reads

        def seek(asked):
            request = asked.message
            has = request.HasField
            if has('debt_ratio'):
                asked.row = pack(request)
                if asked.row is not None: return ()
            w0 = None
            if not (has('debt_ratio') and has('age_years')):
                id = request.customer_id
                if 0 < len(id) <= short or is_entity(id): w0 = make(Lookup, (view0, id))
            return () if w0 is None else (w0, )

    A request that says everything is read once: its row is packed here. One that lacks the first field does not.
    """
    names = {"is_entity": is_entity, "short": SHORT_ENTITY, "Lookup": Lookup, "make": tuple.__new__, "join_id": join_id}
    names |= {f"view{index}": entity.view for index, entity in enumerate(entities)}
    names |= {"pack": compile_row(plan, lambda _: None)} if is_complete(entities) else {}
    exec(write_source(entities), names)  # noqa: S102 - of names that a descriptor pool accepts: letters, digits and _
    seek: Seek = names["seek"]  # type: ignore[assignment] # it is what was written
    return seek


def is_complete(entities: Sequence[Entity]) -> bool:
    """Says whether a request can say everything itself."""
    return not any(entity.alone for entity in entities)


def write_source(entities: Sequence[Entity]) -> str:
    """Writes what `compile_seek` shows."""
    lines = ["request = asked.message", "has = request.HasField"]
    if is_complete(entities):
        lines += [f"if has({entities[0].fields[0]!r}):", "    asked.row = pack(request)"]
        lines += ["    if asked.row is not None: return ()"]
    for index, entity in enumerate(entities):
        wanted = "True" if entity.alone else f"not ({' and '.join(f'has({field!r})' for field in entity.fields)})"
        found = f"w{index} = make(Lookup, (view{index}, id))"
        lines += [f"w{index} = None", f"if {wanted}:", f"    id = {entity.source}"]
        lines += [f"    if 0 < len(id) <= short or is_entity(id): {found}"]
    order = range(len(entities))
    none = " and ".join(f"w{index} is None" for index in order)
    lines.append(f"return () if {none} else ({''.join(f'w{index}, ' for index in order)})")
    return "def seek(asked):\n    " + "\n    ".join(lines)
