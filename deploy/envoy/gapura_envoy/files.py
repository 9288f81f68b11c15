"""The files that Envoy reads. Each is replaced in one step, and Envoy takes up what has changed while it runs.

| file | what changes while Envoy runs |
|---|---|
| `envoy.json` | nothing: limits of the process, where the others are |
| `listener.json` | anything but the address: contracts, services, limits; connections are drained |
| `workers.json` | the workers; the calls of one that is taken out end there |
| `certificate.json` | where the certificate is, which is read again when another is moved to its place |
| `authorities.json` | the same of the authorities of clients |
"""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gapura_envoy.listener import compose_listener
from gapura_envoy.methods import read_methods
from gapura_envoy.overload import compose_allocator, compose_overload, compose_runtime
from gapura_envoy.settings import EdgeSettings
from gapura_envoy.shapes import Config, pipe, typed, watched
from gapura_envoy.tls import compose_authorities, compose_certificate, compose_tls
from gapura_envoy.workers import compose_assignment, compose_workers

LISTENER = "envoy.config.listener.v3.Listener"
PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600


@dataclass(frozen=True, slots=True)
class Files:
    """Where they are.

    Attributes:
        home: Their folder, absolute.
    """

    home: Path

    @property
    def bootstrap(self) -> Path:
        """What Envoy is started with."""
        return self.home / "envoy.json"

    @property
    def listener(self) -> Path:
        """The listener."""
        return self.home / "listener.json"

    @property
    def workers(self) -> Path:
        """The workers."""
        return self.home / "workers.json"

    @property
    def certificate(self) -> Path:
        """Where the certificate is."""
        return self.home / "certificate.json"

    @property
    def authorities(self) -> Path:
        """Where the authorities of clients are."""
        return self.home / "authorities.json"


def compose(
    settings: EdgeSettings, workers: Sequence[str], contracts: Iterable[bytes], services: Iterable[str] | None = None
) -> dict[Path, Config]:
    """Returns the content of every file.

    Args:
        settings: Of the edge.
        workers: Addresses, such as `unix:/run/gapura/worker1.sock`.
        contracts: Serialised descriptor sets, each with its imports.
        services: Full names of the services to be had over REST; all that are annotated if not given.

    Raises:
        EdgeError: An address or a descriptor set is none.
    """
    files, methods = Files(settings.home.absolute()), read_methods(contracts, services)
    tls = compose_tls(settings, files.certificate, files.authorities)
    listener = compose_listener(settings, methods, tls)
    return {
        files.certificate: compose_certificate(settings),
        files.authorities: compose_authorities(settings),
        files.workers: compose_assignment(workers),
        files.listener: {"resources": [typed(LISTENER, **listener)]},
        files.bootstrap: {
            "node": {"id": "gapura", "cluster": "gapura"},
            "admin": {"address": pipe(settings.admin, mode=PRIVATE_FILE)},
            "dynamic_resources": {"lds_config": watched(files.listener)},
            "static_resources": {"clusters": [compose_workers(settings, files.workers)]},
            "layered_runtime": compose_runtime(settings),
            "overload_manager": compose_overload(settings),
            "memory_allocator_manager": compose_allocator(settings),
        },
    }


def compose_whole(files: dict[Path, Config]) -> Config:
    """Returns one configuration in place of bootstrap and listener, for Envoy to look at: it reads no others then."""
    home = next(iter(files)).parent
    bootstrap, listener = files[Files(home).bootstrap], files[Files(home).listener]
    fixed = {name: value for name, value in listener["resources"][0].items() if name != "@type"}
    static = bootstrap["static_resources"] | {"listeners": [fixed]}
    return {name: value for name, value in bootstrap.items() if name != "dynamic_resources"} | {
        "static_resources": static
    }


def write(files: dict[Path, Config]) -> Path:
    """Writes every file that has changed; returns the bootstrap."""
    home = next(iter(files)).parent
    home.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
    for path, content in files.items():
        replace(path, content)
    return Files(home).bootstrap


def replace_workers(settings: EdgeSettings, workers: Sequence[str]) -> None:
    """Tells Envoy of other workers, while it runs.

    Raises:
        EdgeError: An address is none.
    """
    replace(Files(settings.home.absolute()).workers, compose_assignment(workers))


def replace(path: Path, content: Config) -> None:
    """Replaces a file in one step, if its content is another."""
    text = json.dumps(content, indent=1)
    if path.exists() and path.read_text() == text:
        return
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.touch(PRIVATE_FILE)
    scratch.write_text(text)
    scratch.replace(path)
