"""Stream: change events in batches, without a sink. You are the sink."""
from __future__ import annotations

import atexit
import os
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from tailrace import _core, _logs, config, errors
from tailrace._waiting import PendingCall, run_interruptibly
from tailrace.endpoint import Endpoint, time_text
from tailrace.rules.python import RulesLike, name_of
from tailrace.status import Duration, Position, seconds

_open: weakref.WeakSet[Stream] = weakref.WeakSet()
_READ_MS = 200


class RowBatch:
    """Rows of one table with one schema: _op, _commit_time, _txn, _seq, then the table's columns."""

    def __init__(self, core: _core.Rows) -> None:
        self._core = core

    @property
    def table(self) -> str:
        return self._core.table

    @property
    def schema_id(self) -> int:
        return self._core.schema_id

    def to_arrow(self) -> Any:
        import pyarrow

        return pyarrow.table(self)

    def to_polars(self) -> Any:
        import polars

        return polars.DataFrame(self)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._core.__arrow_c_stream__(requested_schema)

    def __len__(self) -> int:
        return len(self._core)

    def __repr__(self) -> str:
        return f"<RowBatch {self.table} {len(self)} rows>"


class _Changes:
    def __init__(self, core: _core.Batch) -> None:
        self._core = core

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._core.__arrow_c_stream__(requested_schema)

    def to_arrow(self) -> Any:
        import pyarrow

        return pyarrow.table(self)

    def to_polars(self) -> Any:
        import polars

        return polars.DataFrame(self)


class Batch:
    """Some changes, in order. Owns its memory; may be exported any number of times and kept as long as you like.
    An empty one (see ``idle`` of Stream) says that nothing came."""

    def __init__(self, core: _core.Batch | None, position: Position) -> None:
        self._core = core
        self.position = position

    @property
    def tables(self) -> list[str]:
        """Names of the tables with rows in it."""
        return self._core.tables if self._core is not None else []

    @property
    def is_boundary(self) -> bool:
        """Does it end at the end of a transaction? Else ``position`` is that of the last one that did."""
        return self._core is None or self._core.is_boundary

    def __getitem__(self, table: str) -> RowBatch:
        parts = self.parts(table)
        if not parts:
            raise KeyError(table)
        if len(parts) > 1:
            raise errors.make("SCH-0003", "the table changed inside the batch; take batch.parts(table) one by one",
                              table=table, position=self.position)
        return parts[0]

    def parts(self, table: str) -> list[RowBatch]:
        """The rows of a table, one RowBatch for each schema it had in this batch."""
        return [RowBatch(part) for part in self._core.parts(table)] if self._core is not None else []

    def changes(self) -> _Changes:
        """All changes as one table: op, database, table, schema_id, commit_time, txn, txn_seq, position, and key,
        before and after as JSON text, sql of a DDL."""
        if self._core is None:
            raise errors.make("JOB-0006", "an empty batch has no changes: ask `if batch` first", position=self.position)
        return _Changes(self._core)

    def to_arrow(self) -> Any:
        return self.changes().to_arrow()

    def to_polars(self) -> Any:
        return self.changes().to_polars()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.changes().__arrow_c_stream__(requested_schema)

    def __len__(self) -> int:
        return len(self._core) if self._core is not None else 0

    def __bool__(self) -> bool:
        return self._core is not None  # a batch that something came in counts, though it may have no row

    def __repr__(self) -> str:
        return f"<Batch {len(self)} changes of {', '.join(self.tables) or 'no table'} at {self.position}>"


def start_text(start: Position | str | datetime) -> str:
    return time_text("start", start) if isinstance(start, datetime) else str(start)


class Stream(Iterator[Batch], AbstractContextManager["Stream"]):
    """Reads a source from ``start``: ``"now"``, ``"earliest"``, a time with its zone (text or datetime), or a position.
    One consumer thread.

    With ``job``, a job file of its own, committed positions are kept, and the next Stream begins there. ``commit="next"``
    commits a batch when the next one is asked for; with ``"manual"`` call commit(). With ``idle`` an empty batch comes
    when nothing else did for that time.
    """

    def __init__(self, source: Endpoint, /, tables: Sequence[str] = ("*.*",), *, start: Position | str | datetime = "now",
                 rules: RulesLike | Mapping[str, Any] | None = None,
                 job: str | os.PathLike[str] | None = None, commit: Literal["next", "manual"] = "next",
                 batch_bytes: int = 1 << 20, idle: Duration | None = None) -> None:
        if not isinstance(source, Endpoint) or source.role == "sink":
            raise errors.make("CFG-0003", f"source: tailrace.source(\"mysql://…\") expected, got {source!r}")
        if commit not in ("next", "manual"):
            raise errors.make("CFG-0003", f"commit: next or manual expected, got {commit!r}")
        rule_fields = config.rules_fields(rules, Path.cwd()) or {}
        unknown = set(rule_fields) - {"file", "options"}
        if unknown:
            raise errors.make("CFG-0002", f"rules.{min(unknown)}")
        self._idle_s = None if idle is None else seconds(idle)
        self._by_next = commit == "next"
        self._pending: PendingCall[_core.Batch | None] | None = None
        self._uncommitted: Batch | None = None
        self._closed = False
        _logs.start()
        self._reader = run_interruptibly(lambda: _core.StreamReader(
            url=source.url, options=source.open_options(), tables=list(tables),
            rules_file=name_of(rule_fields.get("file", "")),
            rules_options={key: str(value) for key, value in dict(rule_fields.get("options", {})).items()},
            start=start_text(start), job_path=os.fspath(job) if job is not None else "", batch_bytes=batch_bytes))
        self._position = Position(*self._reader.position)
        _open.add(self)

    @property
    def position(self) -> Position:
        """After the last batch handed out."""
        return self._position

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> Batch:
        if self._closed:
            raise StopIteration
        if self._by_next and self._uncommitted is not None:
            self.commit(self._uncommitted)
        began = time.monotonic()
        while True:
            if self._pending is None:
                if self._reader.ended:
                    raise StopIteration
                self._pending = PendingCall(lambda: self._reader.next(_READ_MS))
            if self._pending.wait():  # interrupted here, the call goes on and the next __next__ takes its result
                pending, self._pending = self._pending, None
                core = pending.result()
                if core is not None:
                    self._position = Position(*core.position)
                    self._uncommitted = Batch(core, self._position)
                    return self._uncommitted
            if self._idle_s is not None and time.monotonic() - began >= self._idle_s:
                return Batch(None, self._position)

    def commit(self, batch: Batch | Position) -> None:
        """What came up to here is safe with you: a restart with the same ``job`` goes on after it."""
        position = batch.position if isinstance(batch, Batch) else batch
        self._reader.commit(position.source_kind, position.text)
        if self._uncommitted is not None and (batch is self._uncommitted or position == self._uncommitted.position):
            self._uncommitted = None

    def table(self, name: str) -> Iterator[RowBatch]:
        """The rows of one table; batches without it are passed over."""
        for batch in self:
            yield from batch.parts(name)

    def close(self) -> None:
        """Ends the stream. The batch handed out last is not committed."""
        if self._closed:
            return
        self._closed = True
        _open.discard(self)
        PendingCall(self._reader.close).wait(2.0)
        if self._pending is not None:
            self._pending.wait(2.0)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()


def _close_all() -> None:
    for stream in list(_open):
        stream.close()


atexit.register(_close_all)
