"""Fixtures of several modules; that which the package ships is loaded so that coverage sees its imports (addopts)."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from rxcandles.stores.postgres.preparing import prepare
from rxcandles.stores.postgres.session import Session
from tests.support.browser import chromium, find_chromium
from tests.support.postgres import EMPTY, GivenServer, Server

pytest_plugins = ("rxcandles.modes.fixtures",)


@pytest.fixture(scope="session", autouse=True)
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The user's own folder, where shared limits lie: the tests', so that they share none with other programs."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        yield folder


@pytest.fixture
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure is asked about again at once; what is asked, and how often, stays the same."""
    monkeypatch.setattr("rxcandles.engine.retry.uniform", lambda low, high: 0.0)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """An address that would notice the smallest request."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[str]:
    """The address of a headless Chromium's DevTools."""
    executable = find_chromium()
    if executable is None:
        if os.environ.get("CI"):
            pytest.fail("there is no Chromium, in which CI opens pages: apt-get install chromium")
        pytest.skip("there is no Chromium, in which pages are opened: apt-get install chromium")
    with chromium(executable) as devtools:
        yield devtools


def _served(*, given: bool) -> Iterator[Server]:
    address = os.environ.get("RXCANDLES_TEST_POSTGRES", "")
    if address == "none":
        pytest.skip("RXCANDLES_TEST_POSTGRES is none")
    server = GivenServer(address) if address and given else Server()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A server for all tests of this process, which starts with the first that needs it."""
    yield from _served(given=True)


@pytest.fixture
def own_postgres() -> Iterator[Server]:
    """A server of the test's own, which it may kill."""
    yield from _served(given=False)


@pytest.fixture(scope="session")
def postgres_template(postgres: Server) -> Iterator[str]:
    """A database with our tables, and nothing in them."""
    name = postgres.fresh()

    session = Session(postgres.url(name))
    session.connect()
    session.call(prepare)
    session.close()
    yield name
    postgres.drop(name)


@pytest.fixture
def postgres_url(postgres: Server, postgres_template: str) -> Iterator[str]:
    """The address of a database with our tables, and nothing in them."""
    name = postgres.fresh(postgres_template)
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture
def bare_postgres_url(postgres: Server) -> Iterator[str]:
    """The address of a database without any table."""
    name = postgres.fresh()
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(scope="session")
def _shared_postgres(postgres: Server, postgres_template: str) -> str:
    return postgres.url(postgres.fresh(postgres_template))


@pytest.fixture
def shared_postgres_url(_shared_postgres: str) -> str:
    """The address of a database that many tests share, emptied before each: quicker than one of their own."""
    with psycopg.connect(_shared_postgres, autocommit=True) as connection:
        connection.execute(EMPTY)
    return _shared_postgres
