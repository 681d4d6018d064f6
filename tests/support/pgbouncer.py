"""A real pgbouncer in transaction mode before a server: its clients share a few connections, one transaction each."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from typing import Any, Self
from urllib.parse import quote, urlsplit

import pytest

from tests.support.postgres import Server

_SETTINGS = """
[databases]
* = host={host} port={server} user={user} password='{password}'
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
ignore_startup_parameters = extra_float_digits
"""


class Pooler:
    """A pgbouncer that runs while the block does, with two connections to a server for all of its clients."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])

    def __enter__(self) -> Self:
        program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if program is None:
            if os.environ.get("CI"):
                pytest.fail("there is no pgbouncer: apt-get install pgbouncer")
            pytest.skip("there is no pgbouncer: apt-get install pgbouncer")
        of = self._server
        settings = _SETTINGS.format(
            host=of.host, server=of.port, user=of.user, password=of.password.replace("'", "''"), port=self.port
        )
        path = self._server.write("pgbouncer.ini", settings.encode())
        with open(self._server.folder / "pgbouncer.log", "ab") as log:
            how: dict[str, Any] = self._server.as_user
            self._process = subprocess.Popen([program, path], stdout=log, stderr=log, stdin=subprocess.DEVNULL, **how)
        deadline = time.monotonic() + 10
        while True:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port)).close()
                return self
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError((self._server.folder / "pgbouncer.log").read_text())
            time.sleep(0.02)

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(10)

    def url(self, direct: str) -> str:
        """The address of the same database through the pooler."""
        return f"postgresql://{quote(self._server.user, safe='')}:any@127.0.0.1:{self.port}{urlsplit(direct).path}"
