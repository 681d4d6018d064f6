"""A lake in an S3 bucket is like one in a folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from rxcandles import lake
from rxcandles.errors import LakeError, SealedError
from rxcandles.lake.s3 import _Bucket
from rxcandles.lake.target import Target, target_at
from rxcandles.stores import SqliteStore
from tests.support.fakes import row
from tests.support.lakes import FEBRUARY, HOUR, JANUARY, MARCH, Killed, Steps
from tests.support.s3server import SECRET, arrow_files

FOLDER = "exchange=upbit/symbol=KRW-BTC/timeframe=60m"


@pytest_asyncio.fixture
async def store() -> AsyncIterator[SqliteStore]:
    async with SqliteStore(":memory:") as opened:
        await write(opened, JANUARY, FEBRUARY)
        yield opened


async def write(store: SqliteStore, *months: int, **changed: Any) -> None:
    for start in months:
        await store.write("KRW-BTC", HOUR, [row(start)._replace(**changed)], (start, start + 3600))


def files_of(address: str) -> set[str]:
    return {name.removeprefix(f"{FOLDER}/") for name in target_at(address).walk()}


async def test_sync_and_verify(store: SqliteStore, bucket: Any) -> None:
    """Files are written, replaced and removed; a second sync writes nothing; a check finds what is wrong."""
    [done] = await lake.sync(store, bucket.address)
    assert (done.written, done.candles) == (2, 2)
    assert files_of(bucket.address) == {"2024-01.parquet", "2024-02.parquet", "_manifest.json"}
    assert [each.written for each in await lake.sync(store, bucket.address)] == [0]
    await store.write("KRW-BTC", HOUR, [], (JANUARY, JANUARY + 3600), gone=[JANUARY])
    await write(store, FEBRUARY, volume=2.5)
    assert len((await lake.verify(store, bucket.address)).findings) == 2
    [done] = await lake.sync(store, bucket.address)
    assert (done.written, done.removed) == (1, 1)
    assert (await lake.verify(store, bucket.address)).findings == ()
    arrow_files(bucket.server).delete_file(f"{bucket.name}/lake/{FOLDER}/2024-02.parquet")
    assert [each.kind for each in (await lake.verify(store, bucket.address)).findings] == ["missing_file"]


async def test_seal(store: SqliteStore, bucket: Any) -> None:
    """Months leave the database for a bucket, and come back from it."""
    await store.write("KRW-BTC", HOUR, [row(MARCH - 3600)], (JANUARY, MARCH))
    await lake.sync(store, bucket.address)
    before = await store.rows("KRW-BTC", HOUR, 0, MARCH, "oldest_first", 9)
    [done] = await lake.seal(store, bucket.address, older_than="1M")
    assert (done.months, [each.place for each in await store.sealed("KRW-BTC", HOUR, 0, MARCH)]) == (
        2,
        [bucket.address] * 2,
    )
    with pytest.raises(SealedError, match=f"only the lake at {bucket.address} has them"):
        await store.rows("KRW-BTC", HOUR, 0, MARCH, "oldest_first", 9)
    assert (await lake.verify(store, bucket.address)).findings == ()
    await lake.unseal(store, bucket.address)
    assert await store.rows("KRW-BTC", HOUR, 0, MARCH, "oldest_first", 9) == before


async def test_kills(store: SqliteStore, bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a kill at a step, the next sync does the rest."""
    steps = Steps(monkeypatch, _Bucket)
    for last in (0, 1, 2, 4, 7, 11):
        await write(store, JANUARY, MARCH, volume=3.0 + last)
        steps.done, steps.last = 0, last
        with pytest.raises(Killed):
            await lake.sync(store, bucket.address)
    steps.last = None
    await lake.sync(store, bucket.address)
    assert (await lake.verify(store, bucket.address)).findings == ()


async def test_half_an_upload(store: SqliteStore, bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has not arrived as a whole is told, and is no part of the manifest."""
    real = Target.stat

    def short(target: Target, name: str) -> Any:
        stat = real(target, name)
        return stat and stat._replace(size=stat.size - 1)

    monkeypatch.setattr(_Bucket, "stat", short)
    with pytest.raises(LakeError, match=r"bytes arrived of .*2024-01.parquet; sync again"):
        await lake.sync(store, bucket.address)
    monkeypatch.undo()


async def test_messages(store: SqliteStore, bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error names the lake and the fault in a line, and never a key."""
    with pytest.raises(LakeError, match=r"the lake s3://no-such-bucket/lake: .*NO_SUCH_BUCKET") as told:
        await lake.sync(store, "s3://no-such-bucket/lake")
    assert "\n" not in str(told.value)

    def fail(target: Any, *given: Any) -> None:
        raise OSError(f"the key {SECRET} is wrong")

    monkeypatch.setattr(_Bucket, "_upload", fail, raising=True)
    with pytest.raises(LakeError, match=r"the key \*\*\* is wrong") as told:
        await lake.sync(store, bucket.address)
    assert SECRET not in str(told.value)


async def test_an_address_that_is_none(store: SqliteStore, bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server's address with a password in it is refused and not shown."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://user:{SECRET}@host")
    with pytest.raises(ValueError, match="AWS_ENDPOINT_URL is not the address of a server") as told:
        await lake.sync(store, bucket.address)
    assert SECRET not in str(told.value)
