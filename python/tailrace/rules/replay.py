"""Two versions of a rule file over the same events; nothing is written."""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tailrace import _core, errors
from tailrace._waiting import run_interruptibly
from tailrace.endpoint import Endpoint, option_text
from tailrace.rules.python import RulesLike, name_of

_COUNTS = ("same", "added", "dropped", "changed", "errors")


def _short(text: str, most: int = 100) -> str:
    return text if len(text) <= most else text[:most - 1] + "…"


@dataclass(frozen=True)
class Replay:
    """What the new version does differently. ``hash`` is of everything it made: the same for the same events and rules."""

    version: str
    old_version: str                         # "" = there was no other
    events: int
    tables: Mapping[str, Mapping[str, Any]]  # same, added, dropped, changed, errors, columns
    examples: Sequence[Mapping[str, str]]
    hash: str
    old_hash: str

    def total(self, what: str) -> int:
        return sum(int(table[what]) for table in self.tables.values())

    @property
    def ok(self) -> bool:
        """No failure, and no difference from the other version."""
        return not any(self.total(what) for what in _COUNTS[1:])

    def lines(self, examples: int = 20) -> Iterator[str]:
        """As `tailrace rule replay` prints it, the same for two runs over the same events; with so many of the examples."""
        versions = f"{self.old_version} -> {self.version}" if self.old_version else self.version
        yield f"{versions}   {self.events:,} events, {len(self.tables)} tables"
        yield f"output sha256 {self.old_hash + ' -> ' if self.old_hash else ''}{self.hash}"
        width = max([5, *(len(name) for name in self.tables)])
        compared = bool(self.old_version)
        names = _COUNTS if compared else ("same", "errors")
        head = [name if compared or name != "same" else "events" for name in names]
        yield f" {'table':<{width}}  " + "  ".join(f"{name:>10}" for name in head) + ("   changed columns" if compared else "")
        for name, table in sorted(self.tables.items()):
            columns = ", ".join(f"{column} {count:,}" for column, count in
                                sorted(table["columns"].items(), key=lambda item: (-item[1], item[0])))
            yield (f" {name:<{width}}  " + "  ".join(f"{table[what]:>10,}" for what in names) + f"   {columns}").rstrip()
        for example in self.examples[:examples]:
            place = f"{example['table']} {example['key']}".strip()
            if example["kind"] == "changed":
                what = f"{example['column']}  {_short(example['before'])} -> {_short(example['after'])}"
            else:
                what = f"{example['kind']}  {_short(example['before'] or example['after'])}"
            yield f" e.g. {place}  {what}     gtid {example['gtid']}"

        if len(self.examples) > examples:
            yield f" … {len(self.examples) - examples} more examples with --json"

    def to_dict(self) -> dict[str, Any]:
        return {"version": self.version, "old_version": self.old_version, "events": self.events, "hash": self.hash,
                "old_hash": self.old_hash, "ok": self.ok, "tables": {name: dict(table) for name, table in self.tables.items()},
                "examples": [dict(example) for example in self.examples]}


@dataclass(frozen=True)
class Letters:
    """Dead letters of a job: the events that a rule failed on."""

    numbers: Sequence[int]
    payloads: Sequence[str] = field(repr=False)


def dead_letters(job: str | Path, number: int | None = None) -> Letters:
    """Those of a job file that are rows, or one of them."""
    import tailrace

    rows: list[dict[str, Any]] = tailrace.attach(job).meta.sql("SELECT id, code, payload FROM v1_dead_letter ORDER BY id").to_dicts()
    if number is not None:
        found = [row for row in rows if row["id"] == number]
        if not found:
            known = f"; there are {rows[0]['id']} to {rows[-1]['id']}" if rows else "; there is none"
            raise errors.make("CFG-0003", f"--dead-letter {number}: {job} has no such letter{known}")
        if not _is_row(found[0]):
            raise errors.make("CFG-0003", f"--dead-letter {number}: this letter ({found[0]['code']}) holds no row")
        rows = found
    rows = [row for row in rows if _is_row(row)]
    if not rows:
        raise errors.make("CFG-0003", f"{job}: there is no dead letter that holds a row")
    return Letters([row["id"] for row in rows], [str(row["payload"]) for row in rows])


def _is_row(letter: Mapping[str, Any]) -> bool:
    return '"schema"' in str(letter["payload"] or "")


def texts(options: Mapping[str, object] | None) -> dict[str, str]:
    return {name: option_text(name, value) for name, value in (options or {}).items()}


def replay(new: RulesLike, *, on: str | Path | Endpoint | Letters, against: RulesLike | None = None,
           options: Mapping[str, object] | None = None, old_options: Mapping[str, object] | None = None,
           tables: Sequence[str] = ("*.*",), start: str = "earliest", until: str = "", examples: int = 3) -> Replay:
    """Runs ``new``, and ``against`` when given, files or functions, over a capture or case file, or over a source from ``start`` to where it
    falls silent, or to the transaction ``until``; or over dead_letters() of a job. ``old_options`` default to ``options``."""
    endpoint = on if isinstance(on, Endpoint) else None
    letters = on if isinstance(on, Letters) else None
    raw = run_interruptibly(lambda: _core.replay_rules(
        file=name_of(new), options=texts(options), old_file=name_of(against) if against is not None else "",
        old_options=texts(options if old_options is None else old_options), path="" if endpoint or letters else str(on),
        url=endpoint.url if endpoint else "", source_options=endpoint.open_options() if endpoint else {},
        tables=list(tables), start=start, examples=examples, until=until, letters=letters.payloads if letters else ()))
    return Replay(raw["version"], raw["old_version"], raw["events"], raw["tables"], raw["examples"], raw["hash"], raw["old_hash"])
