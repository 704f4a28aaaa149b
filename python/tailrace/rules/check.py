"""What can be known of a rule file before a job runs it."""
from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tailrace import _core, errors
from tailrace._waiting import run_interruptibly
from tailrace.endpoint import option_text
from tailrace.rules.python import RulesLike, files_of, load, name_of

_PLACE = re.compile(r"(?:^|\s)([^\s:]*\.(?:lua|py|csv)):(\d+): ?")
_COMMENT = re.compile(r"--(?!\[\[).*$", re.M)


@dataclass(frozen=True)
class Finding:
    is_error: bool
    code: str
    text: str
    file: str
    line: int                                # 0 = the file as a whole

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}  {'error' if self.is_error else 'warn '}  {self.code}  {self.text}"


@dataclass
class CheckReport:
    files: list[Path]                        # several: a chain
    version: str
    findings: list[Finding] = field(default_factory=list)
    # source, pattern, target, create, map, row, purity, reads; names_target: rows may go to other tables of this layout;
    # file: number of it in the chain; is_last: of the last one
    tables: list[dict[str, Any]] = field(default_factory=list)
    sources: list[dict[str, Any]] = field(default_factory=list)   # schemas the rules were planned against
    pure: set[str] = field(default_factory=set)                   # patterns of rules in Python that are said to be

    @property
    def ok(self) -> bool:
        return not any(finding.is_error for finding in self.findings)

    def purity(self, table: Mapping[str, Any]) -> str:
        """pure, decides or ordered; empty where it is not known: rows that functions add, Python that does not say."""
        if table["source"] == "(outputs)" or not table["target"]:
            return ""
        if self.files[table["file"]].suffix == ".py" and table["map"]:
            return "pure" if table["pattern"] in self.pure else ""
        return str(table["purity"])

    def plans(self) -> Iterator[str]:
        """One line per pattern and target; in a chain behind the name of the file."""
        groups: dict[tuple[int, str, str, str], list[str]] = {}
        for table in self.tables:
            if not table["target"]:
                kind = "dropped" if not any(f.is_error and table["source"] in f.text for f in self.findings) else "failed"
            elif table["map"] or table["row"]:
                is_python = self.files[table["file"]].suffix == ".py"
                kind = "map in Python" if is_python else "+".join(name for name in ("row", "map") if table[name])
                if purity := self.purity(table):
                    kind += f", {purity}"
            elif table["source"] == "(outputs)":
                kind = "rows that map and row add"
            else:
                kind = f"native, {table['purity']}, 0 Lua/row" if table["pattern"] else f"as it is, {table['purity']}"
            target = table["target"] + (" (decided per row)" if table["names_target"] else "")
            groups.setdefault((table["file"], table["pattern"] or "(no pattern)", target, kind), []).append(table["source"])
        for (file, pattern, target, kind), sources in sorted(groups.items()):
            count = f"{len(sources)} tables" if len(sources) != 1 else sources[0]
            place = f"{self.files[file].name}: " if len(self.files) > 1 else ""
            yield f"{place}{pattern}  {count} -> {target or '(nowhere)'}, {kind}"

    def to_dict(self) -> dict[str, Any]:
        return {"file": ", ".join(map(str, self.files)), "version": self.version, "ok": self.ok, "tables": self.tables, "findings": [
            {"level": "error" if f.is_error else "warn", "code": f.code, "text": f.text, "file": f.file, "line": f.line}
            for f in self.findings]}


def _line_of(source: str, pattern: str, name: str) -> int:
    """The line of a name inside the entry of a pattern, as well as text can tell."""
    at = source.find(pattern) if pattern else 0
    if at < 0:
        return 0
    if name:
        found = re.compile(rf"\b{re.escape(name)}\b").search(source, at)
        at = found.start() if found else at
    return source.count("\n", 0, at) + 1 if pattern or name else 0


def _finding(file: Path, source: str, raw: Mapping[str, Any]) -> Finding:
    place = _PLACE.search(raw["text"])
    text = raw["text"]
    if place is not None:
        text = (text[:place.start()] + " " + text[place.end():]).strip()
        return Finding(raw["is_error"], raw["code"], _with_table(text, raw["table"]), Path(place[1]).name, int(place[2]))
    named = re.match(r'tables\["(.*?)"\]: (?:columns\.(\w+)|(\w+))?', text)
    pattern = named[1] if named else raw["pattern"]
    name = (named[2] or named[3] or "") if named else raw["name"]
    if not pattern and not name and raw["is_error"] and (quoted := re.search(r"`(\w+)`", text)):
        name = quoted[1]
    return Finding(raw["is_error"], raw["code"], _with_table(text, raw["table"]), file.name, _line_of(source, pattern, name))


