"""What a rule in Python sees of a table: row images by column, as Arrow."""
from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from types import FrameType
from typing import Any, NamedTuple

from tailrace import _core, errors

_SHOWN_ROWS = 20


def need_pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError:
        raise errors.make("RULE-0101", "rules by batch need pyarrow (pip install pyarrow); rules with rows=True do without") from None
    return pyarrow


class Column:
    """Values of one column, one per image. Comparisons give a mask for :meth:`Images.filter`, in SQL's logic: a comparison
    with NULL is NULL, and a filter takes only what is true. ``&``, ``|`` and ``~`` join masks."""

    __slots__ = ("_array", "_key")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, array: Any, key: object = None) -> None:
        self._array = array
        self._key = key                      # (the images it comes from, its name) when nothing was done to it

    def to_arrow(self) -> Any:
        """A pyarrow Array."""
        return self._array

    def to_pylist(self) -> list[Any]:
        return list(self._array.to_pylist())

    def to_polars(self) -> Any:
        import polars

        return polars.Series(self._array)

    def is_null(self) -> Column:
        return self._call("is_null")

    def is_in(self, values: Sequence[object]) -> Column:
        """NULL is in no list."""
        pa = need_pyarrow()
        import pyarrow.compute as pc

        found = pc.is_in(self._array, value_set=pa.array([value for value in values if value is not None], self._array.type))
        return Column(pc.if_else(pc.is_null(self._array), pa.scalar(None, pa.bool_()), found))

    def __arrow_array__(self, type: Any = None) -> Any:
        return self._array if type is None else self._array.cast(type)

    def __arrow_c_array__(self, requested_schema: object = None) -> Any:
        return self._array.__arrow_c_array__(requested_schema)

    def __len__(self) -> int:
        return len(self._array)

    def __repr__(self) -> str:
        return f"<Column {self._array.type} {self._array.slice(0, 10).to_pylist()!r}{' …' if len(self) > 10 else ''}>"

    def __bool__(self) -> bool:
        raise TypeError("a column is neither true nor false: join masks with & | ~ and give them to batch.filter()")

    def _call(self, function: str, *others: object) -> Column:
        import pyarrow.compute as pc

        array, operands = self._array, [self._operand(other) for other in others]
        pa = need_pyarrow()
        if pa.types.is_uint64(array.type) and any(pa.types.is_int64(other.type) for other in operands):
            wide = pa.decimal128(20, 0)      # Arrow itself would go by int64, which cannot hold every uint64
            array, operands = array.cast(wide), [other.cast(wide) for other in operands]
        return Column(getattr(pc, function)(array, *operands))

    def _operand(self, other: object) -> Any:
        pa = need_pyarrow()
        if isinstance(other, Column):
            return other._array
        if isinstance(other, float) and pa.types.is_decimal(self._array.type):
            raise TypeError(f"{other!r} is not exact beside a decimal: write Decimal(\"{other}\")")
        if other is None or not isinstance(other, str | bytes | bool | int | float | Decimal | date | time | timedelta):
            return pa.scalar(None, self._array.type) if other is None else arrow_of(other)
        if isinstance(other, str) and pa.types.is_temporal(self._array.type):
            return pa.scalar(other).cast(self._array.type)
        if isinstance(other, int) and not isinstance(other, bool) and pa.types.is_integer(self._array.type):
            try:
                return pa.scalar(other, self._array.type)
            except (OverflowError, pa.ArrowInvalid):
                return pa.scalar(other)
        return pa.scalar(other)

    def __eq__(self, other: object) -> Column:  # type: ignore[override]
        return self._call("equal", other)

    def __ne__(self, other: object) -> Column:  # type: ignore[override]
        return self._call("not_equal", other)

    def __lt__(self, other: object) -> Column:
        return self._call("less", other)

    def __le__(self, other: object) -> Column:
        return self._call("less_equal", other)

    def __gt__(self, other: object) -> Column:
        return self._call("greater", other)

    def __ge__(self, other: object) -> Column:
        return self._call("greater_equal", other)

    def __and__(self, other: Column) -> Column:
        return self._call("and_kleene", other)

    def __or__(self, other: Column) -> Column:
        return self._call("or_kleene", other)

    def __invert__(self) -> Column:
        return self._call("invert")

    def __add__(self, other: object) -> Column:
        return self._call("add_checked", other)

    def __sub__(self, other: object) -> Column:
        return self._call("subtract_checked", other)

    def __mul__(self, other: object) -> Column:
        return self._call("multiply_checked", other)


