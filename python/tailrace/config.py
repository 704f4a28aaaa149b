"""A job's configuration: TOML or a mapping, to the JSON the engine keeps, with the literal secrets taken out."""
from __future__ import annotations

import datetime
import difflib
import json
import math
import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tailrace import errors
from tailrace.endpoint import Endpoint, Secret, make_endpoint, secret_options
from tailrace.rules.python import PREFIX, file_of, links_of

_VARIABLE = re.compile(r"\$\$|\$\{([^}]*)\}")
DEFAULT_PHASES = ("snapshot", "stream")


@dataclass(slots=True)
class JobConfig:
    """What the engine is given. ``locate`` names the line of a key, for configurations that came from a file."""

    name: str
    fields: dict[str, Any]
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    locate: Callable[[str], str | None] = lambda key: None

    def to_json(self) -> str:
        return json.dumps(self.fields, ensure_ascii=False, sort_keys=True)

    def place(self, error: errors.TailraceError) -> errors.TailraceError:
        """Adds file and line to an error about a key."""
        key = re.match(r"[\w.\-]+", error.detail)
        if isinstance(error, errors.ConfigError) and "file" not in error.context and key is not None:
            found = self.locate(key[0].rstrip("."))
            if found is not None:
                error.context["file"] = found
        return error


def build(name: str, source: Endpoint, sink: Endpoint, tables: Sequence[str], rules: object, phases: Sequence[str],
          pipeline: Mapping[str, object]) -> JobConfig:
    """The configuration of a job made in Python."""
    if isinstance(tables, str):
        raise errors.make("CFG-0003", "tables: a list of patterns expected, such as [\"shop.*\"]")
    check_values({"job": {"name": name}, "rules": rules, "pipeline": pipeline})
    fields: dict[str, Any] = {"version": 1, "job": {"name": name, "phases": list(phases)},
                              "source": source.config(), "sink": sink.config(), "tables": list(tables)}
    kept_rules = rules_fields(rules, Path.cwd())
    if kept_rules:
        fields["rules"] = kept_rules
    if pipeline:
        fields["pipeline"] = dict(pipeline)
    return JobConfig(name, fields, job_secrets(source, sink))


def job_secrets(source: Endpoint, sink: Endpoint) -> dict[str, str]:
    secrets = {}
    for role, endpoint in (("source", source), ("sink", sink)):
        for name, value in endpoint.secrets.items():
            if name != "password":
                raise errors.make("CFG-0003", f"{role}.{name}: a job keeps only a reference to it; "
                                  "give tailrace.env(\"NAME\") or \"${env:NAME}\"")
            secrets[f"{role}.{name}"] = value
    return secrets


def rules_fields(rules: object, folder: Path) -> dict[str, Any] | None:
    """``rules`` as the configuration has it; a relative file is taken from ``folder``."""
    if rules is None:
        return None
    functions = file_of(rules)
    if functions is not None:
        return {"file": functions}
    if isinstance(rules, str | os.PathLike):
        rules = {"file": os.fspath(rules)}
    if isinstance(rules, list | tuple):
        rules = {"file": rules}
    if not isinstance(rules, Mapping):
        raise errors.make("CFG-0003", f"rules: a path, a list, a table or functions with @tailrace.rule expected, got {type(rules).__name__}")
    kept = dict(rules)
    if isinstance(kept.get("options"), Mapping):
        kept["options"] = {name: str(value) if isinstance(value, Secret) else value for name, value in kept["options"].items()}
    file = kept.get("file")
    functions = file_of(file)
    if functions is not None:
        kept["file"] = functions
    elif isinstance(file, list | tuple):
        kept["file"] = [_rule_file(name, folder) for name in links_of(file) or ()]
    elif isinstance(file, str | os.PathLike):
        kept["file"] = _rule_file(os.fspath(file), folder)
    return kept


def _rule_file(name: str, folder: Path) -> str:
    if name.startswith(PREFIX):
        return name
    file = (folder / name).resolve()
    if not file.is_file():
        raise errors.make("CFG-0003", f"rules.file: {unreadable(file, FileNotFoundError())}")
    return str(file)


