"""How a command ends when Ctrl-C, SIGTERM or SIGHUP comes, at any moment.

This module imports almost nothing, so that it handles signals before the rest is loaded. A signal never raises within
other code. It cancels the work that runs on an event loop, and that work ends in order. The process leaves at once if
no work runs there, if the work takes longer than 0.8 seconds, or on a second signal: one line, no unfinished file, an
exit code.
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
"""Seconds that work has to end in order, so that everything is over within one second."""


class Stopping:
    """How this process handles signals; the only instance is ``STOPPING``, and it does nothing before ``listen``."""

    def __init__(self) -> None:
        self.number: int | None = None
        """The first signal that came; None before that."""
        self._cancel: Callable[[], object] | None = None
        self._words: Callable[[], str] | None = None
        self._before: list[Callable[[], object]] = []
        self._last = _thread.allocate_lock()
        self._listening: list[int] = []
        self._reread: Callable[[], object] | None = None
        self.is_usual = False
        """Whether the command only ends by a signal, which is no failure then."""

    @property
    def code(self) -> int:
        """The exit code: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP; 0 if that is the usual end."""
        return 0 if self.is_usual else 128 + (signal.SIGINT if self.number is None else self.number)

    @property
    def listening(self) -> bool:
        """Whether this handles signals."""
        return bool(self._listening)

    def listen(self) -> None:
        """Handle the signals that end a process, except those that its parent has set to be ignored (``nohup``, ``&``).

        For process 1 of a container only handled signals have an effect.
        """
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) not in (signal.SIG_IGN, None):
                signal.signal(number, self._told)
                self._listening.append(number)

    def deafen(self) -> None:
        """Ignore signals from now on: everything is done, and only Python itself is still to end."""
        for number in self._listening:
            signal.signal(number, signal.SIG_IGN)

    def before_leaving(self, do: Callable[[], object]) -> None:
        """Call ``do`` if the process leaves at once; the call may come in any thread, at any moment."""
        self._before.append(do)

    def cancels(self, cancel: Callable[[], object], words: Callable[[], str] | None) -> None:
        """Let a signal call ``cancel`` from now on; the last line is ``words`` if the work does not end in time."""
        self._cancel, self._words = cancel, words
        if self.number is not None:
            cancel()

    def rereads(self, reread: Callable[[], object] | None) -> None:
        """Let SIGHUP call ``reread`` from now on, and not end the process; with None it ends it again."""
        self._reread = reread

    def cancels_no_more(self) -> None:
        """Let a signal leave at once again."""
        self._cancel = self._words = None

    def said(self) -> bool:
        """Return whether the last line was written already; the caller that gets False must write it."""
        return not self._last.acquire(blocking=False)

    def leave(self) -> NoReturn:
        """End the process now: write the last line and remove unfinished files."""
        if not self.said():
            for do in self._before:
                try:
                    do()
                except Exception:  # noqa: S110  # nosec B110 - the process ends, and the next may matter more
                    pass
            text = "stopped" if self._words is None else self._words()
            # Not through sys.stderr, which may be in the middle of a write.
            try:
                os.write(2, f"rxcandles: {text}\n".encode(errors="backslashreplace"))
            except OSError:
                pass
        os._exit(self.code)

    def _told(self, number: int, frame: FrameType | None) -> None:
        if self._reread is not None and number == getattr(signal, "SIGHUP", None) and self.number is None:
            self._reread()
            return
        again, self.number = self.number is not None, number if self.number is None else self.number
        if again or self._cancel is None:
            self.leave()
        self._silence()
        # Not with `threading`, whose lock may be held by the interrupted code.
        _thread.start_new_thread(self._leave_late, ())
        self._cancel()

    def _leave_late(self) -> None:
        time.sleep(GRACE)
        if self._last.locked():  # the work has ended in time, and the last line is being written
            time.sleep(GRACE)
        self.leave()

    def _silence(self) -> None:
        """Suppress the messages of code that fails because it was cancelled: the last line says everything."""
        for module, hook in (("threading", "excepthook"), ("sys", "unraisablehook")):
            if module in sys.modules:
                setattr(sys.modules[module], hook, lambda *_: None)
        if "logging" in sys.modules:
            sys.modules["logging"].getLogger("asyncio").disabled = True


STOPPING = Stopping()
