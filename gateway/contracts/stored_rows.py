"""Compiles rows of requests that leave values to stored features: those are written into the request's own fields."""

from collections.abc import Callable, Sequence
from math import inf, nan
from typing import Any, NamedTuple

from gapura_features.schema import Value

from gateway.contracts.cells import Cell
from gateway.contracts.entities import TEXT_FEATURES, Entity
from gateway.contracts.rows import RowPlan, compile_reader, write_checks, write_packs, write_required
from gateway.feature_views import Features


class StoredRow(NamedTuple):
    """A row, and how good the stored features are that it was made of.

    Attributes:
        row: Its part of every input tensor.
        status: The worst of what was used.
        oldest_ms: Event time of the oldest that were used, in milliseconds since 1970; 0 where none were.
    """

    row: tuple[bytes, ...]
    status: int
    oldest_ms: int


# A request and the features of each of its entities -> its row; raises InvalidFields, or what refuses the features.
PackStored = Callable[[Any, Sequence[Features]], StoredRow]

GIVE_UP = "return settle(request, features)"


def compile_stored(plan: RowPlan, entities: Sequence[Entity], settle: PackStored) -> PackStored:
    """Compiles what takes a request and stored features to its row of every input tensor.

    Like `compile_row` it writes a source. For an id that is required, and one column, it reads

        def pack_row(request, features):
            (n0, s0, q0, t0, r0), = features
            if n0 is not s0 or r0 is not None: return settle(request, features)
            s0 = s0 or blank0
            v0, = read(request)
            has = request.HasField
            if not (v0): return settle(request, features)
            if has('debt_ratio'):
                v1 = request.debt_ratio
                if not (l1 <= v1 <= h1): return settle(request, features)
            else:
                v1 = s0[3]
                if v1 is None: v1 = nan
                elif l1 <= v1 <= h1: request.debt_ratio = v1
                else: return settle(request, features)
            return make(StoredRow, ((p0(v1, ), ), q0, t0, ))

    What was not looked up has a `blank` in its place, whose values fit nothing unless the entity may be left out;
    `settle` does whatever is rare.
    """
    fields = [field.name for field in plan.required]
    fields += [cell.column.field for cell in plan.cells() if cell.column.stored is None]
    names = plan.names() | {"settle": settle, "nan": nan, "oldest": oldest}
    names |= {"make": tuple.__new__, "StoredRow": StoredRow}  # half of what calling the class costs
    names |= {"read": compile_reader(fields)} if fields else {}
    names |= {f"blank{index}": blank(entity) for index, entity in enumerate(entities)}
    exec(write_source(plan, entities), names)  # noqa: S102 - of names that a descriptor pool accepts: letters, digits and _
    pack_row: PackStored = names["pack_row"]
    return pack_row


def blank(entity: Entity) -> tuple[Value, ...]:
    """Returns what stands in the place of the features of an entity that was not looked up.

    It is taken for no feature at all, but for the defaults where a request need not name the entity.
    """
    if entity.optional:
        return entity.view.blank()
    return tuple(None if column.type in TEXT_FEATURES else inf for column in entity.view.schema.columns)


def oldest(*times_ms: int) -> int:
    """Returns the least of several event times, where 0 stands for none."""
    return min(filter(None, times_ms), default=0)


def write_source(plan: RowPlan, entities: Sequence[Entity]) -> str:
    """Writes the packer that `compile_stored` shows."""
    order, first = range(len(entities)), len(plan.required)
    odd = " or ".join(f"n{each} is not s{each} or r{each} is not None" for each in order)
    odd += "".join(
        f" or (not n{index} and request.{each.field})" for index, each in enumerate(entities) if each.optional
    )
    read = [f"v{index}" for index in range(first)]
    read += [f"v{index}" for index, cell in enumerate(plan.cells(), start=first) if cell.column.stored is None]
    lines = [
        f"{''.join(f'(n{each}, s{each}, q{each}, t{each}, r{each}), ' for each in order)} = features",
        f"if {odd}: {GIVE_UP}",
        *(f"s{each} = s{each} or blank{each}" for each in order),
        f"{', '.join(read)}, = read(request)" if read else "",
        "has = request.HasField",
        *write_refusal(write_required(plan.required)),
    ]
    for index, cell in enumerate(plan.cells(), start=first):
        lines += write_cell(cell, index)
    status = f"max({', '.join(f'q{each}' for each in order)})" if len(entities) > 1 else "q0"
    time = f"oldest({', '.join(f't{each}' for each in order)})" if len(entities) > 1 else "t0"
    lines.append(f"return make(StoredRow, ({write_packs(first, plan.tensors)}, {status}, {time}, ))")
    return "def pack_row(request, features):\n    " + "\n    ".join(lines)


def write_refusal(conditions: Sequence[str]) -> list[str]:
    """Writes that the packer gives up where conditions do not hold."""
    return [f"if not ({' and '.join(conditions)}): {GIVE_UP}"] if conditions else []


def write_cell(cell: Cell, index: int) -> list[str]:
    """Writes what makes the value of a cell."""
    name, stored = cell.column.field, cell.column.stored
    if stored is None:
        return write_refusal(write_checks(cell, index))
    take = [f"v{index} = s{stored.entity}[{stored.position}]", *write_stored(cell, index)]
    if not name:
        return take
    bounds = [] if cell.text else [f"l{index} <= v{index} <= h{index}"]
    explicit = [f"v{index} = request.{name}", *write_refusal(bounds)]
    return [f"if has({name!r}):", *indented(explicit), "else:", *indented(take)]


def write_stored(cell: Cell, index: int) -> list[str]:
    """Writes what is done with a stored value: it goes into the request's field, if that is not out of its bounds."""
    value, name, stored = f"v{index}", cell.column.field, cell.column.stored
    keep = f"request.{name} = {value}" if name else "pass"
    fits = f"{value} is not None" if cell.text else f"l{index} <= {value} <= h{index}"
    nothing = [f"if {value} is None: {value} = nan"] if stored and stored.column.default is None else []
    return [*nothing, f"{'elif' if nothing else 'if'} {fits}: {keep}", f"else: {GIVE_UP}"]


def indented(lines: Sequence[str]) -> list[str]:
    """Returns the lines of a block."""
    return [f"    {line}" for line in lines]