def from_mapping(given: Mapping[str, Any], *, default_name: str, folder: Path,
                 locate: Callable[[str], str | None] = lambda key: None) -> JobConfig:
    """Checks nothing the engine checks: unknown keys pass through and come back as its errors."""
    check_values(given, locate)
    fields = dict(given)
    secrets: dict[str, str] = {}
    ends: list[Endpoint] = []
    for role in ("source", "sink"):
        node = fields.get(role)
        if node is None:
            raise errors.make("CFG-0004", role, **_file(locate("")))
        if isinstance(node, str):
            node = {"url": node}
        if not isinstance(node, Mapping) or not isinstance(node.get("url"), str):
            raise errors.make("CFG-0004", f"{role}.url", **_file(locate(role)))
        try:
            endpoint = make_endpoint(role, node["url"], {key: value for key, value in node.items() if key != "url"}, 6)
        except errors.ConfigError as error:
            raise JobConfig("", {}, locate=locate).place(error) from None
        ends.append(endpoint)
        fields[role] = endpoint.config()
    try:
        secrets = job_secrets(*ends)
        kept_rules = rules_fields(fields.pop("rules", None), folder)
    except errors.ConfigError as error:
        raise JobConfig("", {}, locate=locate).place(error) from None
    if kept_rules:
        fields["rules"] = kept_rules
    job = fields.get("job", {})
    if isinstance(job, Mapping):
        job = {"name": default_name, "phases": list(DEFAULT_PHASES), **job}
        fields["job"] = job
    fields.setdefault("version", 1)
    fields.setdefault("tables", ["*.*"])
    if not fields.get("pipeline", True):
        del fields["pipeline"]
    name = job.get("name", default_name) if isinstance(job, Mapping) else default_name
    return JobConfig(str(name), fields, secrets, locate)


def load(path: str | os.PathLike[str], changes: Mapping[str, object]) -> JobConfig:
    """Reads a TOML file, applies ``changes`` (dotted keys), resolves ``${…}`` in string leaves."""
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise errors.make("CFG-0001", unreadable(file, error), file=file) from None
    except UnicodeDecodeError as error:
        raise errors.make("CFG-0001", f"the file is not UTF-8: {error}", file=file) from None
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"at line (\d+)", str(error))
        line = at[1] if at else str(text.count("\n") + 1)
        raise errors.make("CFG-0001", str(error), file=f"{file}:{line}") from None
    lines = KeyLines(text)

    def locate(key: str) -> str:
        line = lines.find(key) if key and key not in changes else None
        return f"{file}:{line}" if line else str(file)

    apply(tree, changes)
    resolved = interpolate(tree, locate)
    return from_mapping(resolved, default_name=file.stem, folder=file.resolve().parent, locate=locate)


def check_values(node: object, locate: Callable[[str], str | None] = lambda key: None, key: str = "") -> None:
    """CFG-0003 for what TOML and Python have and a job's configuration has not: moments, and numbers that are none or too large."""
    if isinstance(node, Mapping):
        for name, value in node.items():
            check_values(value, locate, f"{key}.{name}" if key else str(name))
    elif isinstance(node, list | tuple):
        for value in node:
            check_values(value, locate, key)
    expected = ""
    if isinstance(node, datetime.date | datetime.time) and key != "source.start":
        expected = f"a string, number, true or false expected, got {node.isoformat()}; a date or time that is meant as text stands in quotes"
    elif isinstance(node, float) and not math.isfinite(node):
        expected = f"a number expected, got {node}"
    elif isinstance(node, int) and not -2**63 <= node < 2**63:
        expected = "a number of at most 64 bits expected"
    if expected:
        raise errors.make("CFG-0003", f"{key}: {expected}", **_file(locate(key)))


