"""Compiles the contracts: Python stubs, their types, and the descriptor set that gateways read.

    python protos/generate.py             write everything under protos/python/erpml
    python protos/generate.py --check     compare instead of writing; exit 1 when stale

The generator's version is the lowest that callers may run: generate with the oldest supported release.
"""

import argparse
import filecmp
import importlib.resources
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path

from google.api import http_pb2
from google.protobuf import descriptor_pb2
from grpc_tools import protoc

SOURCES = Path(__file__).parent
TARGET = SOURCES / "python" / "erpml"
CONTRACTS = "contracts.binpb"


def compile_into(folder: Path) -> None:
    """Writes stubs, type stubs and the descriptor set of every contract below `folder`."""
    package = folder / "erpml"
    package.mkdir(parents=True)
    plugins = Path(sysconfig.get_path("scripts"))
    arguments = [
        "protoc",
        f"-I{SOURCES}",
        f"-I{importlib.resources.files('grpc_tools') / '_proto'}",
        f"-I{Path(http_pb2.__file__).parents[2]}",
        f"--plugin=protoc-gen-mypy={plugins / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={plugins / 'protoc-gen-mypy_grpc'}",
        f"--python_out={folder}",
        f"--grpc_python_out={folder}",
        f"--mypy_out=quiet:{folder}",
        f"--mypy_grpc_out=quiet:{folder}",
        "--include_imports",
        "--include_source_info",
        f"--descriptor_set_out={package / CONTRACTS}",
        *sorted(str(path.relative_to(SOURCES)) for path in SOURCES.glob("erpml/**/*.proto")),
    ]
    if protoc.main(arguments) != 0:
        raise SystemExit("the contracts do not compile")
    drop_foreign_comments(package / CONTRACTS)
    for stub in package.rglob("*_pb2_grpc.py*"):
        if "Stub" not in stub.read_text():
            stub.unlink()
    (package / "py.typed").touch()


def drop_foreign_comments(path: Path) -> None:
    """Keeps source comments of our own files only: they become help texts."""
    contracts = descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes())
    for file in contracts.file:
        if not file.name.startswith("erpml/"):
            file.ClearField("source_code_info")
    path.write_bytes(contracts.SerializeToString(deterministic=True))


def stale_files(fresh: Path) -> list[str]:
    """Names the files that differ between `fresh` and the committed tree."""
    names = {
        str(path.relative_to(tree))
        for tree in (fresh, TARGET)
        for path in tree.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    _, different, missing = filecmp.cmpfiles(fresh, TARGET, sorted(names), shallow=False)
    return sorted(different + missing)


def main() -> int:
    """Runs the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Compile the contracts.")
    parser.add_argument("--check", action="store_true", help="exit 1 when the committed stubs are stale")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as scratch:
        compile_into(Path(scratch))
        stale = stale_files(Path(scratch) / "erpml")
        if stale and not check:
            shutil.rmtree(TARGET, ignore_errors=True)
            shutil.copytree(Path(scratch) / "erpml", TARGET)
    for name in stale:
        print(f"{'stale' if check else 'wrote'}: {name}")
    return 1 if stale and check else 0


if __name__ == "__main__":
    sys.exit(main())
