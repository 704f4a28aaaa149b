"""Tests of rules with pytest: the fixture ``tailrace_rule``, and case files as test items.

    def test_mask(tailrace_rule):
        users = tailrace_rule("rules/shop.lua").table("CREATE TABLE shop.users (id BIGINT PRIMARY KEY, email TEXT)")
        (out,) = users.insert(id=2**53 + 1, email="jo@x.io")
        assert out.after == {"id": 2**53 + 1, "email": "j***@x.io"}

The same works without pytest: ``tailrace.testing.Rule("rules/shop.lua")``.
"""
from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from tailrace.rules.cases import Report, Step
    from tailrace.rules.python import RulesLike

__all__ = ["ABSENT", "Output", "Rule", "Table", "rows", "tailrace_rule"]


class _Absent(enum.Enum):
    ABSENT = "ABSENT"

    def __repr__(self) -> str:
        return self.value


ABSENT: Final = _Absent.ABSENT  # a column that is not in the row image, which is not NULL
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Output:
    """One event as the sink would get it. Values: int, float, Decimal, str, bytes, None, ABSENT; dates and times are
    canonical text. ``message`` is set when the rules made the message themselves."""

    op: str
    table: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    topic: str
    partition_key: str
    headers: dict[str, str]
    message_key: bytes | None
    message: bytes | None
    text: str

    def __str__(self) -> str:
        return self.text


def _image(row: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if row is None else {name: ABSENT if value is ... else value for name, value in row.items()}


def _name(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _literal(name: str, value: object) -> str:
    if value is None or value is ABSENT:
        return "NULL" if value is None else "ABSENT"
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bytes | bytearray):
        return f"x'{bytes(value).hex()}'"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace("'", "''").replace("\0", "\\0").replace("\n", "\\n").replace("\r", "\\r")
        return f"'{escaped}'"
    raise TypeError(f"{name}: int, float, Decimal, str, bytes, bool, None or ABSENT expected, got {type(value).__name__}")


class Table:
    """A source table of a rule under test. Nothing is stored: update and delete are given their rows."""

    def __init__(self, rule: Rule, database: str, table: str) -> None:
        self._rule = rule
        self._place = (database, table)
        self._target = f"{_name(database)}.{_name(table)}"

    def _columns(self) -> list[dict[str, Any]]:
        tables = self._rule.core.tables()
        return next(one["columns"] for one in tables if (one["database"], one["table"]) == self._place)

    def _whole(self, row: Row) -> dict[str, Any]:
        known = self._columns()
        return {**{column["name"]: None for column in known if column["nullable"]}, **row}

    def _add(self, verb: str, values: Row) -> list[Output]:
        names = ", ".join(_name(name) for name in values)
        literals = ", ".join(_literal(name, value) for name, value in values.items())
        return self._rule.run(f"{verb} INTO {self._target} ({names}) VALUES ({literals})")

    def _where(self, row: Row) -> str:
        return " AND ".join(f"{_name(name)} IS NULL" if value is None else f"{_name(name)} = {_literal(name, value)}"
                            for name, value in self._whole(row).items())

    def insert(self, row: Row | None = None, /, **values: object) -> list[Output]:
        """Columns left out get their default."""
        return self._add("INSERT", {**(row or {}), **values})

    def read(self, row: Row | None = None, /, **values: object) -> list[Output]:
        """A row of the first copy."""
        return self._add("READ", {**(row or {}), **values})

    def update(self, before: Row, after: Row) -> list[Output]:
        """``after`` names what changes. Nullable columns left out of ``before`` are NULL."""
        changes = ", ".join(f"{_name(name)} = {_literal(name, value)}" for name, value in after.items())
        return self._rule.run(f"UPDATE {self._target} SET {changes} WHERE {self._where(before)}")

    def delete(self, row: Row | None = None, /, **values: object) -> list[Output]:
        return self._rule.run(f"DELETE FROM {self._target} WHERE {self._where({**(row or {}), **values})}")


class Rule:
    """A rule file, or functions with @tailrace.rule, at the desk. Every event of Lua rules also runs without the JIT, which must give the same."""

    def __init__(self, path: RulesLike, *, options: Mapping[str, object] | None = None, trusted: bool = True) -> None:
        from tailrace import _core
        from tailrace.endpoint import option_text
        from tailrace.rules.python import name_of

        name = name_of(path)
        self.core = _core.RuleSession(file=name, script="+".join(Path(file).name for file in name.split("\n")), trusted=trusted, options={
            name: option_text(name, value) for name, value in (options or {}).items()})
        self.core.begin_capture()
        self._line = 0

    @property
    def version(self) -> str:
        return self.core.version

    def run(self, sql: str) -> list[Output]:
        """One statement of case files, such as an ALTER TABLE; what it gives."""
        self._line += 1
        fields = ("op", "table", "topic", "partition_key", "headers", "message_key", "message", "text")
        return [Output(before=_image(raw["before"]), after=_image(raw["after"]), **{name: raw[name] for name in fields})
                for raw in self.core.run(sql.strip().rstrip(";"), self._line) if raw["text"]]

    def table(self, ddl: str) -> Table:
        """Makes a source table by its CREATE TABLE."""
        known = {(one["database"], one["table"]) for one in self.core.tables()}
        self.run(ddl)
        made = [one for one in self.core.tables() if (one["database"], one["table"]) not in known]
        if len(made) != 1:
            raise ValueError("one CREATE TABLE expected")
        return Table(self, made[0]["database"], made[0]["table"])


def rows(ddl: str) -> SearchStrategy[dict[str, Any]]:
    """A strategy of hypothesis: rows of the table of this CREATE TABLE, of every type its edge values, NULL, and values at
    random, as insert() takes them."""
    from tailrace.rules.random_rows import rows as make

    return make(ddl)


@pytest.fixture
def tailrace_rule(request: pytest.FixtureRequest) -> Callable[..., Rule]:
    """``tailrace_rule(path, options=…)``: a rule file; a relative path is taken from pytest's root folder."""
    root = request.config.rootpath

    def make(path: RulesLike, *, options: Mapping[str, object] | None = None, trusted: bool = True) -> Rule:
        if isinstance(path, list | tuple):
            path = [root / one if isinstance(one, str | Path) else one for one in path]
        return Rule(root / path if isinstance(path, str | Path) else path, options=options, trusted=trusted)

    return make


class CaseItem(pytest.Item):
    """One statement with arrows."""

    step: Step

    def runtest(self) -> None:
        parent = self.parent
        assert isinstance(parent, CaseCollector)
        report = parent.report()
        for step in report.failed:
            if step.line == self.step.line or (not step.has_arrows and step.line < self.step.line):
                raise CaseFailure("\n".join(type(report)(report.path, report.rules, 0, [step]).lines()))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str | Any:
        if isinstance(excinfo.value, CaseFailure):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.step.line - 1, self.name


class CaseFailure(Exception):
    """A case gave something else."""


class CaseCollector(pytest.File):
    """A case file; run once, when its first item is."""

    _report: Report | None = None

    def report(self) -> Report:
        if self._report is None:
            self._report = self._case.run()
        return self._report

    def collect(self) -> Iterable[pytest.Item]:
        from tailrace.rules.cases import CaseFile

        self._case = CaseFile(self.path)
        for step in self._case.steps:
            if step.has_arrows:
                item = CaseItem.from_parent(self, name=f"{step.line}: {step.shown}")
                item.step = step
                yield item


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Iterator[pytest.File] | pytest.File | None:
    return CaseCollector.from_parent(parent, path=file_path) if file_path.suffix == ".case" else None
