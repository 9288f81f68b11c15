"""What a model takes and answers, as the gateway describes it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Parameter of a model's configuration that names the columns of an input, as a JSON list, behind this.
COLUMNS_PARAMETER = "columns."


@dataclass(frozen=True, slots=True)
class InputTensor:
    """One input.

    Attributes:
        name: Name in the model's graph.
        datatype: KServe v2 name of the element type.
        dims: Shape of one row, or of the whole tensor where the model takes no batches; -1 where any size fits.
        columns: Names of the elements of a row; empty where they are not known.
    """

    name: str
    datatype: str
    dims: tuple[int, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """Inputs and outputs of a model version.

    Attributes:
        inputs: The inputs.
        outputs: Names of the outputs.
        most_rows: Most rows of one call; 0 where the model takes no batches.
    """

    inputs: tuple[InputTensor, ...]
    outputs: tuple[str, ...]
    most_rows: int

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of a table, in the model's order; empty where the model takes none."""
        if not all(tensor.columns for tensor in self.inputs):
            return ()
        return tuple(column for tensor in self.inputs for column in tensor.columns)


def read_layout(metadata: Any, config: Any) -> Layout:
    """Reads the answers to ModelMetadata and ModelConfig."""
    parameters = {each.key: each.value.string_value for each in config.parameters}
    batched = config.max_batch_size > 0
    inputs = tuple(_input(tensor, parameters, batched=batched) for tensor in metadata.inputs)
    return Layout(inputs, tuple(output.name for output in metadata.outputs), max(config.max_batch_size, 0))


def _input(tensor: Any, parameters: Mapping[str, str], *, batched: bool) -> InputTensor:
    dims = tuple(tensor.shape)[1:] if batched else tuple(tensor.shape)
    told = parameters.get(COLUMNS_PARAMETER + tensor.name)
    columns = tuple(json.loads(told)) if told else ()
    if batched and not columns and dims == (1,):
        columns = (tensor.name,)  # a table of mixed types has a tensor for each column
    return InputTensor(tensor.name, tensor.datatype, dims, columns)