def unreadable(path: Path, error: OSError) -> str:
    """Why a file cannot be read; one that is not there may be misspelt, or of another folder."""
    if not isinstance(error, FileNotFoundError):
        return f"{path} cannot be read: {error.strerror}"
    folder = path.absolute().parent
    if not folder.is_dir():
        return f"there is no folder {folder}"
    near = difflib.get_close_matches(path.name, [entry.name for entry in folder.iterdir() if entry.is_file()], 1)
    return f"there is no file {path.name} in {folder}" + (f"; did you mean {near[0]}?" if near else "")


def apply(tree: dict[str, Any], changes: Mapping[str, object]) -> None:
    """Sets dotted keys, making tables on the way."""
    for key, value in changes.items():
        node = tree
        *path, last = key.split(".")
        for part in path:
            child = node.setdefault(part, {})
            if isinstance(child, str) and part in ("source", "sink"):
                child = node[part] = {"url": child}
            if not isinstance(child, dict):
                raise errors.make("CFG-0003", f"{key}: {part} is not a table")
            node = child
        node[last] = value


def interpolate(node: Any, locate: Callable[[str], str | None], key: str = "") -> Any:
    """Replaces ``${env:X}``, ``${env:X:-default}``, ``${file:P}`` and ``$$``; options that are secret, and those of the rules,
    stay references."""
    if isinstance(node, Mapping):
        return {name: interpolate(value, locate, f"{key}.{name}" if key else name) for name, value in node.items()}
    if isinstance(node, list):
        return [interpolate(value, locate, key) for value in node]
    if not isinstance(node, str) or "$" not in node:
        return node
    section, _, last = key.rpartition(".")
    keep = section in ("source", "sink") and last in secret_options() and "${" in node
    text = _VARIABLE.sub(lambda match: _variable(match, key, locate), node)
    if section == "rules.options":
        return node  # the engine reads it at each start: it may be a secret, which the job file must not hold
    return Secret(node) if keep else text


def _variable(match: re.Match[str], key: str, locate: Callable[[str], str | None]) -> str:
    if match[0] == "$$":
        return "$"
    kind, _, rest = match[1].partition(":")
    if kind == "env" and rest:
        name, has_default, default = rest.partition(":-")
        value = os.environ.get(name, default if has_default else None)
        if value is None:
            raise errors.make("CFG-0007", f"environment variable {name}", key=key, **_file(locate(key)))
        return value
    if kind == "file" and rest:
        try:
            return Path(rest).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise errors.make("CFG-0007", str(error), key=key, **_file(locate(key))) from None
    raise errors.make("CFG-0003", f"{key}: {match[0]} is neither ${{env:NAME}} nor ${{file:PATH}}",
                      **_file(locate(key)))


def _file(place: str | None) -> dict[str, str]:
    return {"file": place} if place else {}


class KeyLines:
    """Line numbers of the keys of a TOML text, found by looking, for error messages only."""

    _HEADER = re.compile(r"\s*\[\[?\s*([\w.\-\"' ]+?)\s*\]?\]\s*(?:#.*)?$")
    _KEY = re.compile(r"\s*([\w\-\"'.]+(?:\s*\.\s*[\w\-\"']+)*)\s*=")
    _INLINE = re.compile(r"[{,]\s*([\w\-\"']+)\s*=")

    def __init__(self, text: str) -> None:
        self._lines: dict[str, int] = {}
        table, last = "", ""
        for number, line in enumerate(text.splitlines(), 1):
            if header := self._HEADER.match(line):
                table = self._plain(header[1])
                self._lines.setdefault(table, number)
                continue
            rest = line
            if key := self._KEY.match(line):
                last = f"{table}.{self._plain(key[1])}".lstrip(".")
                self._lines.setdefault(last, number)
                rest = line[key.end():]
            for inner in self._INLINE.findall(rest):
                self._lines.setdefault(f"{last}.{self._plain(inner)}", number)

    @staticmethod
    def _plain(key: str) -> str:
        return re.sub(r"[\s\"']", "", key)

    def find(self, key: str) -> int | None:
        """The line of the key, or of the nearest table around it."""
        while key:
            if key in self._lines:
                return self._lines[key]
            key = key.rpartition(".")[0]
        return None
