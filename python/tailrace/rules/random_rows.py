"""Rows at random for property tests, as a strategy of hypothesis."""
from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tailrace import _core

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

_LONGEST = 200


def python_value(literal: str, type_name: str) -> Any:
    """A literal of case files as the value a test writes."""
    if literal.startswith("'"):
        return re.sub(r"''|\\(.)", lambda found: found[1] or "'", literal[1:-1])
    if literal.startswith("x'"):
        return bytes.fromhex(literal[2:-1])
    if type_name == "decimal":
        return Decimal(literal)
    if type_name == "float":
        return struct.unpack("f", struct.pack("f", float(literal)))[0]   # as the column holds it
    return float(literal) if type_name == "double" else int(literal)


def column_values(column: Mapping[str, Any], is_key: bool) -> SearchStrategy[Any]:
    """NULL where it may stand, the edges of the type, and anything between."""
    from hypothesis import strategies as st

    word = re.match(r"\w+", column["type"])
    name = word[0] if word else ""
    edges = [python_value(literal, name) for literal in [*column["edges"], column["plain"]]]
    numbers = [int(size) for size in re.findall(r"\d+", column["type"].partition("(")[2].partition(")")[0])] if name not in ("enum", "set") else []
    between: SearchStrategy[Any] | None = None
    if name in ("tinyint", "smallint", "mediumint", "int", "bigint", "bit"):
        between = st.integers(min(edges), max(edges))
    elif name == "decimal":
        between = st.decimals(min(edges), max(edges), places=numbers[1] if len(numbers) > 1 else 0)
    elif name in ("float", "double"):
        between = st.floats(allow_nan=False, allow_infinity=False, width=32 if name == "float" else 64)
    elif name in ("char", "varchar", "text", "tinytext", "mediumtext", "longtext"):
        most = min(numbers[0], _LONGEST) if numbers else 60
        between = st.text(st.characters(codec="utf-8"), max_size=most)
        between = between.map(lambda text: text.rstrip(" ")) if name == "char" else between
    elif name in ("varbinary", "blob", "tinyblob", "mediumblob", "longblob"):
        between = st.binary(max_size=min(numbers[0], _LONGEST) if numbers else 60)
    elif name == "date":
        between = st.dates().map(lambda day: day.isoformat())
    choices = [st.sampled_from(edges)] if edges else []
    if between is not None:
        choices.append(between)
    if column["nullable"] and not is_key:
        choices.append(st.none())
    return st.one_of(choices)


def rows(ddl: str) -> SearchStrategy[dict[str, Any]]:
    """Rows of the table of a CREATE TABLE: a dict per row, of every type its edge values, NULL, and values at random."""
    import tempfile

    from hypothesis import strategies as st

    with tempfile.NamedTemporaryFile("w", suffix=".lua") as none:
        none.write("return { api = 1, tables = {} }")
        none.flush()
        session = _core.RuleSession(file=none.name, options={}, script="rows", trusted=True)
    session.run(ddl.strip().rstrip(";"), 1)
    (table,) = session.tables()
    return st.fixed_dictionaries({column["name"]: column_values(column, column["name"] in table["key"]) for column in table["columns"]})
