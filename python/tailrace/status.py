"""What a job says about itself, and the units of time and place used all over the API."""
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tailrace import _core
from tailrace.errors import TailraceError

Duration = str | float | timedelta
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(us|ms|s|m|h|d)\s*")


def seconds(value: Duration) -> float:
    """``"500ms"``, ``"5s"``, ``2.5`` (seconds) or a timedelta as seconds."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, str):
        return _core.parse_duration_us(value) / 1e6
    return float(value)


def is_duration(text: str) -> bool:
    return _DURATION.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a source's log. Only its source understands the text; keep it and hand it back."""

    source_kind: str
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class TableStatus:
    """Progress of one table. ``rows_total`` is an estimate of the source; ``state`` is empty for stream only."""

    rows_read: int
    rows_total: int
    inserts: int
    updates: int
    deletes: int
    state: str


@dataclass(frozen=True, slots=True)
class Status:
    """One look at a job. ``lag_s`` is None when it is not known, never 0 instead."""

    name: str
    state: str                      # created running retrying paused stopped done failed
    phase: str                      # starting snapshot stream draining ended
    rows_done: int                  # handed to the sink by this run
    rows_durable: int               # delivered since the job began
    rows_total: int                 # estimate for the snapshot, 0 = not known
    rate: float                     # rows per second
    lag_s: float | None
    eta_s: float | None
    checkpoint: Position | None     # durable: where a restart goes on
    tables: Mapping[str, TableStatus]
    errors: int                     # failures in a row
    error: TailraceError | None = field(compare=False)
    owner: str                      # "pid@host", empty when no process runs the job
    rules: str
    dropped_by_rules: int
    memory_peak: int
    idle: bool
    snapshot_done: bool
    warnings: tuple[str, ...]
    as_of: datetime

    @property
    def position(self) -> Position | None:
        return self.checkpoint

    @property
    def is_running(self) -> bool:
        return self.state in ("running", "retrying")

    def to_dict(self) -> dict[str, Any]:
        """Plain types, for JSON."""
        return {
            "name": self.name, "state": self.state, "phase": self.phase, "rows_done": self.rows_done,
            "rows_durable": self.rows_durable, "rows_total": self.rows_total, "rate": round(self.rate, 1),
            "lag_s": self.lag_s, "eta_s": self.eta_s, "position": self.checkpoint.text if self.checkpoint else None,
            "tables": {name: {"rows_read": t.rows_read, "rows_total": t.rows_total, "inserts": t.inserts,
                              "updates": t.updates, "deletes": t.deletes, "state": t.state}
                       for name, t in self.tables.items()},
            "errors": self.errors, "error": self.error.to_dict() if self.error else None, "owner": self.owner,
            "rules": self.rules, "dropped_by_rules": self.dropped_by_rules, "memory_peak": self.memory_peak,
            "warnings": list(self.warnings), "as_of": self.as_of.isoformat(),
        }

    def __str__(self) -> str:
        return summary(self)

    def _repr_html_(self) -> str:
        from tailrace.watch import status_html

        return status_html(self)


def from_core(fields: Mapping[str, Any], owner: str) -> Status:
    checkpoint = fields["checkpoint"]
    return Status(
        name=fields["name"], state=fields["state"], phase=fields["phase"], rows_done=fields["rows_done"],
        rows_durable=fields["rows_durable"], rows_total=fields["rows_total"], rate=fields["rate"],
        lag_s=fields["lag_s"], eta_s=fields["eta_s"],
        checkpoint=Position(checkpoint["source_kind"], checkpoint["text"]) if checkpoint["text"] else None,
        tables={name: TableStatus(**table) for name, table in fields["tables"].items()},
        errors=fields["attempts"], error=fields["error"], owner=owner, rules=fields["rules"],
        dropped_by_rules=fields["dropped_by_rules"], memory_peak=fields["memory_peak"], idle=fields["idle"],
        snapshot_done=fields["snapshot_done"], warnings=tuple(fields["warnings"]), as_of=datetime.now(UTC))


def human(number: float) -> str:
    """Digits in groups: 20 114 002."""
    return f"{number:,.0f}".replace(",", " ")


def human_rate(rate: float) -> str:
    return f"{rate / 1000:.1f} k rows/s" if rate >= 10_000 else f"{rate:.0f} rows/s"


def human_lag(lag_s: float | None) -> str:
    return "unknown" if lag_s is None else f"{lag_s:.1f} s"


def table_lines(status: Status) -> list[str]:
    """A line per table below a head, in columns."""
    rows = [("table", "state", "copied", "inserts", "updates", "deletes")]
    rows += [(name, table.state or "stream", str(table.rows_read), str(table.inserts), str(table.updates), str(table.deletes))
             for name, table in sorted(status.tables.items())]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(f"{cell:<{width}}" if i < 2 else f"{cell:>{width}}" for i, (cell, width) in enumerate(zip(row, widths, strict=True)))
            for row in rows] if len(rows) > 1 else []


def summary(status: Status) -> str:
    """One line for people."""
    parts = [status.name, status.state.upper() + (f" {status.phase}" if status.is_running and status.phase else "")]
    if status.phase == "snapshot" and status.rows_total:
        done = sum(table.rows_read for table in status.tables.values())
        parts.append(f"{min(99, 100 * done // status.rows_total)} % of ~{human(status.rows_total)} rows")
        if status.eta_s is not None:
            parts.append(f"ETA {status.eta_s:.0f} s")
    parts.append(f"{human(status.rows_durable)} rows delivered")
    if status.is_running:
        parts += [human_rate(status.rate), f"lag {human_lag(status.lag_s)}"]
    if status.dropped_by_rules:
        parts.append(f"{human(status.dropped_by_rules)} dropped by rules")
    if status.rules:
        parts.append(f"rules {status.rules}")
    if status.owner:
        parts.append(f"owner {status.owner}")
    if status.error is not None:
        parts.append(str(status.error))
    return "  ".join(parts)
