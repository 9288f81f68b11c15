"""Prints a proof for people: a table on a terminal, the same words elsewhere."""

from collections.abc import Mapping
from typing import Any

import onnx
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from converters.conversion import Conversion
from converters.operators import list_operators
from converters.report import ParityReport
from converters.signature import TensorSpec

_MEBIBYTE = 1024 * 1024
_DIGITS = 6


def show_proof(name: str, conversion: Conversion) -> None:
    """Prints what was proven, and what the graph is."""
    console = Console(highlight=False)
    table = _table(f"proof of {name}")
    _add_report(table, conversion.report)
    table.add_row("inputs", _tensors(conversion.signature.inputs))
    table.add_row("outputs", _tensors(conversion.signature.outputs))
    limit = conversion.max_batch_size
    table.add_row("batches", f"up to {limit:,} rows" if limit else "none: a request is whole")
    operators = list_operators(onnx.load_from_string(conversion.onnx))
    table.add_row("operators", ", ".join(f"{kind} {count}" if count > 1 else kind for kind, count in operators.items()))
    table.add_row("size", _size(len(conversion.onnx)))
    console.print(table)
    _show_worst(console, conversion.report)


def show_refusal(report: ParityReport) -> None:
    """Prints a proof that failed."""
    console = Console(highlight=False)
    table = _table("the graph does not answer as the model does")
    _add_report(table, report)
    console.print(table)
    _show_worst(console, report)


def _table(title: str) -> Table:
    table = Table(title=escape(title), title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column()
    return table


def _add_report(table: Table, report: ParityReport) -> None:
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in report.kinds.items())
    table.add_row("rows", f"{report.rows:,} ({kinds})")
    if report.declined:
        declined = ", ".join(f"{count:,} {kind}" for kind, count in report.declined.items())
        table.add_row("not taken", f"{declined}: the model itself refuses these rows")
    measure = "of the answer" if report.relative else "absolute"
    table.add_row("difference", f"at most {report.max_abs_diff:.1e}, on average {report.mean_abs_diff:.1e} ({measure})")
    table.add_row("tolerance", f"{report.tolerance:.0e} ({measure})")
    verdict = "alike" if report.batch_invariant else "otherwise"
    table.add_row("in batches", f"{verdict}, within {report.batch_max_abs_diff:.1e} in batches of 1, 2, 17 and 64")


def _show_worst(console: Console, report: ParityReport) -> None:
    if not report.worst:
        return
    table = Table(title="worst rows", title_justify="left")
    for heading in ("row", "difference", "model", "ONNX"):
        table.add_column(heading, overflow="fold")
    for row in report.worst:
        texts = (_words(row.native), _words(row.onnx))
        table.add_row(f"{row.kind} {row.index}", f"{row.difference:.1e}", *map(escape, texts))
    console.print(table)
    first = report.worst[0]
    console.print(f"{first.kind} row {first.index} asks {escape(_words(first.inputs))}")


def _words(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_word(value)}" for name, value in values.items())


def _word(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(_word(each) for each in value)
    if value is None:
        return "missing"
    return f"{value:.{_DIGITS}g}" if isinstance(value, float) else str(value)


def _tensors(tensors: tuple[TensorSpec, ...]) -> str:
    return escape(", ".join(f"{tensor.name} {tensor.datatype} {list(tensor.dims)}" for tensor in tensors))


def _size(count: int) -> str:
    return f"{count / _MEBIBYTE:.1f} MiB" if count >= _MEBIBYTE else f"{count / 1024:.1f} KiB"