def arrow_of(values: Any) -> Any:
    """One Arrow array of a Column, an Arrow array, a series of polars or pandas, an array of numpy, or a list."""
    pa = need_pyarrow()
    if isinstance(values, Column):
        return values.to_arrow()
    if isinstance(values, pa.Array):
        made = values
    elif isinstance(values, pa.ChunkedArray):
        made = values.combine_chunks()
    elif hasattr(values, "__arrow_c_array__"):
        made = pa.array(values)
    elif hasattr(values, "__arrow_c_stream__"):
        made = pa.chunked_array(values).combine_chunks()
    else:
        made = pa.array(values)
    return made.dictionary_decode() if pa.types.is_dictionary(made.type) else made


def _time_text(value: timedelta) -> str:
    micros = value // timedelta(microseconds=1)
    sign, micros = ("-" if micros < 0 else ""), abs(micros)
    seconds, fraction = divmod(micros, 1_000_000)
    text = f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{text}.{fraction:06d}" if fraction else text


def plain(value: object) -> object:
    """As the engine takes it: times become the text a server prints, those with a zone in UTC."""
    if isinstance(value, datetime):
        moment = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo is not None else value
        return moment.isoformat(" ")
    if isinstance(value, date | time):
        return value.isoformat()
    return _time_text(value) if isinstance(value, timedelta) else value


def _list_of(values: Any) -> list[object]:
    pa = need_pyarrow()
    if not isinstance(values, pa.Array):
        return [plain(value) for value in values]
    kind = values.type
    if pa.types.is_timestamp(kind):
        # By the number: a zone's name would need a table of zones.
        start = datetime(1970, 1, 1)
        micros = values.cast(pa.timestamp("us", kind.tz)).cast(pa.int64()).to_pylist()
        return [None if one is None else (start + timedelta(microseconds=one)).isoformat(" ") for one in micros]
    if pa.types.is_duration(kind):
        micros = values.cast(pa.duration("us")).cast(pa.int64()).to_pylist()
        return [None if one is None else _time_text(timedelta(microseconds=one)) for one in micros]
    found = values.to_pylist()
    return [plain(value) for value in found] if pa.types.is_temporal(kind) else found


class _Set(NamedTuple):
    values: Any                              # an Arrow array or a list, one per image that is left
    type: str
    place: str                               # file:line of the rule


def place_of(frame: FrameType) -> str:
    name = frame.f_code.co_filename
    return f"{shown(name)}:{frame.f_lineno}"


def shown(file: str) -> str:
    return file if len(file) <= 50 else file.rpartition("/")[2]


