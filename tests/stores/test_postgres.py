"""What is a server's alone: many writers, restarts, roles, passwords, and a pooler in between."""

from __future__ import annotations

import asyncio
import logging
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import psycopg
import pytest

import rxcandles
from rxcandles.__main__ import main
from rxcandles.errors import OddRowError, RequestError, SchemaError, StoreError
from rxcandles.integrity.server_snapshot import snapshot_at
from rxcandles.model import Row, RowWithTrades
from rxcandles.model.timeframe import BEGINNING, END, Timeframe
from rxcandles.ports import Covered
from rxcandles.stores import SqliteStore
from rxcandles.stores.opening import check_database, store_at
from rxcandles.stores.postgres.address import connection_words, secrets_of, shown_address
from rxcandles.stores.postgres.schema import VERSION
from rxcandles.stores.postgres.session import Session
from rxcandles.stores.postgres.store import PostgresStore
from rxcandles.stores.sql.connection import Sql
from rxcandles.stores.sql.transaction import transaction
from tests.support.pgbouncer import Pooler
from tests.support.postgres import PASSWORD, Server

MINUTE = Timeframe.of("1m")
SYMBOL = "KRW-BTC"


def row(slot: int) -> Row:
    """The candle of a minute."""
    return Row(slot * 60, 100.5, 102.5, 98.5, 101.5, 1.25, 125.0, slot * 60_000 + 59_000)


def page(number: int, size: int = 50) -> tuple[list[Row], tuple[int, int]]:
    """The rows of a page, newest first, and what it covers."""
    first = number * size
    return [row(slot) for slot in range(first + size - 1, first - 1, -1)], (first * 60, (first + size) * 60)


async def whole(store: PostgresStore, pages: int) -> bool:
    """Whether these pages are stored as one span, with each of their rows."""
    covered = await store.coverage(SYMBOL, MINUTE, BEGINNING, END - 1)
    count = await store.count(SYMBOL, MINUTE, BEGINNING, END - 1)
    return covered == [Covered(0, pages * 3000, pages * 50)] and count == pages * 50


async def test_many_writers(postgres_url: str) -> None:
    """Eight writers that mix their pages in one series lose none, and the ledger is one span."""
    stores = [PostgresStore(postgres_url) for _ in range(8)]
    try:
        await asyncio.gather(*(store.__aenter__() for store in stores))

        async def some(number: int) -> int:
            return sum([await stores[number].write(SYMBOL, MINUTE, *page(at)) for at in range(number, 80, 8)])

        assert sum(await asyncio.gather(*map(some, range(8)))) == 80 * 50
        assert await whole(stores[0], 80)
    finally:
        await asyncio.gather(*(store.close() for store in stores))


@pytest.mark.parametrize("level", ["read committed", "serializable"])
async def test_opened_at_once(bare_postgres_url: str, level: str) -> None:
    """Several that open an empty database at once make the tables once, whatever isolation is usual there."""
    with psycopg.connect(bare_postgres_url, autocommit=True) as other:
        name = bare_postgres_url.rpartition("/")[2]
        other.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = '{level}'")
    stores = [PostgresStore(bare_postgres_url) for _ in range(5)]
    await asyncio.gather(*(store.__aenter__() for store in stores))
    assert await stores[0]._open.rows("SELECT value FROM about WHERE key = 'version'") == [(VERSION,)]
    await asyncio.gather(*(store.close() for store in stores))


async def test_killed_while_it_writes(own_postgres: Server, caplog: pytest.LogCaptureFixture) -> None:
    """A server that is killed in the middle and comes back loses no page that was told as written; the store waits."""
    url = own_postgres.url(own_postgres.fresh())
    caplog.set_level(logging.INFO, "rxcandles.store")
    async with PostgresStore(url) as store:
        reader = None
        for number in range(30):
            if number % 10 == 5:
                writing = asyncio.ensure_future(store.write(SYMBOL, MINUTE, *page(number)))
                await asyncio.sleep(0)
                own_postgres.kill()
                await asyncio.to_thread(own_postgres.start)
                assert await writing == 50
            else:
                assert await store.write(SYMBOL, MINUTE, *page(number)) == 50
            reader = reader or store.reader(SYMBOL, MINUTE)
            assert reader.count(0, END - 1) == (number + 1) * 50
        assert await whole(store, 30)
    assert [record.state for record in caplog.records if record.event == "reconnect"].count("back") >= 3  # type: ignore[attr-defined]


