"""What is sent to workers, and what they send back."""

from __future__ import annotations

import pickle  # nosec B403
from collections.abc import Mapping
from typing import Any

import attrs

from rxcandles.cluster.host import Host
from rxcandles.errors import RxCandlesError
from rxcandles.model import Request
from rxcandles.model.reports import CollectionProgress, CollectionSummary
from rxcandles.model.timeframe import from_datetime, to_datetime

__all__ = ["TOPIC", "Done", "Job", "plain_progress", "progress_of"]

TOPIC = "rxcandles"
"""The topic under which workers send what happens: ``(run, number, worker, kind, content)``."""


@attrs.frozen
class Job:
    """A part of a request that one worker collects."""

    run: str
    """Which call of ``collect_many`` it belongs to."""
    number: int
    """Which of its parts it is."""
    host: Host
    request: Request
    version: str
    """The version of this library that has sent it."""
    refetch: bool = False
    include_imported: bool = False


@attrs.frozen
class Done:
    """What has become of a job."""

    worker: str
    """The worker's name."""
    address: str
    """The address that it sends from."""
    summary: CollectionSummary | None = None
    failure: bytes | None = None
    """Why there is no summary, pickled; None if the job was stopped."""
    progress: CollectionProgress | None = None
    """The last progress."""

    @property
    def error(self) -> RxCandlesError | None:
        """Why there is no summary."""
        if self.failure is None:
            return None
        found: RxCandlesError = pickle.loads(self.failure)  # nosec B301  # noqa: S301
        return found


def plain_progress(progress: CollectionProgress) -> Mapping[str, Any]:
    """Return progress as texts and numbers, as a topic takes them."""
    start, stop = map(from_datetime, progress.current_chunk_range)
    return {**attrs.asdict(progress), "current_chunk_range": (start, stop)}


def progress_of(plain: Mapping[str, Any]) -> CollectionProgress:
    """Return progress from texts and numbers."""
    start, stop = (to_datetime(int(each)) for each in plain["current_chunk_range"])
    return CollectionProgress(**{**plain, "current_chunk_range": (start, stop)})
