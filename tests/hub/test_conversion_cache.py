"""Kept conversions: found again for the same rows and tools, never for others, nor for other code of the converters."""

from pathlib import Path

import pytest

from converters import Conversion, convert
from hub.conversions.cache import ConversionCache, digest_of_code
from tests.converters.samples import DOUBLES, boosted_trees, draw_rows


@pytest.fixture(scope="module")
def conversion() -> Conversion:
    rows = draw_rows(missing=True)
    return convert(boosted_trees(rows), DOUBLES, rows)


def test_a_conversion_is_found_again_for_the_same_origin_alone(tmp_path: Path, conversion: Conversion) -> None:
    ConversionCache(tmp_path).keep("origin", conversion)
    found = ConversionCache(tmp_path).find("origin")
    assert found is not None
    assert found.onnx == conversion.onnx
    assert ConversionCache(tmp_path).find("another") is None


def test_what_other_code_has_proven_is_proven_anew(tmp_path: Path, conversion: Conversion) -> None:
    ConversionCache(tmp_path, {"converters": "older"}).keep("origin", conversion)
    assert ConversionCache(tmp_path, {"converters": "newer"}).find("origin") is None
    assert ConversionCache(tmp_path, {"converters": "older"}).find("origin") is not None


def test_any_change_of_the_code_changes_its_digest(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "one.py").write_text("a = 1")
    first = digest_of_code(package)
    assert digest_of_code(package) == first
    (package / "one.py").write_text("a = 2")
    second = digest_of_code(package)
    (package / "two.py").write_text("")
    assert len({first, second, digest_of_code(package)}) == 3
