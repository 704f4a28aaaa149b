"""Log lines of the engine go to logging.getLogger("tailrace"), carried by one thread."""
from __future__ import annotations

import atexit
import logging
import os
import threading

from tailrace import _core

_LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)
_lock = threading.Lock()
_thread: threading.Thread | None = None
_pid = 0
_stop = threading.Event()


def start() -> None:
    """Starts the carrier once per process."""
    global _thread, _pid
    with _lock:
        if _thread is not None and _pid == os.getpid():
            return
        _pid = os.getpid()
        _core.start_logs()
        _thread = threading.Thread(target=_carry, name="tailrace-logs", daemon=True)
        _thread.start()


def _carry() -> None:
    logger = logging.getLogger("tailrace")
    while not _stop.is_set():
        for level, line in _core.next_logs(500):
            logger.log(_LEVELS[level], "%s", line.decode("utf-8", "backslashreplace"))


def _end() -> None:
    _stop.set()
    if _thread is not None and _pid == os.getpid():
        _core.close_logs()
        _thread.join(1.0)


atexit.register(_end)
logging.getLogger("tailrace").addHandler(logging.NullHandler())
