"""Reading a job file by SQL."""
from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tailrace import _core

Cell = None | int | float | str | bytes


class Table:
    """The result of a query: rows in Python, and Arrow for everybody who reads it."""

    def __init__(self, core: _core.Table) -> None:
        self._core = core
        self._rows: list[tuple[Cell, ...]] | None = None

    @property
    def columns(self) -> list[str]:
        return self._core.columns

    @property
    def rows(self) -> list[tuple[Cell, ...]]:
        if self._rows is None:
            self._rows = self._core.rows()
        return self._rows

    @property
    def truncated(self) -> bool:
        """The query had more rows than were asked for."""
        return self._core.truncated

    def to_dicts(self) -> list[dict[str, Cell]]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def to_polars(self) -> Any:
        import polars

        return polars.DataFrame(self)

    def to_arrow(self) -> Any:
        import pyarrow

        return pyarrow.table(self)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._core.__arrow_c_stream__(requested_schema)

    def __len__(self) -> int:
        return len(self._core)

    def __iter__(self) -> Iterator[tuple[Cell, ...]]:
        return iter(self.rows)

    def __repr__(self) -> str:
        return f"<Table {len(self)} rows: {', '.join(self.columns)}>"

    def __str__(self) -> str:
        lines = [self.columns, *([_text(cell) for cell in row] for row in self.rows)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
                         for line in lines)

    def _repr_html_(self) -> str:
        def line(tag: str, cells: Sequence[str]) -> str:
            return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

        shown = [line("td", [_text(cell) for cell in row]) for row in self.rows[:100]]
        more = f"<p>{len(self) - 100} more rows</p>" if len(self) > 100 else ""
        return f"<table>{line('th', self.columns)}{''.join(shown)}</table>{more}"


def _text(cell: Cell) -> str:
    return "NULL" if cell is None else "x'" + cell.hex() + "'" if isinstance(cell, bytes) else str(cell)


class MetaDB:
    """A job file, read-only. Its ``v1_…`` views are contract, the tables behind them are not."""

    def __init__(self, path: Path, owned: Callable[[], _core.Job | None] = lambda: None) -> None:
        self._path = path
        self._owned = owned

    def sql(self, query: str, params: Sequence[Cell] = (), /, *, max_rows: int = 1_000_000) -> Table:
        """The result of one reading statement."""
        reader = self._owned() or _core.JobFile(str(self._path))
        return Table(reader.query(query, tuple(params), max_rows))

    @property
    def views(self) -> list[str]:
        rows = self.sql("SELECT name FROM sqlite_schema WHERE type = 'view' ORDER BY name").rows
        return [str(row[0]) for row in rows]

    def __repr__(self) -> str:
        return f"<MetaDB {self._path}>"