class Images:
    """Row images of one table in one version: the rows before and after an update, deleted and new rows, one below the
    other. ``filter`` and ``set`` give new ones; a rule returns what is to stay. From what becomes of the two images of an
    event the engine derives the operation, as with ``map`` in Lua. Columns that are not set keep their cells."""

    __slots__ = ("_core", "_options", "_rows", "_sets")

    def __init__(self, core: _core.Images, options: Mapping[str, Any], rows: list[int] | None = None,
                 sets: Mapping[str, _Set] | None = None) -> None:
        self._core = core
        self._options = options
        self._rows = rows                    # places of those that are left; None = all
        self._sets = dict(sets or {})

    @property
    def table(self) -> str:
        """Of the source, ``database.table``."""
        return self._core.table

    @property
    def columns(self) -> list[str]:
        known = self._core.columns
        return known + [name for name in self._sets if name not in known]

    @property
    def options(self) -> Mapping[str, Any]:
        """The rule file's options, those of the job among them; without secrets."""
        return self._options

    @property
    def which(self) -> Any:
        """``"before"`` or ``"after"``, per image, as Arrow."""
        return need_pyarrow().array(["after" if after else "before" for after in self._core.is_after(self._places())])

    def has(self, name: str) -> Column:
        """A mask: is the column in the image? It is not always, when ``binlog_row_image`` is not FULL."""
        return Column(need_pyarrow().array(self._core.has(name, self._places()), need_pyarrow().bool_()))

    def column(self, name: str) -> Any:
        """The values as an Arrow array, in the types of docs/python.md. A zero or partial date has no Arrow form and is
        null; see text()."""
        found = self._sets.get(name)
        if found is not None:
            return arrow_of(found.values)
        return self._read(name, False)

    def text(self, name: str) -> Any:
        """The canonical text of each value, as Arrow: zero dates and all digits intact."""
        return self._read(name, True)

    def __getitem__(self, name: str) -> Column:
        return Column(self.column(name), None if name in self._sets else (id(self._core), name, len(self)))

    def filter(self, mask: Any) -> Images:
        """The images for which the mask is true: a Column compared with something, or any array of booleans."""
        pa = need_pyarrow()
        array = arrow_of(mask)
        if not (pa.types.is_boolean(array.type) or pa.types.is_null(array.type)):
            raise TypeError(f"filter() takes a mask of booleans, got {array.type}: compare the column with something")
        self._check_length("filter()", array)
        kept = [at for at, takes in enumerate(array.to_pylist()) if takes]
        places = self._places()
        sets = {name: one._replace(values=one.values.take(pa.array(kept, pa.int64())) if isinstance(one.values, pa.Array)
                                   else [one.values[at] for at in kept]) for name, one in self._sets.items()}
        return Images(self._core, self._options, [places[at] for at in kept], sets)

    def set(self, name: str, values: Any, type: str = "") -> Images:
        """Gives a column these values, one per image, or one for all. ``type`` is the SQL type of a column that the table
        does not have; such columns can be declared in the decorator as well. A column set to itself is left alone."""
        if isinstance(values, Column) and values._key == (id(self._core), name, len(self)):
            return self
        if values is None or isinstance(values, str | bytes | bool | int | float | Decimal | date | time | timedelta):
            given: Any = [values] * len(self)
        elif isinstance(values, list | tuple):
            given = list(values)             # as they are: Arrow would look for one type of all
        else:
            given = arrow_of(values)
        self._check_length(f'set("{name}")', given)
        one = _Set(given, type, place_of(sys._getframe(1)))
        return Images(self._core, self._options, self._rows, {**self._sets, name: one})

    def to_arrow(self) -> Any:
        """A table: ``which``, then all columns."""
        names = self.columns
        return need_pyarrow().table([self.which, *(self.column(name) for name in names)], names=["which", *names])

    def to_polars(self) -> Any:
        import polars

        return polars.from_arrow(self.to_arrow())

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def __len__(self) -> int:
        return len(self._core) if self._rows is None else len(self._rows)

    def __repr__(self) -> str:
        return f"<Images {self.table}: {len(self)} images of {len(self.columns)} columns>"

    def _repr_html_(self) -> str:
        from html import escape

        names = self.columns
        table = self.to_arrow().slice(0, _SHOWN_ROWS).to_pylist()
        head = "".join(f"<th>{escape(name)}</th>" for name in ["which", *names])
        body = "".join("<tr>" + "".join(f"<td>{escape(str(row[name]))}</td>" for name in ["which", *names]) + "</tr>" for row in table)
        return f"<table><caption>{escape(repr(self)[1:-1])}</caption><tr>{head}</tr>{body}</table>"

    def _places(self) -> list[int]:
        return list(range(len(self._core))) if self._rows is None else self._rows

    def _read(self, name: str, as_text: bool) -> Any:
        found = self._core.arrow(name, self._places(), as_text)
        return need_pyarrow().table(_Stream(found)).column(0).combine_chunks()

    def _check_length(self, what: str, values: Any) -> None:
        if len(values) != len(self):
            raise ValueError(f"{what}: {len(values)} values for {len(self)} images")

    def answer(self) -> tuple[list[int] | None, list[tuple[str, list[int], list[object], str]]]:
        """For the engine: the images that stay, and what was set."""
        places = self._places()
        return self._rows, [(name, places, _list_of(one.values), one.place) for name, one in self._sets.items()]

    def typed(self) -> list[tuple[str, str]]:
        """For the engine: columns that were set with a type."""
        return [(name, one.type) for name, one in self._sets.items() if one.type]


class _Stream:
    """A capsule as an object that gives it."""

    def __init__(self, capsule: object) -> None:
        self._capsule = capsule

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._capsule
