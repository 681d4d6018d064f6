"""Whether anything has ever answered, and how long to try until it does."""

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
"""Seconds to try to reach a server that has never been reached; None for as many tries as any request has."""

_PAUSE: Final = 0.25
_LONGEST: Final = 5.0
"""Seconds between tries, twice as many each time, and at most."""

_SILENT: Final = 10.0
"""Seconds at least for a first answer of what takes connections: as long as one request may take."""

_A = TypeVar("_A")


class Contact:
    """The contact of one client with its server, shared by all of its requests.

    Who is offline should hear it soon, and who was connected a minute ago will be again. So a server that has never
    been reached is tried for ``patience`` seconds, by all requests together; then ``UnreachableError``, which nobody
    retries, and from then on at each first failure. With the first connection all that is over, but for what takes
    connections and says nothing, as some proxies do: its first failure after ten seconds without any answer, or after
    ``patience`` if that is longer, is the last. None for no such limit.
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
        """Hear that there was an answer, whatever it was."""
        self._silent_until = None
        self._silence = math.inf

    @property
    def left(self) -> float | None:
        """Seconds that making a connection may take; None where that is not limited here."""
        if self.reached:
            return None
        if self._until is None:
            self._until = time.monotonic() + self._patience
        return max(0.1, self._until - time.monotonic())

    async def made(self, ask: Callable[[], Awaitable[_A]]) -> _A:
        """Return ``ask()``, tried again as long as there is patience and nothing was ever reached."""
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
                    # A little early, for a request that ends as it does.
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
