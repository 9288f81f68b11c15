"""Opens MLflow, and says at once when it cannot be reached: MLflow alone would try for minutes, in silence."""

import os
import socket
import sqlite3
from contextlib import closing
from urllib.parse import urlsplit

import mlflow

from hub.chatter import without_warnings
from hub.errors import HubError
from hub.settings import SQLITE
from hub.translation import translated

_CONNECT_SECONDS = 5.0
_PORTS = {"http": 80, "https": 443, "postgresql": 5432}
# A call to a server that went away is given up after some seconds, and ended runs are not announced to people who
# asked for something else. What the user has set stays.
_ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


def open_client(uri: str) -> mlflow.MlflowClient:
    """Makes MLflow's store the process's own, and returns a client of it; an empty SQLite file becomes a store.

    Raises:
        HubError: It cannot be reached or read.
    """
    require_database(uri)
    require_listener(uri)
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    with translated(), without_warnings():
        client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.search_experiments(max_results=1)
    return client


def require_database(uri: str) -> None:
    """Makes sure that a SQLite registry can be opened.

    Raises:
        HubError: It is no database, or cannot be opened for writing.
    """
    if not uri.startswith(SQLITE):
        return
    path = uri.removeprefix(SQLITE)
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()
    except sqlite3.Error as error:
        raise HubError(f"the registry {path} cannot be opened: {error}; check GAPURA_MLFLOW_URI") from error


def require_listener(uri: str) -> None:
    """Makes sure that somebody listens where a server should be.

    Raises:
        HubError: Nobody does, or not within 5 seconds, or it is no address.
    """
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise HubError(f"GAPURA_MLFLOW_URI is no address: {error}") from error
    scheme = parts.scheme.partition("+")[0]
    if scheme not in _PORTS or not host:
        return
    address = (host, port or _PORTS[scheme])
    try:
        socket.create_connection(address, _CONNECT_SECONDS).close()
    except OSError as error:
        place = f"{address[0]}:{address[1]}"
        raise HubError(f"the registry at {place} does not answer: {error}; check GAPURA_MLFLOW_URI") from error
