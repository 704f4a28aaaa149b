"""Case files: SQL statements through a rule file, each with what it must give. No server."""
from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tailrace import _core, errors
from tailrace.endpoint import option_text
from tailrace.rules import arrows
from tailrace.rules.python import RulesLike, files_of, name_of

_OPTION = re.compile(r"\s*([A-Za-z_]\w*)\s*[:=]\s*(?:'((?:[^']|'')*)'|([^\s,'}]+))\s*(,|$)")
SUFFIXES = (".lua", ".py")                  # of rule files
_CREATES = re.compile(r"\s*(create|drop|use|set|begin|commit)\b", re.I)


@dataclass
class Step:
    """A statement with its arrows."""

    line: int
    last_line: int
    sql: str
    expected: list[str] = field(default_factory=list)
    arrow_lines: list[int] = field(default_factory=list)
    got: list[str] = field(default_factory=list)
    failure: str = ""                        # why it failed, beyond expected and got

    @property
    def has_arrows(self) -> bool:
        return bool(self.expected)

    @property
    def shown(self) -> str:
        sql = " ".join(self.sql.split())
        return sql if len(sql) <= 60 else sql[:59] + "…"


@dataclass
class Section:
    """Statements that share options and tables."""

    options: dict[str, str]
    steps: list[Step] = field(default_factory=list)
    is_capture: bool = False


@dataclass
class Report:
    """What a case file gave."""

    path: Path
    rules: str                               # of a chain: one file a line
    passed: int = 0
    failed: list[Step] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.failed

    def lines(self) -> Iterator[str]:
        """The differences, as `tailrace rule test` prints them."""
        for step in self.failed:
            yield f"  {self.path.name}:{step.line}  {step.shown}"
            if step.failure:
                yield from (f"  ! {line}" for line in step.failure.splitlines())
                continue
            for mark, text in _difference(step.expected, step.got):
                yield f"  {mark} {text}"

    def to_dict(self) -> dict[str, Any]:
        return {"file": str(self.path), "rules": ", ".join(self.rules.split("\n")), "passed": self.passed, "failed": [
            {"line": step.line, "sql": step.sql, "expected": step.expected, "got": step.got, "failure": step.failure}
            for step in self.failed]}


def _difference(expected: Sequence[str], got: Sequence[str]) -> Iterator[tuple[str, str]]:
    same = [arrows.parse(one).accepts(arrows.parse(other)) if not one.startswith("error") else False
            for one, other in zip(expected, got, strict=False)]
    head = next((i for i, ok in enumerate([*same, False]) if not ok), 0)
    for one in expected[head:]:
        yield "- expected", one
    for other in got[head:]:
        yield "+ got     ", other
    if not got:
        yield "+ got     ", "(nothing)"


def parse_options(text: str) -> dict[str, str]:
    """``{region: 'eu', limit: 5}``; raises ValueError."""
    text = text.strip()
    if not (text.startswith("{") and text.endswith("}")):
        raise ValueError("options are written {name: 'text', name: 5}")
    inner, at, out = text[1:-1].strip(), 0, {}
    while at < len(inner):
        found = _OPTION.match(inner, at)
        if found is None:
            raise ValueError(f"name: value expected at `{inner[at:at + 20]}`")
        out[found[1]] = found[2].replace("''", "'") if found[2] is not None else found[3]
        at = found.end()
    return out


def find_cases(paths: Iterable[str | Path]) -> list[Path]:
    """Case files: those named, those of a rule file, those below a folder."""
    return list(cases_of(paths))


def cases_beside(rules: RulesLike) -> list[Path]:
    """The case files of a rule file or of a chain (``mask+route.case``); there may be none."""
    files = files_of(rules)
    folder, stem = files[0].parent, "+".join(file.stem for file in files)
    return sorted({*folder.glob(f"{stem}.case"), *folder.glob(f"{stem}.*.case")})


def cases_of(paths: Iterable[str | Path]) -> dict[Path, Path | None]:
    """The same, each with its rule file when that was named."""
    out: dict[Path, Path | None] = {}
    for given in paths:
        path = Path(given)
        if path.is_dir():
            found = sorted(path.rglob("*.case"))
        elif path.suffix in SUFFIXES:
            found = cases_beside(path)
        else:
            found = [path]
        if not path.exists() or not found:
            raise errors.make("CFG-0003", f"{path}: {'no case file is here' if path.exists() else 'there is no such file'}")
        for case in found:
            out.setdefault(case, path if path.suffix in SUFFIXES else None)
    return out


def rules_of(case: Path) -> list[Path]:
    """``shop.case`` and ``shop.more.case`` are cases of ``shop.lua`` or ``shop.py``, ``mask+route.case`` of mask.lua and then route.lua."""
    for stem in (case.stem, case.stem.partition(".")[0]):
        files = [_rule_file(case, part) for part in stem.split("+")]
        if all(files):
            return [file for file in files if file]
    raise errors.make("CFG-0003", f"{case}: there is no {' or no '.join(f'{part}.lua or {part}.py' for part in case.stem.split('+'))} beside it")


