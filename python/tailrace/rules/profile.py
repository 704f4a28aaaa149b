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
