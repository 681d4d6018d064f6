"""Files are whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from rxcandles.errors import RequestError
from rxcandles.files import replacing


def test_takes_its_place(tmp_path: Path) -> None:
    """Nothing is at the path before the block has ended, and nothing else is left in the folder."""
    path = tmp_path / "a.csv"
    with replacing(path, force=False) as temporary:
        assert temporary.parent == tmp_path
        temporary.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError("full"), KeyboardInterrupt()])
def test_fails(tmp_path: Path, error: BaseException) -> None:
    """Where the block doesn't end well, what was there stays, and no part of the new file does."""
    path = tmp_path / "a.csv"
    path.write_text("old")
    with pytest.raises(type(error)), replacing(path, force=True) as temporary:
        temporary.write_text("ne")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_replaces_by_force_only(tmp_path: Path) -> None:
    """A file that is there is refused, and replaced with force; a folder is refused, and so is one that is absent."""
    path = tmp_path / "a.csv"
    path.write_text("old")
    for wrong, says in (
        (path, "there is a file already"),
        (tmp_path, "give a file"),
        (tmp_path / "b" / "c", "make it, or give a path in one that is there"),
    ):
        with pytest.raises(RequestError, match=says), replacing(wrong, force=False):
            raise AssertionError("never begun")
    with replacing(path, force=True) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"
