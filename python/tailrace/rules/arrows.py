"""Arrows of case files: what a statement is expected to give, and what it gave."""
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_NAME = r"(?:[A-Za-z_$][\w$]*|`(?:[^`]|``)*`)"
_LITERAL = r"(?:NULL|ABSENT|[xX]'[0-9a-fA-F]*'|'(?:[^'\\]|''|\\.)*'|[-+]?[0-9.][0-9.eE+-]*)"
_HEAD = re.compile(rf"(insert|update|delete|read|truncate)\s+({_NAME}\.{_NAME})\s*", re.S)
_CELL = re.compile(rf"\s*({_NAME})\s*=\s*({_LITERAL})\s*", re.S)
_FIELD = re.compile(rf"\s*(topic|partition_key|key|value|header\.{_NAME})\s*=\s*({_LITERAL})\s*", re.S)
_ERROR = re.compile(r"error\s+([A-Z]+-\d{4})\s*(.*)", re.S)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "b": "\b", "Z": "\x1a"}
FORMS = ("insert|update|delete|read TABLE (column=literal, …), truncate TABLE, record topic='…' key='…' value='…', "
         "ddl STATEMENT, nothing, or error CODE words")


@dataclass(frozen=True)
class Arrow:
    """One arrow, in parts. ``is_partial``: it ended in ``...``, other columns are not compared."""

    kind: str                                # insert … truncate, record, ddl, error, nothing
    table: str = ""
    cells: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    words: tuple[str, ...] = ()              # error: code and texts its message has
    is_partial: bool = False

    def accepts(self, got: Arrow) -> bool:
        """Whether ``got``, which is complete, is what this one expects."""
        if (self.kind, self.table, self.words) != (got.kind, got.table, got.words) or self.fields != got.fields:
            return False
        if not self.is_partial:
            return self.cells == got.cells
        return all(got.cells.get(name) == literal for name, literal in self.cells.items())


def _unquoted(name: str) -> str:
    return name[1:-1].replace("``", "`") if name.startswith("`") else name


def _canonical(literal: str) -> str:
    """One spelling of a literal: a quoted text without its escapes, anything else as it is."""
    if literal.startswith("'"):
        return "'" + re.sub(r"''|\\(.)", lambda m: _ESCAPES.get(m[1], m[1]) if m[1] else "'", literal[1:-1], flags=re.S)
    return literal.lower() if literal[0] in "xX" else literal


def _cells(text: str, at: int) -> tuple[dict[str, str], bool, int]:
    cells: dict[str, str] = {}
    at += 1
    while True:
        rest = text[at:].lstrip()
        at = len(text) - len(rest)
        dots = next((word for word in ("...", "…") if rest.startswith(word)), "")
        if dots:
            after = rest[len(dots):].lstrip()
            if not after.startswith(")"):
                raise ValueError("`)` expected behind `...`")
            return cells, True, len(text) - len(after) + 1
        cell = _CELL.match(text, at)
        if cell is None:
            raise ValueError(f"column=literal expected at `{text[at:at + 30]}`")
        name = _unquoted(cell[1])
        if name in cells:
            raise ValueError(f"column `{name}` twice")
        cells[name] = _canonical(cell[2])
        at = cell.end()
        if text[at:at + 1] == ")":
            return cells, False, at + 1
        if text[at:at + 1] != ",":
            raise ValueError(f"`,` or `)` expected at `{text[at:at + 30]}`")
        at += 1


def _fields(text: str, at: int) -> dict[str, str]:
    fields: dict[str, str] = {}
    while at < len(text):
        found = _FIELD.match(text, at)
        if found is None:
            raise ValueError(f"topic=, partition_key=, key=, value= or header.NAME= expected at `{text[at:at + 30]}`")
        fields[found[1]] = _canonical(found[2])
        at = found.end()
    return fields


def parse(text: str) -> Arrow:
    """Raises ValueError with what is wrong."""
    text = text.strip()
    if text == "nothing":
        return Arrow("nothing")
    error = _ERROR.fullmatch(text)
    if error is not None:
        return Arrow("error", words=(error[1], *error[2].split()))
    word, _, rest = text.partition(" ")
    if word == "ddl":
        return Arrow("ddl", words=(" ".join(rest.split()),))
    if word == "record":
        return Arrow("record", fields=_fields(text, len(word)))
    head = _HEAD.match(text)
    if head is None:
        raise ValueError(f"an arrow is {FORMS}")
    table = ".".join(_unquoted(part) for part in re.findall(_NAME, head[2]))
    cells: dict[str, str] = {}
    is_partial, at = False, head.end()
    if text[at:at + 1] == "(":
        cells, is_partial, at = _cells(text, at)
    return Arrow(head[1], table, cells, _fields(text, at), is_partial=is_partial)
