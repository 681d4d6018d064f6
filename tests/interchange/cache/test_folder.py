"""The folder of copies: how much there may be, and who may write to it."""

from __future__ import annotations

import logging
import os
import stat
import time
from pathlib import Path

import pytest

from rxcandles.interchange.cache import folder
from rxcandles.interchange.cache.folder import FRESH, Folder
from rxcandles.ports import CachePlace, Month, Series

MONTHS = [
    Month(start, start + 28 * 86_400, number + 1)
    for number, start in enumerate(range(0, 20 * 32 * 86_400, 32 * 86_400))
]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "candles.db"
    path.touch()
    path.chmod(0o644)
    return path


def folder_of(database: Path, size: int = 1000, symbol: str = "KRW-BTC") -> Folder:
    return Folder(CachePlace(str(database), size, Series("upbit", symbol, "1m")), ["open_time"])


def keep(there: Folder, month: Month, size: int = 100) -> bool:
    """Keep a copy of ``size`` bytes, and return whether it was kept."""
    if not there.has_room():
        return False
    with there.unfinished() as (file, name):
        file.write(bytes(size))
        there.keep(name, month, 5)
    return there.copies(month) != []


def held(database: Path) -> list[Path]:
    return sorted(database.with_name("candles.db.cache").iterdir())


