"""Joining and cutting tensors: what goes in comes out, for every datatype."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tensors import ELEMENT_BYTES, element, elements, merge, split, wanted
from gateway.types import Tensors, TensorSpec, Terms
from tests.gateway.models import CREDIT_INPUTS, CREDIT_OUTPUTS, version

SHAPES = st.sampled_from([(), (1,), (3,), (2, 2), (0,)])


@st.composite
def calls(draw: st.DrawFn) -> tuple[tuple[TensorSpec, ...], list[Tensors]]:
    """Draws a signature and calls that fit it."""
    specs = tuple(
        TensorSpec(f"t{index}", datatype, draw(SHAPES))
        for index, datatype in enumerate(
            draw(st.lists(st.sampled_from([*ELEMENT_BYTES, "BYTES"]), min_size=1, max_size=3))
        )
    )
    dims = tuple(spec.dims for spec in specs)
    counts = draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))
    return specs, [Tensors(rows, dims, tuple(content(draw, spec, rows) for spec in specs)) for rows in counts]


def content(draw: st.DrawFn, spec: TensorSpec, rows: int) -> bytes:
    """Draws the bytes of one tensor."""
    count = rows
    for size in spec.dims:
        count *= size
    if spec.datatype == "BYTES":
        texts = draw(st.lists(st.binary(max_size=9), min_size=count, max_size=count))
        return b"".join(map(element, texts))
    size = count * ELEMENT_BYTES[spec.datatype]
    return draw(st.binary(min_size=size, max_size=size))


@given(calls())
def test_a_batch_splits_into_the_calls_that_it_was_merged_from(
    drawn: tuple[tuple[TensorSpec, ...], list[Tensors]],
) -> None:
    specs, parts = drawn
    assert split(merge(parts), specs, [part.rows for part in parts]) == parts


@pytest.mark.parametrize("data", [b"\x01\x00\x00\x00", b"\x00\x00\x00\x00\x00", b"\x09\x00\x00\x00ab", b""])
def test_bytes_that_do_not_hold_the_elements_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="do not hold exactly 1 elements"):
        elements(data, 1)


def test_terms_stay_with_a_batch_and_with_its_parts() -> None:
    specs, terms = CREDIT_OUTPUTS[1:], Terms((1,), b"own")
    parts = [Tensors(rows, ((2,),), (bytes(8 * rows),), terms) for rows in (1, 2)]
    assert merge(parts).terms == terms
    assert split(merge(parts), specs, [1, 2]) == parts


@pytest.mark.parametrize(("outputs", "names"), [((), ["label", "probabilities"]), ((1,), ["probabilities"])])
def test_no_output_named_is_every_output_wanted(outputs: tuple[int, ...], names: list[str]) -> None:
    served = version(CREDIT_INPUTS, CREDIT_OUTPUTS)
    assert [spec.name for spec in wanted(served, Terms(outputs))] == names