async def test_commit_in_doubt(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is lost around a commit: what was committed is not written twice, what was not is."""
    usual = Session.commit
    lost: list[int] = []

    def commit(self: Session, lock: str, mark: int) -> None:
        if lock and len(lost) < 4:
            lost.append(mark)
            if len(lost) % 2:  # the server has committed, and its answer is lost
                self._connection.execute("COMMIT")
            pid = self._connection.info.backend_pid
            with psycopg.connect(postgres_url, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
        usual(self, lock, mark)

    monkeypatch.setattr(Session, "commit", commit)
    async with PostgresStore(postgres_url) as store:
        assert await store.write(SYMBOL, MINUTE, *page(0)) == 50  # committed, by the function
        assert await store.write(SYMBOL, MINUTE, *page(1)) == 50  # not committed, then committed
        more = [row(slot) for slot in range(150, 49, -1)]
        assert await store.write(SYMBOL, MINUTE, more, (3000, 9060)) == 51  # the general way, over what is there
        assert await store.count(SYMBOL, MINUTE, 0, END - 1) == 151
        assert len(lost) == 4
    with psycopg.connect(postgres_url) as other:
        assert other.execute("SELECT count(*) FROM rxcandles.sessions").fetchone() == (0,)


async def test_a_number_given_twice(own_postgres: Server) -> None:
    """A killed server gives numbers of transactions a second time: that another has used one says nothing."""
    url = own_postgres.url(own_postgres.fresh())
    async with PostgresStore(url) as store:
        assert await store.write(SYMBOL, MINUTE, *page(0)) == 50
        session = store._open._session  # type: ignore[attr-defined]
        usual = session.commit

        def killed(lock: str, mark: int) -> None:
            session.commit = usual
            own_postgres.kill()
            own_postgres.start()
            for _ in range(20):  # others take the numbers that were not yet on the disk
                own_postgres.sql("CREATE TEMP TABLE t ()")
            usual(lock, mark)

        session.commit = killed
        assert await store.write(SYMBOL, MINUTE, *page(1)) == 50
        assert await whole(store, 2)


async def test_number_of_a_series_is_durable(postgres_url: str, tmp_path: Path) -> None:
    """A crash never takes back the number of a series: another one would get it, and the first one's candles."""
    with psycopg.connect(postgres_url, autocommit=True) as other:
        other.execute(
            "CREATE FUNCTION check_durable() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF current_setting('synchronous_commit') <> 'on' THEN RAISE 'may be taken back'; END IF;"
            " RETURN NEW; END $$;"
            "CREATE TRIGGER durable AFTER INSERT ON rxcandles.series FOR EACH ROW EXECUTE FUNCTION check_durable()"
        )
    path = tmp_path / "more.csv"
    path.write_text("open_time,open,high,low,close,volume\n1704067200,100,103,98,101,2")
    async with PostgresStore(postgres_url, durability="normal") as store:
        await store.write(SYMBOL, MINUTE, *page(0))
        await rxcandles.import_candles(store, "KRW-ETH", "1m", path)
        assert await store._open.rows("SHOW synchronous_commit") == [("off",)]


async def test_server_stays_away(own_postgres: Server) -> None:
    """After its patience the store says what is wrong and how long it tried; later it works again."""
    async with PostgresStore(own_postgres.url(own_postgres.fresh()), patience=0.2) as store:
        await store.write(SYMBOL, MINUTE, *page(0))
        own_postgres.kill()
        with pytest.raises(StoreError, match=r"tried for 0 s; what was stored is whole: ask again"):
            await store.count(SYMBOL, MINUTE, 0, END - 1)
        own_postgres.start()
        assert await whole(store, 1)


async def test_stays_away_at_a_commit(postgres: Server, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that leaves in the middle of a commit, and stays away, is a ``StoreError`` as at any other moment."""
    name, usual = postgres_url.rpartition("/")[2], Session.commit

    def commit(self: Session, lock: str, mark: int) -> None:
        postgres.sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        postgres.sql(f"SELECT pg_terminate_backend({self._connection.info.backend_pid}, 5000)")
        usual(self, lock, mark)

    async with PostgresStore(postgres_url, patience=0) as store:
        monkeypatch.setattr(Session, "commit", commit)
        with pytest.raises(StoreError, match="what was stored is whole"):
            await store.write(SYMBOL, MINUTE, *page(0))


@pytest.mark.parametrize("away", [False, True])
async def test_one_moment_or_none(postgres: Server, postgres_url: str, away: bool) -> None:
    """What reads a database as it is at one moment ends when that moment is lost, and does not go on with another."""

    def count(connection: Any) -> int:
        return int(connection.execute("SELECT count(*) FROM candles").fetchone()[0])

    name = postgres_url.rpartition("/")[2]
    async with PostgresStore(postgres_url) as store, snapshot_at(postgres_url) as look:
        await store.write(SYMBOL, MINUTE, *page(0))
        assert await look.call(count) == 0
        if away:
            postgres.sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        pid = look._session._connection.info.backend_pid  # type: ignore[attr-defined]
        postgres.sql(f"SELECT pg_terminate_backend({pid}, 5000)")
        for _ in range(2):
            with pytest.raises(StoreError, match="tried for 0 s" if away else "one moment; run it again"):
                await look.call(count)


async def test_lock_is_waited_for(postgres_url: str) -> None:
    """A write waits for another of the same series, for ``busy_timeout``; other series go on meanwhile."""
    async with PostgresStore(postgres_url, busy_timeout=0.05) as store:
        series = await store.series_id(SYMBOL, MINUTE, create=True)
        other = Session(postgres_url)
        other.connect()
        with other.writing(series):
            with pytest.raises(StoreError, match="another process is writing to this series"):
                await store.write(SYMBOL, MINUTE, *page(0))
            assert await store.write("KRW-ETH", MINUTE, *page(0)) == 50
        other.close()
        assert await store.write(SYMBOL, MINUTE, *page(0)) == 50


READER = """
CREATE ROLE {0} LOGIN PASSWORD 'reader'; GRANT USAGE ON SCHEMA rxcandles TO {0};
GRANT SELECT ON ALL TABLES IN SCHEMA rxcandles TO {0}
"""


async def test_reader_may_not_write(postgres: Server, postgres_url: str) -> None:
    """A role that was granted reading reads everything, and is told in a sentence that it may not write."""
    database, role = postgres_url.rpartition("/")[2], f"reader_{threading.get_ident()}"
    async with PostgresStore(postgres_url) as store:
        await store.write(SYMBOL, MINUTE, *page(0))
    postgres.sql(READER.format(role), database)
    try:
        url = postgres.url(database, role, "reader")
        async with PostgresStore(url) as store:
            assert await whole(store, 1)
            assert store.reader(SYMBOL, MINUTE).count(0, END - 1) == 50
            assert [each.candles for each in await rxcandles.overview(store)] == [50]
            with pytest.raises(StoreError, match=r"permission denied .* \(42501\); this role may not do that"):
                await store.write(SYMBOL, MINUTE, *page(1))
        assert (await rxcandles.verify(url)).clean
    finally:
        postgres.sql(f"DROP OWNED BY {role}", database)
        postgres.sql(f"DROP ROLE {role}")


async def test_stranger(postgres: Server, bare_postgres_url: str) -> None:
    """A role without rights is told what to grant; another program's schema, and a newer version, are left alone."""
    database, role = bare_postgres_url.rpartition("/")[2], f"stranger_{threading.get_ident()}"
    postgres.sql("CREATE SCHEMA rxcandles CREATE TABLE notes (text text)", database)
    with pytest.raises(SchemaError, match="another program's"):
        await PostgresStore.open(bare_postgres_url)
    postgres.sql("DROP SCHEMA rxcandles CASCADE", database)
    async with PostgresStore(bare_postgres_url):
        pass
    postgres.sql(f"CREATE ROLE {role} LOGIN PASSWORD 'none'")
    try:
        with pytest.raises(StoreError, match=f"GRANT USAGE ON SCHEMA rxcandles TO {role}"):
            await PostgresStore.open(postgres.url(database, role, "none"))
    finally:
        postgres.sql(f"DROP ROLE {role}")
    postgres.sql("UPDATE rxcandles.about SET value = value + 1", database)
    with pytest.raises(SchemaError, match=f"version {VERSION + 1}, this rxcandles knows {VERSION}; upgrade"):
        await PostgresStore.open(bare_postgres_url)


def test_password_of_any_letters() -> None:
    """A password is what libpq takes for it, with a ? or a # in it; an address with a second @ is not shown at all."""
    for password in ("s3cret", "s3?cret", "s3#cret", "s3:cret", "s3[cret", "s3&cret=1", "%73%33"):
        url = f"postgresql://me:{password}@host:5,[::1]:6/db?sslmode=require&sslpassword=hush"
        assert connection_words(url)["password"] == unquote(password)
        assert shown_address(url) == "postgresql://me@host:5,[::1]:6/db"
        assert {password, unquote(password), "hush"} == set(secrets_of(url))
    for password in ("s3@cret", "s3@cret/x", "s3/c@ret", "s3/cret?x"):
        url = f"postgresql://me:{password}@host/db"
        assert shown_address(url) == "postgresql://…"
        with pytest.raises(RequestError, match="%40 for an @") as caught:
            connection_words(url)
        assert "s3" not in str(caught.value)
    for words in ("host=h password=s3cret", " password = s3cret", " postgresql+psycopg://me:s3cret@h/db"):
        with pytest.raises(RequestError, match="postgresql://user@") as caught:
            check_database("db", words)
        assert "s3" not in str(caught.value)


async def test_no_password_is_shown(
    postgres: Server, postgres_url: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wherever an address appears, and whatever is wrong with it, its password does not."""
    caplog.set_level(logging.DEBUG)
    database = postgres_url.rpartition("/")[2]
    assert shown_address(postgres_url) == f"postgresql://team@127.0.0.1:{postgres.port}/{database}"
    said: list[str] = []
    for url in (
        postgres.url(database, password="s3cret"), postgres.url("nowhere"), postgres.url(database, user="nobody"),
        "postgresql://me:s3cret@127.0.0.1:1/db", "postgresql://me:s3%zzcret@host/db", "postgresql://me:s3cret@[::1/db",
        "postgresql://host/db?password=s3cret&sslmode=wrong", "postgresql://me:s3cret@host/db?nonsense=1",
    ):  # fmt: skip
        with pytest.raises((StoreError, RequestError)) as caught:
            await PostgresStore.open(url, patience=0)
        said += [repr(caught.value), *(str(each) for each in (caught.value.__cause__, caught.value.__context__))]
        assert await asyncio.to_thread(main, ["coverage", "--db", url]) in (1, 2)
    store = await PostgresStore.open(postgres_url)
    provider = rxcandles.connect(postgres_url, "simulated")
    said += [repr(store), str(store), repr(provider), repr(vars(provider)["name"]), store.path]
    await store.close()
    said += [*capsys.readouterr(), caplog.text, *(str(vars(record)) for record in caplog.records)]
    for secret in ("s3cret", "s3%zzcret", PASSWORD, postgres_url.split(":")[2].split("@")[0]):
        assert secret not in "".join(said)


def test_tls(postgres: Server, postgres_url: str) -> None:
    """``sslmode`` is honoured: with the server's authority the connection is verified, without it refused."""
    if not postgres.tls:
        pytest.skip("this build of PostgreSQL has no TLS")

    def opened(more: str) -> Any:
        session = Session(f"{postgres_url}?{more}")
        session.connect()
        try:
            return session.native("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()[0]
        finally:
            session.close()

    assert opened(f"sslmode=verify-full&sslrootcert={postgres.authority}") is True
    assert opened("sslmode=disable") is False
    with pytest.raises(StoreError, match="certificate verify failed|root certificate file"):
        opened("sslmode=verify-full&sslrootcert=/nowhere.pem")


@pytest.fixture(scope="module")
def pooler(postgres: Server) -> Iterator[Pooler]:
    with Pooler(postgres) as pooler:
        yield pooler


async def test_pooler(pooler: Pooler, postgres_url: str) -> None:
    """Through pgbouncer in transaction mode, two server connections serve six stores; nothing leaks between them."""
    url = pooler.url(postgres_url)
    stores = [PostgresStore(url) for _ in range(6)]
    try:
        await asyncio.gather(*(store.__aenter__() for store in stores))

        async def some(number: int) -> None:
            store = stores[number]
            for at in range(number, 36, 6):
                await store.write(SYMBOL, MINUTE, *page(at))
                await store.rows(SYMBOL, MINUTE, 0, END - 1, "newest_first", 10)
                await store.write(SYMBOL, MINUTE, *page(at))  # again: the general way

        await asyncio.gather(*map(some, range(6)))
        assert await whole(stores[0], 36)
        assert stores[0].reader(SYMBOL, MINUTE).count(0, END - 1) == 36 * 50
    finally:
        await asyncio.gather(*(store.close() for store in stores))
    assert (await rxcandles.verify(url)).clean


async def test_collect_verify_repair(postgres_url: str) -> None:
    """The three modes, overview, verify and repair work on a server as on a file."""
    async with rxcandles.connect(postgres_url, "simulated", rate_limit=None) as provider:
        summary = await provider.collect_candles_only(SYMBOL, "1m", until="2024-01-03", count=900)
        assert summary.collected_count == 900
        assert len(await provider.get_candles(SYMBOL, "1m", until="2024-01-03", count=900)) == 900
        async with provider.stream_candles(SYMBOL, "1m", until="2024-01-03", count=900) as chunks:
            assert sum([len(candles) async for candles, _ in chunks]) == 900
        store = provider.repository
        assert isinstance(store, PostgresStore)
        [seen] = await rxcandles.overview(store)
        assert (seen.candles, seen.missing, seen.size_source) == (900, 0, "server")
    assert (await rxcandles.verify(postgres_url)).clean
    with psycopg.connect(postgres_url, autocommit=True) as other:
        other.execute("UPDATE rxcandles.candles SET high = 0 WHERE open_time % 3600 = 0")
        other.execute("UPDATE rxcandles.coverage SET rows = rows + 1")
    report = await rxcandles.verify(postgres_url)
    assert set(report.counts) == {"impossible_candle", "wrong_count"}
    mended = await rxcandles.repair(postgres_url, exchange="simulated", rate_limit=None)
    assert mended.after is not None
    assert mended.after.clean
    async with PostgresStore(postgres_url, exchange="simulated") as store:
        assert await store.count(SYMBOL, MINUTE, BEGINNING, END - 1) == 900


async def test_greatest_price(postgres_url: str) -> None:
    """A price near the greatest number does not stop ``verify``: a server has no infinity to multiply into."""
    rows, proven = page(0)
    rows[20] = rows[20]._replace(open=1e308, high=1e308, close=1e308)
    async with PostgresStore(postgres_url) as store:
        await store.write(SYMBOL, MINUTE, rows, proven)
    assert (await rxcandles.verify(postgres_url)).clean


@pytest.mark.parametrize("server", [False, True])
async def test_trades_that_can_not_be(shared_postgres_url: str, tmp_path: Path, server: bool) -> None:
    """``verify`` names the candles whose values of trades can't be, as readers refuse them and send people to it."""
    place = shared_postgres_url if server else str(tmp_path / "candles.db")
    rows = [RowWithTrades(*row(slot), 3, 0.5, 50.0) for slot in range(5, -1, -1)]
    async with store_at(place, exchange="binance") as store:
        await store.write("BTCUSDT", MINUTE, rows, (0, 360))
        assert (await rxcandles.verify(place)).clean

        def spoil(connection: Sql) -> None:
            with transaction(connection):
                connection.execute("UPDATE candles SET trades = -5 WHERE open_time = 60")
                connection.execute("UPDATE candles SET taker_volume = 9e999 WHERE open_time = 120")
                connection.execute("UPDATE candles SET taker_turnover = -1 WHERE open_time = 180")

        await store.call(spoil)
    report = await rxcandles.verify(place)
    assert report.counts == {"impossible_candle": 3}
    assert "its trades can't be: trades -5" in report.findings[0].detail


async def test_import(postgres_url: str, tmp_path: Path) -> None:
    """A file is imported, read with the exchange's own, refused where it differs, and gone where that answers."""
    path, first = tmp_path / "btc.csv", 1_704_067_200
    lines = [f"{first + slot * 60},100,103,98,101,2" for slot in range(30)]
    path.write_text("open_time,open,high,low,close,volume\n" + "\n".join(lines))
    start = first // 60
    async with PostgresStore(postgres_url) as store:
        await store.write(SYMBOL, MINUTE, [row(start + 29)], (first + 1740, first + 1800))
        report = await rxcandles.import_candles(store, SYMBOL, "1m", path)
        assert (report.new, report.covered, report.differing) == (29, 1, 1)
        assert (await rxcandles.import_candles(store, SYMBOL, "1m", path)).new == 0
        path.write_text(path.read_text().replace("101,2", "102,2"))
        with pytest.raises(RequestError, match="replace"):
            await rxcandles.import_candles(store, SYMBOL, "1m", path)
        assert (await rxcandles.import_candles(store, SYMBOL, "1m", path, replace=True)).replaced == 29
        both = store.with_imported()
        assert await both.count(SYMBOL, MINUTE, 0, END - 1) == 30
        assert [each.rows for each in await both.coverage(SYMBOL, MINUTE, 0, END - 1)] == [-2]
        assert len(both.reader(SYMBOL, MINUTE).rows(0, END - 1, "oldest_first", 99)) == 30
        await store.write(SYMBOL, MINUTE, [row(start + 3)], (first, first + 1200))
        assert await store.imported_count(SYMBOL, MINUTE, 0, END - 1) == 9
        assert [(each.rows, each.left) for each in await store.imports()] == [(29, 0), (29, 9)]


def test_commands(postgres_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command that takes a file takes an address; none shows its password."""
    series, db = [SYMBOL, "1m"], ["--db", postgres_url]
    once = ["--exchange", "simulated", "--rate-limit", "none"]
    out = str(tmp_path / "btc")
    for words in (
        ["collect", *series, "--until", "2024-01-02", "--count", "300", *once],
        ["coverage", "--json"], ["verify"], ["repair", "--exchange", "simulated"],
        ["get", *series, "--count", "3", "--until", "2024-01-02", *once], ["plan", *series, "--count", "500", *once],
        ["stream", *series, "--count", "300", "--until", "2024-01-02", *once],
        ["export", *series, "-o", out + ".csv"], ["export", *series, "-o", out + ".parquet"],
        ["chart", *series, "-o", out + ".html"],
        ["import", out + ".csv", "--symbol", SYMBOL, "--timeframe", "1m", "--exchange", "simulated"],
    ):  # fmt: skip
        assert main([*words, *db]) == 0, words
        told = "".join(capsys.readouterr())
        assert re.search(r"pa:ss|pa%3Ass", told) is None


@pytest.mark.parametrize("trades", [False, True])
async def test_frames(postgres_url: str, tmp_path: Path, trades: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame of a server is that of a file with the same candles, by ADBC as by tuples; no number is no number."""
    monkeypatch.setattr("rxcandles.stores.postgres.reader.FEW", 100)
    rows = [row(slot)._replace(close=100.5 + slot / 7) for slot in range(1999, -1, -1)]
    if trades:
        rows = [RowWithTrades(*each, 3 if each.open_time % 120 else None, 0.1, 0.3) for each in rows]
    tables = []
    for store in (SqliteStore(tmp_path / "candles.db"), PostgresStore(postgres_url)):
        async with store:
            await store.write(SYMBOL, MINUTE, rows, (0, 120_000))
            candles = rxcandles.stored_candles(store, SYMBOL, "1m", "1970-01-01", "1971-01-01")
            tables.append(rxcandles.to_arrow(candles))
            assert [len(batch) async for batch in rxcandles.in_batches(candles, size=900)] == [900, 900, 200]
    assert tables[0].equals(tables[1])
    asked: list[Any] = []
    with monkeypatch.context() as patch:
        patch.setattr("rxcandles.stores.postgres.reader.has_adbc", lambda: asked.append(1))
        assert rxcandles.to_arrow(candles).equals(tables[0])
        assert asked
    with psycopg.connect(postgres_url, autocommit=True) as other:
        other.execute("UPDATE rxcandles.candles SET high = 'NaN' WHERE open_time = 600")
    with pytest.raises(OddRowError, match="has a candle whose high is no finite number"):
        rxcandles.to_arrow(candles)


LEFT_OPEN = """
import asyncio, sys
from rxcandles import PostgresStore

async def main():
    global store
    store = await PostgresStore.open(sys.argv[1])

asyncio.run(main())
"""


def test_left_open(postgres_url: str) -> None:
    """A program that leaves a store open ends, and is told so in one warning without the password."""
    done = subprocess.run(
        [sys.executable, "-W", "always::ResourceWarning", "-c", LEFT_OPEN, postgres_url],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.count("was left open; open it with `async with`") == 1
    assert "Traceback" not in done.stderr
    assert "pa%3A" not in done.stderr
