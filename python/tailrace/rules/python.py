"""Rules in Python: the decorator, the declarations it takes, and what the engine asks of them."""
from __future__ import annotations

import inspect
import os
import re
import sys
import traceback
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tailrace import _core, errors
from tailrace.rules.images import Images, need_pyarrow, plain, shown

PREFIX = "python:"                           # of rules that are functions of this process
_HERE = os.path.dirname(os.path.dirname(__file__))
_MOST_TEXT = 500
Node = tuple[Any, ...]


# -- what users write -------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Declared:
    """A value with a meaning of its own in a rule: a native function, ``meta("gtid")``, ``sql("…")``."""

    kind: str
    name: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<{self.name or self.kind}>"


secret = Declared("secret")                  # as a default in File(options=…): the job must give it, only native functions see it


def native(name: str, **arguments: object) -> Declared:
    """A native function for ``columns``: ``native("mask.email")``, ``native("hash.sha256", salt="pepper")``."""
    return Declared("native", name, arguments)


def meta(name: str) -> Declared:
    """A field of the event for ``columns``: ``meta("gtid")``."""
    return Declared("handle", "meta", {"name": name})


def sql(expression: str, dialect: Literal["mysql", "oms"] = "mysql") -> Declared:
    """A column's value in SQL over the row that the function leaves."""
    return Declared("handle", "sql", {"1": expression, "dialect": dialect})


def where(condition: str, dialect: Literal["mysql", "oms"] = "mysql") -> Mapping[str, str]:
    """A row filter of another dialect."""
    return {"1": condition, "dialect": dialect}


def column(type: str, *, value: object = ..., null: bool | None = None) -> Mapping[str, Any]:
    """A new column: its SQL type, and a template or ``meta`` or ``sql`` that gives its value; else the function does."""
    out: dict[str, Any] = {"1": type}
    if value is not ...:
        out["value"] = value
    return out if null is None else {**out, "null": null}


def line(template: str) -> Declared:
    """For ``serialize``: a message made by a template."""
    return Declared("handle", "line", {"text": template})


row_json = Declared("handle", "json")        # for `serialize`: the row as one JSON object


class Rule:
    """A function with what the engine is to know about it. Calling it calls the function."""

    def __init__(self, function: Callable[..., Any], pattern: str, entry: Mapping[str, Any], pure: bool, rows: bool) -> None:
        self.function = function
        self.pattern = pattern
        self.entry = entry
        self.pure = pure
        self.rows = rows
        self.name = getattr(function, "__name__", "rule")
        self.__wrapped__ = function
        self.__doc__ = function.__doc__
        self.takes_options = rows and len(inspect.signature(function).parameters) > 1

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments)

    @property
    def place(self) -> str:
        code = getattr(self.function, "__code__", None)
        return f"{shown(code.co_filename)}:{code.co_firstlineno}" if code is not None else self.name

    def __repr__(self) -> str:
        words = [f"{key}={value!r}" for key, value in self.entry.items()] + ["pure"] * self.pure + ["rows"] * self.rows
        return f"<rule {self.name} for {self.pattern}{': ' if words else ''}{', '.join(words)}>"


def rule(*, tables: str | Sequence[str], to: str | None = None, key: Sequence[str] | None = None,
         columns: Mapping[str, Any] | None = None, ops: Sequence[str] | None = None, where: str | Mapping[str, str] | None = None,
         deletes: str | Mapping[str, Any] | None = None, topic: str | None = None, partition_by: Sequence[str] | None = None,
         headers: Mapping[str, str] | None = None, serialize: str | Declared | None = None, pure: bool = False,
         rows: bool = False) -> Callable[[Callable[..., Any]], Rule]:
    """Makes a rule of a function over :class:`Images` of one table; ``rows=True``: over one row at a time, a dict, with
    False to drop it. The keywords mean what they mean in a Lua entry and stay native. ``pure``: the function gives the
    same for the same image, whenever and how often it is called."""
    given = {"to": to, "key": key, "columns": columns, "ops": ops, "where": where, "deletes": deletes, "topic": topic,
             "partition_by": partition_by, "headers": headers, "serialize": serialize}
    entry = {name: value for name, value in given.items() if value is not None}
    pattern = tables if isinstance(tables, str) else " ".join(tables)

    def decorate(function: Callable[..., Any]) -> Rule:
        if not callable(function):
            raise TypeError("@tailrace.rule(…) stands above a function")
        return Rule(function, pattern, entry, pure, rows)

    return decorate


@dataclass(frozen=True)
class File:
    """What a rule file says beside its functions; at most one per file: ``shop = rules.File(options={"region": "eu"})``.
    ``tables`` takes entries without a function, False drops a table."""

    options: Mapping[str, Any] = field(default_factory=dict)
    default: Literal["keep", "drop", "stop"] | None = None
    tables: Mapping[str, Any] = field(default_factory=dict)
    ddl: Mapping[str, Any] | None = None


