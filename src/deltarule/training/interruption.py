"""Ctrl-C while training: noted at once, obeyed between two updates, when everything is consistent."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType


class TrainingInterrupted(KeyboardInterrupt):
    """Training was stopped by Ctrl-C, between two updates; the message says how to go on.

    A KeyboardInterrupt, so that a script which does not catch it ends, and `except Exception` lets it pass.

    >>> import deltarule as dr
    >>> issubclass(dr.training.TrainingInterrupted, KeyboardInterrupt)
    True
    """


class Interruption:
    """Notes the first Ctrl-C in `requested`; the second one interrupts at once, as Python always does.

    Only in the main thread, and only where nobody else handles the signal; elsewhere it does nothing.
    """

    def __init__(self) -> None:
        self.requested = False
        self._installed = False

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                signal.signal(signal.SIGINT, self._note)
                self._installed = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._installed = False

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            signal.default_int_handler(number, frame)
        self.requested = True
