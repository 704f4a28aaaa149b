"""Captures: events of a source as a file of SQL statements, for cases and replay."""
from __future__ import annotations

import hashlib
import json
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tailrace import _core, errors
from tailrace._waiting import SLICE_MS
from tailrace.endpoint import Endpoint, make_endpoint

MANIFEST = "capture.json"                    # of a folder of log files: names in order, sizes and hashes
COVER = ("ops", "null", "max")


@dataclass(frozen=True)
class Captured:
    path: Path
    seen: int                                # events that went by
    events: int                              # events written
    tables: Mapping[str, int]


@dataclass(frozen=True)
class CapturedLog:
    """A folder with log files, and schema.sql where the log does not name columns."""

    path: Path
    transactions: int
    bytes: int
    files: tuple[str, ...]
    knows_columns: bool                      # False: replay needs schema=FILE, the tables as they were where it begins


def capture_raw(source: Endpoint, out: str | Path, *, tables: Sequence[str] = ("*.*",), start: str = "now", seconds: float | None = None,
                idle: float | None = None, stop: Callable[[], bool] = lambda: False) -> CapturedLog:
    """Keeps the binary log of a server as it is, from ``start`` on, until ``seconds`` are over, nothing came for ``idle`` seconds, or
    ``stop()``. ``out`` is a new folder; a capture that fails leaves none."""
    path = Path(out)
    if path.exists():
        raise errors.make("CFG-0003", f"--out {path}: it is there already; a log is kept in a new folder")
    part = path.with_name(path.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
    except OSError as error:
        raise errors.make("CFG-0003", f"--out {path}: {error.strerror}") from None
    try:
        log = _core.LogCapture(folder=str(part), url=source.url, options=source.open_options(), tables=list(tables), start=start)
        began = last = time.monotonic()
        while not stop():
            came = log.step(SLICE_MS)
            now = time.monotonic()
            if came:
                last = now
            if (seconds is not None and now - began >= seconds) or (idle is not None and now - last >= idle):
                break
        log.close()
        done = CapturedLog(path, log.transactions, log.bytes, tuple(log.files), log.knows_columns)
        if not done.transactions:
            raise errors.make("CFG-0003", "nothing came, so there is no log to keep")
        files = {name: {"bytes": (part / name).stat().st_size, "sha256": _sha256(part / name)} for name in done.files}
        (part / MANIFEST).write_text(json.dumps({"version": 1, "files": files}, indent=1) + "\n", encoding="utf-8")
        part.replace(path)
        return done
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _check_files(folder: Path, found: list[str]) -> None:
    """CFG-0003 unless the log files are those that were captured: swapped or missing ones would be replayed without a word."""
    def bad(why: str) -> errors.TailraceError:
        return errors.make("CFG-0003", f"{folder}: {why}", file=str(folder / MANIFEST))

    try:
        kept = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        wanted = {str(name): (int(one["bytes"]), str(one["sha256"])) for name, one in kept.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        raise bad("the list of the files of the capture cannot be read") from None
    for name in [*wanted, *found]:
        if name not in found:
            raise bad(f"{name} of the capture is missing")
        if name not in wanted:
            raise bad(f"{name} is no file of this capture")
        if (folder / name).stat().st_size != wanted[name][0] or _sha256(folder / name) != wanted[name][1]:
            raise bad(f"{name} is not the file that was captured")


def log_source(folder: str | Path) -> Endpoint:
    """What capture_raw() made, as a source."""
    path = Path(folder).absolute()
    files = sorted((file for file in path.iterdir() if re.search(r"\.\d+$", file.name)), key=lambda file: int(file.suffix[1:]))
    if not files:
        raise errors.make("CFG-0003", f"{folder}: no log file in this folder, such as binlog.000042")
    if (path / MANIFEST).is_file():
        _check_files(path, [file.name for file in files])
    options: dict[str, object] = {"files": len(files)}
    if (path / "schema.sql").is_file():
        options["schema"] = str(path / "schema.sql")
    return make_endpoint("source", f"binlog://{quote(str(files[0]))}", options)


def capture(source: Endpoint, out: str | Path, *, tables: Sequence[str] = ("*.*",), start: str = "now", per_table: int = 50,
            cover: Sequence[str] = COVER, masks: Sequence[str] = (), sensitive: Sequence[str] = (), seconds: float | None = None,
            idle: float | None = None, stop: Callable[[], bool] = lambda: False, force: bool = False) -> Captured:
    """Writes until the source ends, ``seconds`` are over, nothing came for ``idle`` seconds, or ``stop()``. A file that is
    not complete is removed, and one that is there is replaced only with ``force``, and by something."""
    for what in cover:
        if what not in COVER:
            raise errors.make("CFG-0003", f"cover: {', '.join(COVER)} expected, got {what!r}")
    path = Path(out)
    if path.exists() and not force:
        raise errors.make("CFG-0003", f"--out {path}: it is there already; give another name, or --force to write over it")
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
        if not writer.events:
            raise errors.make("CFG-0003", f"nothing came of {', '.join(tables)}, so nothing was written"
                              + (f"; {writer.seen} events went by" if writer.seen else ""))
        unused = writer.unused_masks
        if unused:
            raise errors.make("CFG-0003", f"mask {', '.join(unused)}: no column of {', '.join(writer.tables)} has this name; "
                              "nothing was kept")
        part.replace(path)
        return Captured(path, writer.seen, writer.events, writer.tables)
    finally:
        part.unlink(missing_ok=True)