RulesLike = str | os.PathLike[str] | Rule | Sequence[Rule | File] | Sequence[str | os.PathLike[str] | Rule]


# -- rules as values ---------------------------------------------------------------------------------------------------
_given: dict[str, tuple[Rule | File, ...]] = {}   # functions of this process that jobs and streams were given, by name


def file_of(rules: object) -> str | None:
    """The name under which the engine finds rules that are functions: ``rules=users`` or ``rules=[users, orders]``."""
    parts = tuple(rules) if isinstance(rules, list | tuple) else (rules,)
    if not parts or not all(isinstance(part, Rule | File) for part in parts):
        return None
    names = [part.name for part in parts if isinstance(part, Rule)]
    name = PREFIX + (",".join(names) or "rules")
    _given[name] = parts
    return name


def links_of(rules: object) -> list[str] | None:
    """The names of a list with files in it: each takes what the one before it gave. None: it is no such list."""
    if not isinstance(rules, list | tuple):
        return None
    if not rules:
        raise errors.make("CFG-0003", "rules: the list is empty; leave it out for no rules")
    names = []
    for part in rules:
        name = file_of(part) if isinstance(part, Rule) else os.fspath(part) if isinstance(part, str | os.PathLike) else None
        if name is None or not name or "\n" in name:
            raise errors.make("CFG-0003", f"rules: a list of files expected, one of them is {part!r}")
        names.append(name)
    return names


def name_of(rules: object) -> str:
    """A path, functions, or a list with paths in it, as the engine takes them."""
    functions = file_of(rules)
    if functions is not None:
        return functions
    links = links_of(rules)
    return "\n".join(links) if links is not None else str(rules)


def files_of(rules: object) -> list[Path]:
    """The rule files of what name_of() gives."""
    return [Path(name) for name in name_of(rules).split("\n")]


# -- what the engine asks ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Loaded:
    text: str
    functions: list[Rule]
    node: Node


def load(file: str, stored: str | None) -> Loaded:
    """The rules of a file. ``stored``: its text as a job kept it."""
    if file.startswith(PREFIX):
        parts, text = _process_rules(file, stored)
    else:
        text = Path(file).read_text(encoding="utf-8") if stored is None else stored
        parts = tuple(value for value in vars(_execute(file, text)).values() if isinstance(value, Rule | File))
    functions: list[Rule] = []
    settings = File()
    for part in {id(part): part for part in parts}.values():
        if isinstance(part, Rule):
            functions.append(part)
        elif settings != File():
            raise errors.make("RULE-0101", f"{file}: two rules.File(…); a file has one")
        else:
            settings = part
    if not functions and settings == File():
        raise errors.make("RULE-0101", f"{file}: no function with @tailrace.rule(tables=…) is in it")
    if any(not one.rows for one in functions):
        need_pyarrow()
    return Loaded(text, functions, _file_node(file, functions, settings))


def _process_rules(file: str, stored: str | None) -> tuple[tuple[Rule | File, ...], str]:
    parts = _given.get(file, ())
    text = "\n".join(_source(part) for part in parts)
    if not parts or (stored is not None and stored != text):
        raise errors.make("RULE-0101", f"{file}: these rules were functions of a Python process and are not here any more; give them again, "
                          "or put them into a file")
    return parts, text


def _source(part: Rule | File) -> str:
    if isinstance(part, File):
        return repr(part)
    try:
        return inspect.getsource(part.function)
    except (OSError, TypeError):
        code = getattr(part.function, "__code__", None)
        return f"{part!r} {code.co_code.hex() if code is not None else ''}"


def _execute(file: str, text: str) -> types.ModuleType:
    """Runs the file as a module of its own; what lies beside it can be imported."""
    module = types.ModuleType("tailrace_rules_" + re.sub(r"\W", "_", Path(file).stem))
    module.__file__ = file
    folder = str(Path(file).resolve().parent)
    sys.modules[module.__name__] = module
    sys.path.insert(0, folder)
    try:
        exec(compile(text, file, "exec"), module.__dict__)
    finally:
        sys.path.remove(folder)
    return module


def _file_node(file: str, functions: Sequence[Rule], settings: File) -> Node:
    tables: dict[str, Node] = {pattern: _node(entry, f'{file}: tables["{pattern}"]') for pattern, entry in settings.tables.items()}
    for number, one in enumerate(functions):
        if one.pattern in tables:
            raise errors.make("RULE-0101", f"{one.place}: {one.name}: another rule has the same tables=\"{one.pattern}\"")
        kind, fields = _node(one.entry, f"{one.place}: {one.name}")
        tables[one.pattern] = (kind, [*fields, ("map", ("function", number))])
    fields = [("api", ("number", 1.0)), ("tables", ("table", list(tables.items())))]
    for name in ("options", "default", "ddl"):
        value = getattr(settings, name)
        if value:
            fields.append((name, _node(value, f"{file}: {name}")))
    return "table", fields


