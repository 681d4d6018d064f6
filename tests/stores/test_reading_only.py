"""Files that may only be read: a folder mounted read only, or another user's."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

import rxcandles
from rxcandles.__main__ import main
from rxcandles.errors import StoreError
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.stores import SqliteStore
from rxcandles.stores.sqlite import access
from tests.support.trouble import TO

MINUTE = Timeframe.of("1m")
SERIES = ["KRW-D900", "1m"]


@pytest.fixture
def path(stored: Path, tmp_path: Path) -> Path:
    path = tmp_path / "theirs" / "candles.db"
    path.parent.mkdir()
    shutil.copy(stored, path)
    return path


@pytest.fixture
def read_only(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The folder may not be written to; the tests' user may be one who may all, so it is SQLite's word that is kept."""
    monkeypatch.setattr(access, "_may_write", lambda path: False)
    before = {each.name: each.read_bytes() for each in path.parent.iterdir()}
    yield
    assert {each.name: each.read_bytes() for each in path.parent.iterdir()} == before


@pytest.mark.usefixtures("read_only")
def test_commands(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What only reads works, and leaves nothing behind; what writes says that it may not."""
    monkeypatch.chdir(tmp_path)
    span = ["--last", "20m"]
    commands = [
        ["coverage"],
        ["coverage", "--json"],
        ["verify"],
        ["plan", *SERIES, "--since", "2024-01-01", "--to", "2024-01-02"],
        ["export", *SERIES, "-o", "a.csv"],
        ["chart", *SERIES, *span, "-o", "a.html"],
    ]
    assert [main([*each, "--db", str(path)]) for each in commands] == [0] * len(commands)


@pytest.mark.usefixtures("read_only")
async def test_store(path: Path) -> None:
    """A store reads all, and refuses to write in words."""
    async with SqliteStore(path) as store:
        [covered] = await store.coverage("KRW-D900", MINUTE, 0, 10**11)
        reader = store.reader("KRW-D900", MINUTE)
        assert reader.count(*covered[:2]) == covered.rows > 0
        with pytest.raises(StoreError, match="may not be written to; check the permissions"):
            await store.write("KRW-D900", MINUTE, [], (0, 60))


@pytest.mark.usefixtures("read_only")
async def test_get(path: Path) -> None:
    """Candles that are all held can be had; no request is sent for them."""
    async with rxcandles.connect(path, base_url="http://127.0.0.1:9", name="upbit", rate_limit=None) as provider:
        [covered] = await provider.repository.coverage("KRW-D900", MINUTE, 0, 10**11)
        candles = await provider.get_candles("KRW-D900", "1m", count=30, to=to_datetime(covered.stop))
        assert len(candles) == 30


@pytest.mark.usefixtures("read_only")
async def test_written_meanwhile(path: Path) -> None:
    """Who has all the rights writes to it while it is read: an error, and not a mixture of two moments."""
    async with SqliteStore(path) as store:
        reader = store.reader("KRW-D900", MINUTE)
        os.utime(path, (1, 1))
        with pytest.raises(StoreError, match="was written to while it was read; ask again"):
            await store.series()
        with pytest.raises(StoreError, match="was written to while it was read; ask again"):
            reader.count(0, 60)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("look", [lambda path: SqliteStore.open(path), lambda path: rxcandles.verify(path)])
async def test_wal_that_cannot_be_read(path: Path, look: Callable[[Path], object]) -> None:
    """What is only in a -wal can't be read where nothing may be written: that is said, and nothing older is shown."""
    with tempfile.TemporaryDirectory() as folder:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE more (x)")
            for each in ("", "-wal"):
                shutil.copy(f"{path}{each}", f"{folder}/copy.db{each}")
        os.chmod(folder, 0o755)
        os.seteuid(65534)
        try:
            with pytest.raises(StoreError, match=r"copy\.db-wal\), which can't be read where nothing may be written"):
                await look(Path(folder, "copy.db"))  # type: ignore[misc]
        finally:
            os.seteuid(0)


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_old_version(
    version: int, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file of an older version is read as it is where it may not be written to, and says what a newer one says."""
    monkeypatch.chdir(tmp_path)
    commands = [
        ["coverage"],
        ["coverage", "--json"],
        ["verify", "--complete"],
        ["plan", *SERIES, "--since", "2024-01-01", "--to", "2024-01-02", "--json"],
        ["get", *SERIES, "--count", "5", "--until", f"{to_datetime(TO):%Y-%m-%dT%H:%MZ}", "--imported"],
        ["export", *SERIES, "-o", "-", "--imported"],
        ["chart", *SERIES, "--imported", "-o", "-"],
    ]

    def told() -> list[tuple[int, str]]:
        return [(main([*each, "--db", str(path)]), capsys.readouterr().out) for each in commands]

    newest = told()
    with closing(sqlite3.connect(path)) as connection:
        for lacking in ("months", "claims", "imported", "imports")[: {4: 1, 3: 2}.get(version, 4)]:
            connection.execute(f"DROP TABLE {lacking}")
        if version < 3:
            connection.execute("DROP VIEW imported_readable")
        if version < 2:
            connection.execute("CREATE VIEW page AS SELECT * FROM candles")
        connection.execute(f"PRAGMA user_version = {version}")
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = {each.name: each.read_bytes() for each in path.parent.iterdir()}
    monkeypatch.setattr(access, "_may_write", lambda path: False)
    older = told()
    assert [code for code, _ in older] == [0] * len(commands)
    assert [code for code, _ in newest] == [0] * len(commands)
    assert older[3:] == newest[3:]
    Path("in.csv").write_text("time,open,high,low,close,volume\n2020-01-01 00:00:00Z,1,2,1,2,3\n")
    assert main(["import", "in.csv", "--symbol", "KRW-D900", "--timeframe", "1m", "--db", str(path)]) == 1
    assert "may not be written to" in capsys.readouterr().err
    assert before.keys() == {"candles.db"}
    assert {each.name: each.read_bytes() for each in path.parent.iterdir()} == before


async def test_verify_leaves_nothing(path: Path) -> None:
    """A check by who may write leaves the folder as it was."""
    assert (await rxcandles.verify(path)).candles > 0
    assert [each.name for each in path.parent.iterdir()] == ["candles.db"]


@pytest.mark.parametrize(
    "address",
    [
        "mysql://me:s3cret@host/db", "sqlite:///s3cret.db", "s3://s3cret/a.db", "HTTP://me:s3cret@host/a.db",
        Path("postgresql://me:s3cret@host/db"),
    ],
)  # fmt: skip
def test_addresses(
    address: str | Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An address is refused as a database and as a file, and no password in it is shown."""
    monkeypatch.chdir(tmp_path)
    for use in (SqliteStore, rxcandles.connect, rxcandles.open):
        with pytest.raises(rxcandles.RequestError, match=r"is an address \(\w+://…\)") as caught:
            use(address)
        assert "s3cret" not in str(caught.value)
    for words in (
        *(
            [*command, "--db", address]
            for command in (["coverage"], ["verify"], ["repair"], ["collect", *SERIES, "--count", "5"])
        ),
        *(
            [*command, address]
            for command in (["repair", "--from"], ["run"], ["chart", *SERIES, "-o"], ["export", *SERIES, "-o"])
        ),
    ):
        assert main([str(each) for each in words]) == 2
        out, err = capsys.readouterr()
        assert "s3cret" not in out + err
        assert " is an address (" in err or " there is no database 'candles.db'" in err
    assert list(tmp_path.iterdir()) == []
