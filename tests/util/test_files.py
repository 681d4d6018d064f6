"""Files are whole or not there."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import closing
from pathlib import Path

import pytest

from rxcandles.errors import RequestError
from rxcandles.util.files import check_replaceable, replacing


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


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such things there")
def test_what_is_no_file(tmp_path: Path) -> None:
    """A pipe and a socket stay what they are, also by force; so does a link, and what it leads to is written."""
    os.mkfifo(tmp_path / "pipe.csv")
    with closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(str(tmp_path / "socket.csv"))
        for name, what in [("pipe.csv", "a pipe"), ("socket.csv", "a socket")]:
            for force in (False, True):
                with pytest.raises(RequestError, match=f"give a file; that is {what}"):
                    check_replaceable(tmp_path / name, force=force)
        assert (tmp_path / "pipe.csv").is_fifo()
        assert (tmp_path / "socket.csv").is_socket()
    (tmp_path / "there").mkdir()
    link, loop = tmp_path / "link.csv", tmp_path / "loop.csv"
    link.symlink_to(tmp_path / "there" / "real.csv")
    for text in ("first", "second"):
        with replacing(link, force=text == "second") as temporary:
            temporary.write_text(text)
        assert (link.is_symlink(), (tmp_path / "there" / "real.csv").read_text()) == (True, text)
    loop.symlink_to(loop)
    with pytest.raises(RequestError, match="a link that leads nowhere"):
        check_replaceable(loop, force=True)
