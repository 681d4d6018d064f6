"""An S3 server on this machine, for tests: moto's, in a thread."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from pyarrow.fs import S3FileSystem

__all__ = ["SECRET", "arrow_files", "s3_server", "variables"]

SECRET = "made-up-secret-key"
"""What no message may show."""


@contextmanager
def s3_server() -> Iterator[str]:
    """Run the server; yield its address."""
    from moto.server import ThreadedMotoServer

    log = logging.getLogger("werkzeug")
    before = log.level
    log.setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()
        log.setLevel(before)


def variables(address: str) -> dict[str, str]:
    """The environment variables by which AWS's tools find the server."""
    return {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "made-up-key",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def arrow_files(address: str) -> S3FileSystem:
    """Arrow's file system of the server, for readers that take one."""
    return S3FileSystem(
        access_key="made-up-key", secret_key=SECRET, region="us-east-1", scheme="http",
        endpoint_override=address.removeprefix("http://"), allow_bucket_creation=True,
    )  # fmt: skip
