"""The one way from a trained model to a proven graph: find, convert, normalise, compare."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from converters.drawing import draw_rows
from converters.errors import ConversionError
from converters.flavors import find_converter, find_explainer
from converters.foreign import ask_requests, describe_requests
from converters.golden import Golden, pick_golden
from converters.graph import CONTRIBUTIONS
from converters.layout import arrange, count_rows, derive_spec, join, take
from converters.lengths import require_lengths
from converters.normalisation import BATCHES, normalise
from converters.parity import compare
from converters.quiet import quietly
from converters.report import ParityError, ParityReport
from converters.session import open_session, run
from converters.signature import MAX_BATCH_SIZE, MOST_ROWS, Feeds, InputSpec, Signature
from converters.sources import Source, open_source
from converters.trial import try_native

GRAPH, PROOF, SIGNATURE, GOLDEN = "model.onnx", "parity.json", "signature.json", "golden.npz"


@dataclass(frozen=True, slots=True)
class Conversion:
    """A graph that answers as its model does.

    Attributes:
        onnx: The serialised graph.
        signature: Its inputs and outputs.
        max_batch_size: Rows that a request may have; 0 where the first dimension is not the batch.
        report: The proof.
        golden: Real rows with the native answers.
    """

    onnx: bytes
    signature: Signature
    max_batch_size: int
    report: ParityReport
    golden: Golden

    def to_files(self) -> dict[str, bytes]:
        """Returns everything as the content of files, by name."""
        described = self.signature.to_dict() | {"max_batch_size": self.max_batch_size}
        return {
            GRAPH: self.onnx,
            PROOF: self.report.to_json().encode(),
            SIGNATURE: (json.dumps(described, indent=2) + "\n").encode(),
            GOLDEN: self.golden.to_npz(),
        }

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> "Conversion":
        """Reads what `to_files` returned.

        Raises:
            ConversionError: A file is missing or damaged.
        """
        try:
            described = json.loads(files[SIGNATURE])
            return cls(
                onnx=files[GRAPH],
                signature=Signature.from_dict(described),
                max_batch_size=described["max_batch_size"],
                report=ParityReport.from_json(files[PROOF]),
                golden=Golden.from_npz(files[GOLDEN]),
            )
        except Exception as error:  # damaged files fail in as many ways as there are damages
            raise ConversionError(f"the kept conversion is damaged ({error}): remove it, and convert again") from error


def convert(
    model: Any,
    signature: InputSpec | None = None,
    sample: Any = None,
    *,
    flavor: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Conversion:
    """Converts a model to ONNX and proves the result.

    Args:
        model: A trained object; or an MLflow address (`models:/…`, `runs:/…`), a folder with an `MLmodel` file, or an
            `.onnx` file.
        signature: What the model takes; otherwise what was logged, or what the sample is.
        sample: Real rows to prove it on: a DataFrame, an array `[rows, columns]`, or arrays by tensor name; 1,000 or
            more prove well. Otherwise the run's parity sample, or the logged input example; rows are drawn where these
            are too few.
        flavor: Library that the model was trained with, by its MLflow name; otherwise what was logged, or the library
            of its class.
        metadata: What its owner says of it beside, otherwise what was logged: `max_batch_size`, the most rows that a
            call may have, instead of 1,024.

    Raises:
        ParityError: The graph answers otherwise than the model.
        ConversionError: The model cannot be converted; the message says what to change.
    """
    with quietly():
        return _convert(open_source(model, signature, sample, flavor, metadata))


def _convert(source: Source) -> Conversion:
    most_rows = _most_rows(source.metadata) if source.batched else 0
    spec = source.signature or _derive(source.sample)
    real = None if source.sample is None else _arrange(source.sample, spec)
    rows = _enough(spec, real)
    graph = find_converter(source.flavor)(source.model, spec, rows)
    if _asks_for_contributions(source.metadata):
        graph = find_explainer(source.flavor)(graph, source.model, spec)
    trial = try_native(graph.native, spec, real)
    model, served = normalise(graph, spec, rows) if source.batched else describe_requests(graph, spec)
    content = model.SerializeToString(deterministic=True)
    session = open_session(content)
    answer = partial(run, session) if source.batched else ask_requests(session)
    report = compare(answer, trial, spec, graph.tolerance, BATCHES if source.batched else ())
    if not report.passed:
        raise ParityError(report, graph.advice)
    if source.batched:
        require_lengths(answer, graph.native, spec, graph.tolerance)
    golden = pick_golden(trial, answer, graph.tolerance, batched=source.batched)
    return Conversion(content, served, most_rows, report, golden)


def _most_rows(metadata: Mapping[str, Any]) -> int:
    most = metadata.get("max_batch_size", MAX_BATCH_SIZE)
    if not isinstance(most, int) or not 1 <= most <= MOST_ROWS:
        raise ConversionError(f"max_batch_size in the metadata must be a number from 1 to {MOST_ROWS}, got {most!r}")
    return most


def _asks_for_contributions(metadata: Mapping[str, Any]) -> bool:
    asked = metadata.get(CONTRIBUTIONS, False)
    if not isinstance(asked, bool):
        raise ConversionError(f"{CONTRIBUTIONS} in the metadata must be true or false, got {asked!r}")
    return asked


def _derive(sample: Any) -> InputSpec:
    if sample is None:
        raise ConversionError("what the model takes is not known: give a signature, or a sample of its rows")
    return derive_spec(sample)


def _arrange(sample: Any, spec: InputSpec) -> Feeds:
    rows = arrange(sample, spec)
    if not count_rows(rows):
        raise ConversionError("the sample has no rows")
    return rows


def _enough(spec: InputSpec, real: Feeds | None) -> Feeds:
    """Rows for the largest batch that a graph is tried on."""
    drawn = draw_rows(BATCHES[-1], spec, real)
    return drawn if real is None else take(join([real, drawn]), slice(BATCHES[-1]))
