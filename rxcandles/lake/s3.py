"""A lake in an S3 bucket: files are written on this machine, then uploaded.

An upload becomes visible as a whole. A Parquet writer that is open on S3 must never be used: if its program fails, the
half-written file takes its final name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from rxcandles.errors import LakeError, RequestError
from rxcandles.lake.target import Target
from rxcandles.util.extras import need
from rxcandles.util.files import temporary_folder

__all__ = ["bucket_at"]

_SECRETS: Final = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID")


def bucket_at(address: str) -> Target:
    """Return the lake at ``s3://BUCKET/PREFIX``.

    Keys, the region and the address of the server are those of the usual variables (``AWS_ACCESS_KEY_ID``,
    ``AWS_SECRET_ACCESS_KEY``, ``AWS_SESSION_TOKEN``, ``AWS_REGION``, ``AWS_ENDPOINT_URL_S3``, ``AWS_ENDPOINT_URL``) or
    of the profile of AWS's own tools.
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        parts = urlsplit("")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise RequestError(
            "target has more than a bucket and a prefix (it is not shown, since it may hold a key); give "
            "s3://BUCKET/PREFIX, and the keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if not parts.netloc:
        raise RequestError("target is an address of S3 without a bucket; give s3://BUCKET/PREFIX")
    root = f"{parts.netloc}/{parts.path.strip('/')}".rstrip("/")
    fs = need("pyarrow.fs", "export")
    shown = f"s3://{root}"
    try:
        return _Bucket(fs.SubTreeFileSystem(root, _files(fs, _options())), shown, shown)
    except OSError as error:
        raise LakeError(f"the lake {shown} can't be used: {_scrubbed(error)}") from error


def _files(fs: Any, options: dict[str, Any]) -> Any:
    try:
        return fs.S3FileSystem(**options, allow_delayed_open=True)  # a small file is one request
    except TypeError:  # pyarrow before 20
        return fs.S3FileSystem(**options)


def _options() -> dict[str, Any]:
    """Return the options of Arrow's file system that it does not read from the environment itself."""
    options: dict[str, Any] = {"background_writes": False}
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if endpoint:
        parts = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise RequestError("AWS_ENDPOINT_URL is not the address of a server; set it as http://HOST:PORT")
        options |= {"endpoint_override": parts.netloc, "scheme": parts.scheme}
        region = region or "us-east-1"  # servers other than AWS's take any
    return options | ({"region": region} if region else {})


class _Bucket(Target):
    """A lake below a prefix of a bucket."""

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        with temporary_folder() as folder:
            path = folder / name.rpartition("/")[2]
            yield path
            with self.failing(name):
                self._upload(path, name)

    def _upload(self, path: Path, name: str) -> None:
        # Read it whole first: closing the stream after an error of this disk would finish half a file.
        content = path.read_bytes()
        with self._files.open_output_stream(name) as stream:
            stream.write(content)
        stat = self.stat(name)
        if stat is None or stat.size != len(content):
            there = "nothing" if stat is None else f"{stat.size:,} bytes"
            raise LakeError(f"the lake {self.shown}: {there} of {len(content):,} bytes arrived of {name}; sync again")

    def said(self, error: Exception) -> str:
        """Return the text of an error without keys."""
        return _scrubbed(error)


def _scrubbed(error: Exception) -> str:
    text = " ".join(str(error).split())
    for name in _SECRETS:
        secret = os.environ.get(name, "")
        if len(secret) > 3:
            text = text.replace(secret, "***")
    return text
