"""What rules cost per table."""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailrace import _core
from tailrace._waiting import run_interruptibly
from tailrace.endpoint import Endpoint
from tailrace.rules.python import RulesLike, name_of
from tailrace.rules.replay import texts


@dataclass(frozen=True)
class Profile:
    version: str
    tables: Mapping[str, Mapping[str, Any]]  # by source table: target, in, out, errors, ns

    @property
    def errors(self) -> int:
        return sum(int(table["errors"]) for table in self.tables.values())

    def lines(self) -> Iterator[str]:
        """Dearest first."""
        width = max([5, *(len(name) for name in self.tables)])
        total = sum(int(table["ns"]) for table in self.tables.values()) or 1
        yield f"{self.version}   {sum(int(table['in']) for table in self.tables.values()):,} events"
        yield f" {'table':<{width}}  {'events':>10}  {'ns/event':>8}  {'share':>6}  {'out/in':>6}  {'errors':>7}  target"
        for name, table in sorted(self.tables.items(), key=lambda item: (-int(item[1]["ns"]), item[0])):
            ran = int(table["in"]) - int(table["errors"])
            cost = f"{table['ns'] / ran:,.0f}" if ran and table["ns"] else "-"
            yield (f" {name:<{width}}  {table['in']:>10,}  {cost:>8}  {table['ns'] / total:>6.1%}  {table['out'] / (table['in'] or 1):>6.2f}  "
                   f"{table['errors']:>7,}  {table['target'] or '(nothing came out)'}")

    def to_dict(self) -> dict[str, Any]:
        return {"version": self.version, "tables": {name: dict(table) for name, table in self.tables.items()}}


def profile(rules: RulesLike, *, on: str | Path | Endpoint, options: Mapping[str, object] | None = None,
            tables: Sequence[str] = ("*.*",), start: str = "earliest") -> Profile:
    """Runs a rule file over recorded events, one table at a time, and takes the time of each."""
    endpoint = on if isinstance(on, Endpoint) else None
    raw = run_interruptibly(lambda: _core.profile_rules(
        file=name_of(rules), options=texts(options), path="" if endpoint else str(on), url=endpoint.url if endpoint else "",
        source_options=endpoint.open_options() if endpoint else {}, tables=list(tables), start=start))
    return Profile(raw["version"], raw["tables"])


@dataclass(frozen=True)
class TableCost:
    """What the rules of one table did in a job. Times are of one batch in 64; ``None``: none was timed yet."""

    table: str                               # "" = the native steps of all tables, "(others)" = tables beyond the limit
    hook: str                                # row, map, row+map; "" = no function
    events_in: int
    events_out: int
    dropped: Mapping[str, int]               # ops, where, row, map
    errors: int
    ns_per_event: float | None               # of the functions
    serialize_ns_per_event: float | None


@dataclass(frozen=True)
class JobProfile:
    """What the rules of a job cost, since their version began; counted when it runs, also what runs again after a restart."""

    version: str                             # "" = nothing was counted
    tables: Sequence[TableCost]
    jit: str                                 # "yes", or why not

    @property
    def native_ns_per_event(self) -> float | None:
        """Of everything that is no function: filters, columns, keys."""
        return next((table.ns_per_event for table in self.tables if not table.table), None)

    def lines(self) -> Iterator[str]:
        """Dearest first."""
        if not self.version:
            yield "no rules have run in this job, or none since it was made by an older version"
            return
        shown = [table for table in self.tables if table.table]
        width = max([6, *(len(table.table) for table in shown)])
        yield f"rules {self.version}   JIT {self.jit}"
        yield f" {'table':<{width}}  {'hook':<9}  {'events':>12}  {'out/in':>6}  {'ns/event':>8}  {'errors':>7}  dropped"
        for table in sorted(shown, key=lambda one: (-(one.ns_per_event or 0) * one.events_in, -one.events_in, one.table)):
            dropped = ", ".join(f"{cause} {_percent(count, table.events_in)}" for cause, count in table.dropped.items() if count)
            ratio = f"{table.events_out / table.events_in:.2f}" if table.events_in else "-"
            yield (f" {table.table:<{width}}  {table.hook or 'native':<9}  {table.events_in:>12,}  {ratio:>6}  "
                   f"{_ns(table.ns_per_event if table.hook else None):>8}  {table.errors:>7,}  {dropped}").rstrip()
            if table.serialize_ns_per_event is not None:
                yield f" {'':<{width}}  {'serialize':<9}  {'':>12}  {'':>6}  {_ns(table.serialize_ns_per_event):>8}"
        yield f" {'(all)':<{width}}  {'native':<9}  {'':>12}  {'':>6}  {_ns(self.native_ns_per_event):>8}"

    def to_dict(self) -> dict[str, Any]:
        return {"version": self.version, "jit": self.jit, "tables": [
            {"table": one.table, "hook": one.hook, "in": one.events_in, "out": one.events_out, "dropped": dict(one.dropped),
             "errors": one.errors, "ns_per_event": one.ns_per_event, "serialize_ns_per_event": one.serialize_ns_per_event}
            for one in self.tables]}

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(str(self))}</pre>"


def _ns(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else f"{part:,}"


def _per_event(ns: int, events: int) -> float | None:
    return round(ns / events, 1) if events else None


def job_profile(rows: Sequence[Mapping[str, Any]], rules: Mapping[str, Any] | None) -> JobProfile:
    """From the rows of v1_rule_profile, newest version last, and what the job's configuration says of its rules."""
    version = str(rows[-1]["version"]) if rows else ""
    named = (rules or {}).get("file", "")
    files = [named] if isinstance(named, str) else [str(file) for file in named]
    jit = "no: rules in Python" if all(file.endswith(".py") or file.startswith("python:") for file in files) else \
        "no: rules.trusted = false" if (rules or {}).get("trusted") is False else "yes"
    return JobProfile(version, [
        TableCost(str(row["table"]), str(row["hook"]), int(row["events_in"]), int(row["events_out"]),
                  {cause: int(row[f"dropped_{cause}"]) for cause in ("ops", "where", "row", "map")}, int(row["errors"]),
                  _per_event(int(row["timed_ns"]), int(row["timed_events"])),
                  _per_event(int(row["serialize_ns"]), int(row["serialize_events"])))
        for row in rows if row["version"] == version], jit)