def placed(file: str | Path, error: errors.TailraceError) -> errors.TailraceError:
    """An error of a rule file with file and line in front of its text, where they can be told."""
    path = Path(file)
    if not error.code.startswith("RULE-01") or _PLACE.search(error.detail) or not path.is_file():
        return error
    raw = {"is_error": True, "code": error.code, "text": error.detail, "table": "", "pattern": "", "name": ""}
    line = _finding(path, path.read_text(encoding="utf-8", errors="replace"), raw).line
    return errors.make(error.code, f"{path.name}:{line}: {error.detail}", **error.context) if line else error


def _with_table(text: str, table: str) -> str:
    return f"{text}  [{table}]" if table and table not in text else text


def _unused_options(file: Path, source: str, options: list[str]) -> Iterator[Finding]:
    texts = [source, *(path.read_text(encoding="utf-8", errors="replace") for folder in (file.parent, file.parent / "lib")
                       for path in sorted(folder.glob("*.lua")) if path.name != file.name
                       and re.search(rf"require\s*\(?\s*[\"']{re.escape(path.stem)}[\"']", source))]
    code = "\n".join(_COMMENT.sub("", text) for text in texts)
    for name in options:
        if len(re.findall(rf"\b{re.escape(name)}\b", code)) < 2:
            yield Finding(False, "unused-option", f"option `{name}` is never used", file.name, _line_of(source, "", name))


def _lossy_keys(file: Path, source: str, report: CheckReport) -> Iterator[Finding]:
    """An exact number as a key of a Lua table is an identity: it is never found again."""
    exact = {column["name"] for schema in report.sources for column in schema["columns"] if column["lua"] in ("bigint", "decimal")
             for table in report.tables if table["source"] == f"{schema['database']}.{schema['table']}" and (table["map"] or table["row"])}
    states = {name for names in re.findall(r"\blocal\s+([\w\s,]+?)\s*=[^\n]*\bctx\.state\b", source) for name in re.findall(r"\w+", names)}
    for number, line in enumerate(_COMMENT.sub("", source).split("\n"), 1):
        for found in re.finditer(r"\w+\[\s*((?:row|ev)(?:\.\w+)?\.(\w+))\s*\]", line):
            is_state = found[0].partition("[")[0] in states or line[:found.start()].endswith("state.")  # these take exact numbers
            if found[2] in exact and not is_state:
                yield Finding(False, "exact-key", f"`{found[0]}` is never found again: write key({found[1]})", file.name, number)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def _failed(paths: Sequence[Path], error: errors.RuleError) -> CheckReport:
    """The report about a file that does not load."""
    text = error.detail or error.message
    named = [path for path in paths if path.name in f"{text} {error.context.get('rule', '')}"]
    file = named[-1] if named else paths[-1]
    found = {"is_error": True, "code": error.code, "text": text, "table": "", "pattern": "", "name": ""}
    return CheckReport(list(paths), "", [_finding(file, _text(file), found)])


def check(file: RulesLike, *, schema: str | Path | None = None, job: str | Path | None = None,
          options: Mapping[str, object] | None = None) -> CheckReport:
    """Compiles a rule file, or a chain of them, and, with tables from a schema file or a job, plans it and runs its functions over edge
    rows."""
    paths = files_of(file)
    ddl = ""
    if schema is not None:
        try:
            ddl = Path(schema).read_text(encoding="utf-8")
        except OSError as error:
            raise errors.make("CFG-0001", f"{schema}: {error.strerror}") from None
    wanted = {name: option_text(name, value) for name, value in (options or {}).items()}
    try:
        raw = run_interruptibly(lambda: _core.check_rules(file=name_of(file), options=wanted, ddl=ddl, job=str(job or "")))
    except errors.RuleError as error:
        return _failed(paths, error)
    sources = [_text(path) for path in paths]
    findings = [_finding(paths[one["file"]], sources[one["file"]], one) for one in raw["findings"]]
    report = CheckReport(paths, raw["version"], findings, raw["tables"], raw["sources"])
    for number, (path, source) in enumerate(zip(paths, sources, strict=True)):
        declared = [name for name in raw["options"] if len(paths) == 1 or re.search(rf"\b{re.escape(name)}\b", source)]
        report.findings += _unused_options(path, source, declared)
        if path.suffix == ".py":
            report.pure |= {one.pattern for one in load(str(path), None).functions if one.pure}
        elif number == 0:
            report.findings += _lossy_keys(path, source, report)
    report.findings.sort(key=lambda finding: (finding.file, finding.line, not finding.is_error, finding.text))
    return report