def age(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


def test_oldest_used_first_out(database: Path) -> None:
    """What was not used for longest makes room, whichever series it is of."""
    there, other = folder_of(database), folder_of(database, symbol="KRW-ETH")
    assert all(keep(other if number % 2 else there, month) for number, month in enumerate(MONTHS[:10]))
    files = {each.name.split(".")[1]: each for each in held(database)}
    for ago, month in enumerate(sorted(files)):
        age(files[month], FRESH * (20 - ago))
    used = files["1970-01"].name
    opened = folder_of(database).opened(used)
    assert opened is not None
    assert opened[1] == 100
    opened[0].close()

    assert keep(folder_of(database), MONTHS[10], 250)
    left = {each.name.split(".")[1] for each in held(database)}
    assert set(files) - left == set(sorted(files)[1:4])
    assert sum(each.stat().st_size for each in held(database)) <= 1000


def test_what_was_just_used_stays(database: Path) -> None:
    """More than fits, read in turn, does not displace itself: the first stay, and no room is found for the rest."""
    there = folder_of(database, 350)
    assert [keep(there, month) for month in MONTHS[:6]] == [True] * 3 + [False] * 3
    assert len(held(database)) == 3
    for each in held(database):
        age(each, FRESH + 1)
    assert [keep(there, month) for month in MONTHS[3:8]] == [True] * 3 + [False] * 2
    assert len(held(database)) == 3


def test_too_large(database: Path) -> None:
    """A month that is larger than all that may be there is not kept."""
    there = folder_of(database, 150)
    assert not keep(there, MONTHS[0], 200)
    assert held(database) == []


def test_number_of_files(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However small they are, there is a bound on their number; marks of months count."""
    monkeypatch.setattr(folder, "MOST_FILES", 4)
    there = folder_of(database)
    for month in MONTHS[:9]:
        there.mark(month)
        for each in held(database):
            age(each, 10 * FRESH)
        assert keep(there, month, 1)
        for each in held(database):
            age(each, 10 * FRESH)
    assert 3 <= len(held(database)) <= 4


def test_one_file_a_month(database: Path) -> None:
    """A copy takes the place of an earlier one and of a mark, a mark that of a copy."""
    there, [month, *_] = folder_of(database), MONTHS
    for revision in (5, 6):
        changed = month._replace(revision=revision)
        assert there.was_other(changed) == (revision == 6)
        there.mark(changed)
        assert (there.seen(changed), there.copies(changed)) == (True, [])
        assert keep(there, changed)
        assert (there.seen(changed), len(there.copies(changed))) == (False, 1)
        assert len(held(database)) == 1
    again = folder_of(database)
    assert again.copies(changed) == there.copies(changed)
    assert folder_of(database, symbol="KRW-ETH").copies(changed) == []


def test_what_a_killed_process_leaves(database: Path) -> None:
    """An unfinished file is removed after an hour, and counts until then; other people's files are left alone."""
    there = folder_of(database, 300)
    assert keep(there, MONTHS[0])
    beside = database.with_name("candles.db.cache")
    for name in (".0123456789abcdef.part", "notes.txt", "lake.parquet"):
        (beside / name).write_bytes(bytes(150))
    assert not keep(there, MONTHS[1])
    age(beside / ".0123456789abcdef.part", 4000)
    assert keep(there, MONTHS[1])
    assert {each.name for each in held(database)} > {"notes.txt", "lake.parquet"}
    assert not (beside / ".0123456789abcdef.part").exists()


@pytest.mark.parametrize(("mode", "folder_mode"), [(0o600, 0o700), (0o640, 0o750), (0o664, 0o775), (0o644, 0o755)])
def test_permissions(database: Path, mode: int, folder_mode: int) -> None:
    """Copies may be read and written by those who may do so with the database, whatever the umask is."""
    database.chmod(mode)
    before = os.umask(0o022)
    try:
        assert keep(folder_of(database), MONTHS[0])
    finally:
        os.umask(before)
    [copy] = held(database)
    assert (stat.S_IMODE(copy.stat().st_mode), stat.S_IMODE(copy.parent.stat().st_mode)) == (mode, folder_mode)
    assert keep(folder_of(database), MONTHS[1])


@pytest.mark.parametrize("kind", ["link", "open to all", "file", "another's"])
def test_not_ours(database: Path, kind: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder elsewhere, one that others may write to, or somebody else's, is not used; the log says so once."""
    beside, elsewhere = database.with_name("candles.db.cache"), database.with_name("elsewhere")
    assert keep(folder_of(database), MONTHS[0])
    if kind == "link":
        beside.rename(elsewhere)
        beside.symlink_to(elsewhere)
    elif kind == "open to all":
        beside.chmod(0o777)
    elif kind == "another's":
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
        status = os.stat(database)
        fake = os.stat_result([*status[:4], 54321, *status[5:10]])
        monkeypatch.setattr(os, "stat", lambda path, **how: fake if path == str(database) else status)
    else:
        beside.rename(elsewhere)
        beside.touch()
    with caplog.at_level(logging.INFO, "rxcandles"):
        for _ in range(2):
            there = folder_of(database)
            assert not there.usable
            assert there.copies(MONTHS[0]) == []
            there.mark(MONTHS[1])
            assert not there.has_room()
    assert len(caplog.records) == 1
    monkeypatch.undo()
    assert len(list((elsewhere if elsewhere.exists() else beside).iterdir())) == 1


def test_system_without_owners(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where files have no owner, the folder is used."""
    monkeypatch.delattr(os, "geteuid")
    there = folder_of(database)
    assert keep(there, MONTHS[0])
    assert folder_of(database).copies(MONTHS[0]) == there.copies(MONTHS[0])


def test_another_group(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that can't be given to the database's group is not the writer's group's either."""
    database.chmod(0o664)
    monkeypatch.setattr(os, "chown", lambda *_, **__: (_ for _ in ()).throw(PermissionError("no")))
    there = folder_of(database)
    there._group = 54321
    assert keep(there, MONTHS[0])
    assert stat.S_IMODE(held(database)[0].stat().st_mode) == 0o604


def test_folder_deleted_meanwhile(database: Path) -> None:
    """The folder may go at any moment; it is made again."""
    there = folder_of(database)
    assert keep(there, MONTHS[0])
    [name], beside = [each[0] for each in there.copies(MONTHS[0])], database.with_name("candles.db.cache")
    (beside / name).unlink()
    beside.rmdir()
    assert there.opened(name) is None
    there.remove(name)
    assert there.has_room()
    assert keep(there, MONTHS[1])
