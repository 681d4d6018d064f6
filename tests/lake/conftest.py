"""One S3 server for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import attrs
import pytest

from tests.support.s3server import arrow_files, s3_server, variables

_NUMBERS = count()


@attrs.frozen
class Bucket:
    """An empty bucket, and where it is."""

    name: str
    server: str

    @property
    def address(self) -> str:
        return f"s3://{self.name}/lake"

    @property
    def host(self) -> str:
        return self.server.removeprefix("http://")


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    with s3_server() as address:
        yield address


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A bucket of the test's own; the environment says where the server is."""
    for name, value in variables(server).items():
        monkeypatch.setenv(name, value)
    made = Bucket(f"bucket-{next(_NUMBERS)}", server)
    arrow_files(server).create_dir(made.name)
    return made
