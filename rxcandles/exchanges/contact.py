"""Whether a server has ever been reached, and how long to try until it is."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Final, TypeVar

from rxcandles.errors import CertificateError, ConnectionFailedError, UnreachableError
from rxcandles.events import ContactEvent, log_event

__all__ = ["PATIENCE", "Contact"]

_log: Final = logging.getLogger("rxcandles.fetch")

PATIENCE: Final[ContextVar[float | None]] = ContextVar("patience", default=None)
"""Seconds to try to reach a server that has never been reached; None for as many attempts as any other request."""

_PAUSE: Final = 0.25
_LONGEST: Final = 5.0
"""The most seconds between attempts; they double each time."""

_SILENT: Final = 10.0
"""The fewest seconds to wait for a first answer over an open connection: as long as one request may take."""

_A = TypeVar("_A")


class Contact:
    """The contact of a client with its server, shared by all of its requests.

    A user who is offline should learn it soon, but a connection that worked a minute ago will come back. So a server
    that was never reached is tried for ``patience`` seconds, by all requests together. After that, ``UnreachableError``
    is raised, which is not retried, and from then on at each first failure. The first connection ends this rule. One
    case remains: some proxies accept connections and send nothing. If no answer has come for ten seconds, or for
    ``patience`` if that is longer, the next failure is final. With ``patience=None`` there is no such limit.
    """

    def __init__(self, host: str, patience: float | None) -> None:
        self.reached = patience is None
        """Whether a connection was ever made, so that it is worth waiting for another."""
        self._host = host
        self._patience = patience or 0.0
        self._until: float | None = None
        self._silence = math.inf if patience is None else max(_SILENT, patience)
        self._silent_until: float | None = None

    def answered(self) -> None:
        """Record that an answer has come, whatever it was."""
        self._silent_until = None
        self._silence = math.inf

    @property
    def left(self) -> float | None:
        """Seconds that opening a connection may take; None if they are not limited here."""
        if self.reached:
            return None
        if self._until is None:
            self._until = time.monotonic() + self._patience
        return max(0.1, self._until - time.monotonic())

    async def made(self, ask: Callable[[], Awaitable[_A]]) -> _A:
        """Return ``ask()``, tried again while there is patience and nothing was ever reached."""
        if self._silent_until is None and self._silence < math.inf:
            self._silent_until = time.monotonic() + self._silence
        pause, attempt = _PAUSE, 0
        while True:
            attempt += 1
            left = self.left
            try:
                return await ask()
            except CertificateError:
                raise
            except ConnectionFailedError as error:
                if left is None or self.reached:
                    # A little early, since a request may end just before that time.
                    if self._silent_until is not None and time.monotonic() + _PAUSE >= self._silent_until:
                        raise UnreachableError(
                            f"{self._host} does not answer: {error.why or error}; check the network, the address and "
                            "any proxy, or give it longer: --patience 5m"
                        ) from error
                    raise
                if self._until is not None and time.monotonic() + pause >= self._until:
                    raise UnreachableError(
                        f"{self._host} can't be reached: {error.why or error}; check the network and the address, or "
                        "give it longer: --patience 5m"
                    ) from error
                self._log(error, attempt, pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST)

    def _log(self, error: ConnectionFailedError, attempt: int, wait: float) -> None:
        event = ContactEvent(event="contact", host=self._host, attempt=attempt, error=type(error).__name__, wait=wait)
        message = "%s can't be reached yet: %s; again in %.2f s"
        log_event(_log, logging.WARNING, event, message, self._host, error.why or event["error"], wait)
