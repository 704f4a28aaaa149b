"""Captures: events of a source as a file of SQL statements, for cases and replay."""
from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tailrace import _core, errors
from tailrace._waiting import SLICE_MS
from tailrace.endpoint import Endpoint

COVER = ("ops", "null", "max")


@dataclass(frozen=True)
class Captured:
    path: Path
    seen: int                                # events that went by
    events: int                              # events written
    tables: Mapping[str, int]


def capture(source: Endpoint, out: str | Path, *, tables: Sequence[str] = ("*.*",), start: str = "now", per_table: int = 50,
            cover: Sequence[str] = COVER, masks: Sequence[str] = (), sensitive: Sequence[str] = (), seconds: float | None = None,
            idle: float | None = None, stop: Callable[[], bool] = lambda: False) -> Captured:
    """Writes until the source ends, ``seconds`` are over, nothing came for ``idle`` seconds, or ``stop()``. A file that is
    not complete is removed."""
    for what in cover:
        if what not in COVER:
            raise errors.make("CFG-0003", f"cover: {', '.join(COVER)} expected, got {what!r}")
    path = Path(out)
    part = path.with_name(path.name + ".part")
    try:
        writer = _core.Capture(path=str(part), url=source.url, options=source.open_options(), tables=list(tables), start=start,
                               per_table=per_table, cover=list(cover), masks=list(masks), sensitive=list(sensitive))
        began = last = time.monotonic()
        while not writer.ended and not stop():
            now = time.monotonic()
            if writer.step(SLICE_MS):
                last = now
            if (seconds is not None and now - began >= seconds) or (idle is not None and now - last >= idle):
                break
        writer.close()
        unused = writer.unused_masks
        if unused and writer.events:
            raise errors.make("CFG-0003", f"mask {', '.join(unused)}: no column of {', '.join(writer.tables)} has this name; "
                              "nothing was kept")
        part.replace(path)
        return Captured(path, writer.seen, writer.events, writer.tables)
    finally:
        part.unlink(missing_ok=True)