def _node(value: object, place: str) -> Node:
    """A declaration as the engine reads it."""
    if value is None:
        return ("null",)
    if isinstance(value, bool):
        return "bool", value
    if isinstance(value, int | float):
        return "number", float(value)
    if isinstance(value, str):
        return "text", value
    if isinstance(value, Declared):
        if value.kind == "secret":
            return ("secret",)
        return value.kind, value.name, [(name, _node(one, f"{place}.{name}")) for name, one in value.arguments.items()]
    if isinstance(value, Mapping):
        return "table", [(str(name), _node(one, f"{place}.{name}")) for name, one in value.items()]
    if isinstance(value, list | tuple):
        return "table", [(str(number), _node(one, f"{place}[{number}]")) for number, one in enumerate(value, 1)]
    raise errors.make("RULE-0101", f"{place}: {type(value).__name__} cannot be declared; in Python rules the decorated function is the "
                      "only one")


def call(one: Rule, core: _core.Images, options: Mapping[str, Any]) -> tuple[Any, Any]:
    """Runs a rule over images: places of those that stay (None: all), and (column, places, values, file:line)."""
    return _call_rows(one, core, options) if one.rows else _call_batch(one, core, options).answer()


def describe(one: Rule, core: _core.Images, options: Mapping[str, Any]) -> tuple[list[tuple[str, str]], str]:
    """Columns that a rule adds, by a call without rows; or why that call failed."""
    if one.rows:
        return [], ""
    try:
        return _call_batch(one, core, options).typed(), ""
    except errors.RuleError as error:
        if error.code == "RULE-0103":
            raise
        return [], failure(error, "")[1]
    except Exception as error:
        return [], failure(error, "")[1]


def _call_batch(one: Rule, core: _core.Images, options: Mapping[str, Any]) -> Images:
    made = one.function(Images(core, options))
    if not isinstance(made, Images) or made._core is not core:
        what = "None" if made is None else "another batch" if isinstance(made, Images) else f"a {type(made).__name__}"
        raise errors.make("RULE-0103", f"{one.place}: {one.name}() returned {what}: return the batch it was given, or what filter() and "
                          "set() made of it")
    return made


def _call_rows(one: Rule, core: _core.Images, options: Mapping[str, Any]) -> tuple[Any, Any]:
    kept: list[int] = []
    sets: dict[str, tuple[list[int], list[object]]] = {}
    for at, given in enumerate(core.dicts()):
        row = dict(given)
        said = one.function(row, options) if one.takes_options else one.function(row)
        if said is False:
            continue
        if isinstance(said, dict):
            row = said
        elif said is not None and said is not True:
            raise errors.make("RULE-0103", f"{one.place}: {one.name}() returned a {type(said).__name__}: return the row, True, False or nothing")
        lost = [name for name in given if name not in row]
        if lost:
            raise errors.make("RULE-0103", f"{one.place}: {one.name}() took `{lost[0]}` out of the row: set it to None, or drop the column with "
                              f'columns={{"{lost[0]}": False}}')
        kept.append(at)
        for name, value in row.items():
            if name in given and value is given[name]:
                continue
            places, values = sets.setdefault(str(name), ([], []))
            places.append(at)
            values.append(plain(value))
    return kept, [(name, places, values, one.place) for name, (places, values) in sets.items()]


def capture(text: str, pattern: str) -> str | None:
    """``{table:pattern}`` in a template of a Python rule is a regular expression: its first group, else all it matched."""
    found = re.search(pattern, text)
    return None if found is None else str(found[1] if found.re.groups else found[0])


def _frames(error: BaseException) -> Iterator[tuple[str, int]]:
    for frame, number in traceback.walk_tb(error.__traceback__):
        yield frame.f_code.co_filename, number


def failure(error: BaseException, file: str) -> tuple[str, str]:
    """Code and text of a failed rule, the line of the rule in front."""
    if isinstance(error, SyntaxError):
        return "RULE-0101", f"{shown(error.filename or file)}:{error.lineno}: {error.msg}"
    # The rule's own file if it is among the frames, else the innermost that is neither ours nor a library's.
    frames = [(name, number) for name, number in _frames(error) if not name.startswith((_HERE, "<frozen")) and not name.endswith((".pyx", ".pxi"))]
    own = [one for one in frames if one[0] == file] or [one for one in frames if "site-packages" not in one[0]] or frames
    place = f"{shown(own[-1][0])}:{own[-1][1]}: " if own else ""
    if isinstance(error, errors.TailraceError):
        text = error.detail or error.message
        code = error.code if isinstance(error, errors.RuleError) else "RULE-0102"
        return code, (text if re.match(r"\S+:\d+: ", text) else place + text)
    if isinstance(error, OSError) and not own:
        return "RULE-0101", f"{error.filename}: {error.strerror}"
    text = f"{type(error).__name__}: {error}"
    return "RULE-0102", place + (text if len(text) <= _MOST_TEXT else text[:_MOST_TEXT] + "…")
