"""The command line and environment of `tritonserver`."""

import os
from pathlib import Path

from gapura_triton.installation import Installation, library_folders, site_packages
from gapura_triton.node import Node
from gapura_triton.tracing import trace_options

EXIT_SECONDS = 10


def models_of(repository: Path) -> list[str]:
    """Names the models of a repository."""
    return sorted(
        path.parent.name for path in repository.glob("*/config.pbtxt") if not path.parent.name.startswith(".")
    )


def command(node: Node, installation: Installation) -> list[str]:
    """Returns the command that serves the node's repository as it is now, on loopback alone."""
    return [
        str(installation.tritonserver),
        f"--id={node.name}",
        f"--model-repository={node.repository}",
        f"--backend-directory={installation.backends}",
        "--model-control-mode=explicit",
        *(f"--load-model={name}" for name in models_of(node.repository)),
        "--exit-on-error=false",  # a model that does not load leaves the others alone
        "--strict-readiness=false",  # nor does it make the server unready for good
        "--disable-auto-complete-config",  # configs are complete; guessing would start every model twice
        f"--backend-config=python,shm-region-prefix-name={node.mark}",
        "--grpc-address=127.0.0.1",
        f"--grpc-port={node.grpc_port}",
        "--allow-http=false",
        "--metrics-address=127.0.0.1",
        f"--metrics-port={node.metrics_port}",
        "--allow-gpu-metrics=false",
        "--pinned-memory-pool-byte-size=0",
        *trace_options(node.name),
        "--log-format=ISO8601",
        f"--exit-timeout-secs={EXIT_SECONDS}",
    ]


def environment(installation: Installation) -> dict[str, str]:
    """Returns what `tritonserver` needs: it ignores PYTHON* and takes the Python that it finds first on PATH."""
    libraries = [site_packages(installation.venv) / "nvidia_pytriton.libs", *library_folders()]
    return {
        **os.environ,
        "PATH": _before("PATH", [installation.venv / "bin"]),
        "LD_LIBRARY_PATH": _before("LD_LIBRARY_PATH", libraries),
    }


def _before(variable: str, folders: list[Path]) -> str:
    inherited = os.environ.get(variable)
    return ":".join([*map(str, folders), *([inherited] if inherited else [])])
