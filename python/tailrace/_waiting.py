"""Waiting that can be interrupted: slow engine calls run in a helper thread, the caller waits in short slices."""
from __future__ import annotations

import atexit
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")
SLICE_S = 0.05
SLICE_MS = 50
_EXIT_PATIENCE_S = 2.0


class PendingCall(Generic[T]):
    """One call running in a thread of its own. Give it up by dropping it; the thread ends when the call does."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._result: list[T] = []
        self._failure: BaseException | None = None
        # Not Thread.join: a signal that interrupts it marks a running thread as ended (CPython before 3.13).
        self._over = threading.Event()
        _pending.add(self)
        threading.Thread(target=self._work, name="tailrace-call", daemon=True).start()

    def _work(self) -> None:
        try:
            self._result.append(self._call())
        except BaseException as failure:
            self._failure = failure
        finally:
            self._over.set()

    def wait(self, timeout: float = SLICE_S) -> bool:
        """True when the call is over."""
        return self._over.wait(timeout)

    def result(self) -> T:
        """What the call returned or raised. Only after wait() said True."""
        failure, self._failure = self._failure, None
        if failure is None:
            return self._result[0]
        try:
            raise failure
        finally:
            del failure  # the traceback would keep the callers' frames, and this one, alive


_pending: weakref.WeakSet[PendingCall[Any]] = weakref.WeakSet()


def run_interruptibly(call: Callable[[], T]) -> T:
    """The result of ``call``; a KeyboardInterrupt leaves at once and gives the call up."""
    if threading.current_thread() is not threading.main_thread():
        return call()  # signals reach the main thread only
    pending = PendingCall(call)
    while not pending.wait():
        pass
    return pending.result()


def _join_all() -> None:
    # A thread that comes back from the engine while the interpreter is being taken apart would crash it.
    end = time.monotonic() + _EXIT_PATIENCE_S
    for call in list(_pending):
        call.wait(max(0.0, end - time.monotonic()))


atexit.register(_join_all)