def _rule_file(case: Path, stem: str) -> Path | None:
    found = [case.parent / f"{stem}{suffix}" for suffix in SUFFIXES if (case.parent / f"{stem}{suffix}").exists()]
    if len(found) > 1:
        raise errors.make("CFG-0003", f"{case}: both {found[0].name} and {found[1].name} are beside it; say which with --rules")
    return found[0] if found else None


class CaseFile:
    """A case file that was read."""

    def __init__(self, path: str | Path, rules: RulesLike | None = None) -> None:
        self.path = Path(path)
        self.rules = name_of(rules if rules is not None else rules_of(self.path))
        self.sections: list[Section] = [Section({})]
        for kind, text, line, last_line in _core.read_case(str(self.path)):
            self._take(kind, text, line, last_line)

    def _take(self, kind: str, text: str, line: int, last_line: int) -> None:
        section = self.sections[-1]
        if kind == "options":
            try:
                options = parse_options(text)
            except ValueError as error:
                raise self._bad(line, str(error)) from None
            if section.steps:
                self.sections.append(Section(options))
            else:
                section.options.update(options)
        elif kind == "capture":
            section.is_capture = True
        elif kind == "statement":
            section.steps.append(Step(line, last_line, text))
        elif not section.steps:
            raise self._bad(line, "an arrow without a statement above it")
        else:
            step = section.steps[-1]
            try:
                if text:
                    arrows.parse(text)
            except ValueError as error:
                raise self._bad(line, str(error)) from None
            step.expected.append(text)
            step.arrow_lines.append(line)

    def _bad(self, line: int, detail: str) -> errors.TailraceError:
        return errors.make("RULE-0120", f"{self.path}:{line}: {detail}")

    @property
    def steps(self) -> list[Step]:
        return [step for section in self.sections for step in section.steps]

    def run(self, options: Mapping[str, object] | None = None) -> Report:
        """Statements without arrows only prepare: they must not fail, what they give is not compared."""
        report = Report(self.path, self.rules)
        for section in self.sections:
            wanted = {**{name: option_text(name, value) for name, value in (options or {}).items()}, **section.options}
            session = _core.RuleSession(file=self.rules, options=wanted, script=self.path.name, trusted=True)
            if section.is_capture:
                session.begin_capture()
            for step in section.steps:
                if _run_step(session, step):
                    report.passed += step.has_arrows
                else:
                    report.failed.append(step)
            if section.steps:
                _run_together(session, section.steps[-1], report)
        return report

    def accept(self) -> bool:
        """Rewrites the arrows to what the last run gave. Rows and changed tables that had none get theirs. True when the
        file changed. Steps with a failure stay as they are."""
        text = self.path.read_text(encoding="utf-8")
        lines = text.splitlines()
        wanted: dict[int, list[str]] = {}
        removed: set[int] = set()
        for step in self.steps:
            if step.failure or not (step.has_arrows or not _CREATES.match(step.sql)):
                continue
            if _matches(step.expected, step.got, step.failure):
                continue
            if step.last_line in step.arrow_lines:
                raise self._bad(step.last_line, "write arrows on lines of their own, then they can be rewritten")
            removed |= set(step.arrow_lines)
            wanted[step.last_line] = [f"-> {got}" for got in step.got or ["nothing"]]
        out: list[str] = []
        for number, line in enumerate(lines, 1):
            if number not in removed:
                out.append(line)
            out += wanted.get(number, [])
        changed = "\n".join(out) + "\n"
        if changed == text:
            return False
        self.path.write_text(changed, encoding="utf-8")
        return True


def _error_arrow(error: errors.TailraceError) -> str:
    column = re.search(r"column `([^`]+)`", error.detail)
    return f"error {error.code}" + (f" {column[1]}" if column else "")


def _run_together(session: _core.RuleSession, last: Step, report: Report) -> None:
    try:
        session.finish()
    except errors.InternalError as error:
        last.failure = error.detail
        report.failed.append(last)


def _run_step(session: _core.RuleSession, step: Step) -> bool:
    step.got, step.failure = [], ""
    try:
        step.got = [outcome["text"] for outcome in session.run(step.sql, step.line) if outcome["text"]]
    except errors.TailraceError as error:
        expects = [arrows.parse(text) for text in step.expected if text]
        if len(expects) == 1 and expects[0].kind == "error":
            code, *words = expects[0].words
            if error.code == code and all(word in str(error) for word in words):
                step.got = list(step.expected)
                return True
        if not isinstance(error, errors.RuleError) or error.code == "RULE-0120" or not step.has_arrows:
            step.failure = str(error)
            return False
        step.got = [_error_arrow(error)]
        return False
    return not step.has_arrows or _matches(step.expected, step.got, step.failure)


def _matches(expected: Sequence[str], got: Sequence[str], failure: str) -> bool:
    if failure or not expected or any(not text for text in expected):
        return False
    wanted = [arrows.parse(text) for text in expected]
    if any(arrow.kind == "nothing" for arrow in wanted):
        return len(wanted) == 1 and not got
    made = [arrows.parse(text) for text in got]
    return len(wanted) == len(made) and all(one.accepts(other) for one, other in zip(wanted, made, strict=True))


def run(path: str | Path, *, rules: RulesLike | None = None, options: Mapping[str, object] | None = None) -> Report:
    """Runs one case file against the rule file beside it, or ``rules``."""
    return CaseFile(path, rules).run(options)
