"""How a command ends when it is told to: by Ctrl-C, SIGTERM or SIGHUP, at any moment.

It imports next to nothing, so that it listens before the rest is loaded. A signal never raises in the midst of other
code. It cancels the work that runs on an event loop, which ends in order; where nothing runs there, or that takes
longer than 0.8 seconds, or on a second signal, the process leaves at once: one line, no unfinished file, an exit code.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import NoReturn

__all__ = ["STOPPING", "Stopping"]

GRACE = 0.8
"""Seconds that work has to end in order, so that all is over within one."""


class Stopping:
    """What this process does about signals; there is one, ``STOPPING``, and it does nothing before ``listen``."""

    def __init__(self) -> None:
        self.number: int | None = None
        """The signal that came first; None as long as none came."""
        self._cancel: Callable[[], object] | None = None
        self._words: Callable[[], str] | None = None
        self._before: list[Callable[[], object]] = []
        self._last = _thread.allocate_lock()
        self._listening: list[int] = []

    @property
    def code(self) -> int:
        """The exit code: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP."""
        return 128 + (signal.SIGINT if self.number is None else self.number)

    @property
    def listening(self) -> bool:
        """Whether signals come here."""
        return bool(self._listening)

    def listen(self) -> None:
        """Take the signals that end a process, but for those that whoever started it wants ignored (``nohup``, ``&``).

        As process 1 of a container, only what is taken ends it at all.
        """
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) not in (signal.SIG_IGN, None):
                signal.signal(number, self._told)
                self._listening.append(number)

    def deafen(self) -> None:
        """Ignore them from now on: everything is done, and only Python itself has still to end."""
        for number in self._listening:
            signal.signal(number, signal.SIG_IGN)

    def before_leaving(self, do: Callable[[], object]) -> None:
        """Have something done where the process leaves at once; it may be called in any thread, at any moment."""
        self._before.append(do)

    def cancels(self, cancel: Callable[[], object], words: Callable[[], str] | None) -> None:
        """Let a signal call ``cancel`` from now on; ``words`` are said where the work does not end in time."""
        self._cancel, self._words = cancel, words
        if self.number is not None:
            cancel()

    def cancels_no_more(self) -> None:
        """Let a signal leave at once again."""
        self._cancel = self._words = None

    def said(self) -> bool:
        """Whether the last line was said already; who asks says it."""
        return not self._last.acquire(blocking=False)

    def leave(self) -> NoReturn:
        """End the process now, with the last line; what it had begun to write is removed."""
        if not self.said():
            for do in self._before:
                try:
                    do()
                except Exception:  # noqa: S110  # nosec B110 - the process ends, and the next may matter more
                    pass
            text = "stopped" if self._words is None else self._words()
            # Not by sys.stderr: it may be what was interrupted.
            try:
                os.write(2, f"rxcandles: {text}\n".encode(errors="backslashreplace"))
            except OSError:
                pass
        os._exit(self.code)

    def _told(self, number: int, frame: FrameType | None) -> None:
        again, self.number = self.number is not None, number if self.number is None else self.number
        if again or self._cancel is None:
            self.leave()
        self._silence()
        # No object of `threading`, whose lock may be held by what was interrupted.
        _thread.start_new_thread(self._leave_late, ())
        self._cancel()

    def _leave_late(self) -> None:
        time.sleep(GRACE)
        if self._last.locked():  # it has ended in time, and is saying so
            time.sleep(GRACE)
        self.leave()

    def _silence(self) -> None:
        """What fails because it was cancelled says nothing: the last line says all."""
        for module, hook in (("threading", "excepthook"), ("sys", "unraisablehook")):
            if module in sys.modules:
                setattr(sys.modules[module], hook, lambda *_: None)
        if "logging" in sys.modules:
            sys.modules["logging"].getLogger("asyncio").disabled = True


STOPPING = Stopping()
