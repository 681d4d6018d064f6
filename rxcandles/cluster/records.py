"""Warnings of a worker's log appear in the log of the process that has sent the job."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

__all__ = ["Fields", "log_again", "sending"]

Fields = Mapping[str, str | float | bool | None]

_JOB: Final[ContextVar[logging.Handler | None]] = ContextVar("job", default=None)
"""The handler of the job in whose tasks a record is logged: a process may have several jobs and workers."""
_USUAL: Final = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"} - {
    "name", "levelno", "levelname", "created"
}  # fmt: skip


class _Sending(logging.Handler):
    def __init__(self, send: Callable[[Fields], None]) -> None:
        super().__init__(logging.WARNING)
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        if _JOB.get() is self:
            told = {name: value for name, value in vars(record).items() if name not in _USUAL}
            self._send({**told, "msg": record.getMessage()})


@contextmanager
def sending(send: Callable[[Fields], None]) -> Iterator[None]:
    """Pass what this job logs, from warnings on, to ``send`` while the block runs."""
    logger, handler = logging.getLogger("rxcandles"), _Sending(send)
    logger.addHandler(handler)
    token = _JOB.set(handler)
    try:
        yield
    finally:
        _JOB.reset(token)
        logger.removeHandler(handler)


def log_again(fields: Fields, worker: str) -> None:
    """Log a record of a worker here; its message begins with the worker, which is also its attribute ``worker``."""
    record = logging.makeLogRecord({**fields, "worker": worker})
    record.msg = f"{worker}: {record.msg}"
    logger = logging.getLogger(record.name)
    if record.name.split(".")[0] == "rxcandles" and logger.isEnabledFor(record.levelno):
        logger.handle(record)
