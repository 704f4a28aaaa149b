"""Progress for people: a live table in a terminal, HTML in a notebook, a line now and then elsewhere."""
from __future__ import annotations

import html
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Literal, Protocol

from tailrace import errors
from tailrace.status import Status, human, human_lag, human_rate, summary

if TYPE_CHECKING:
    from tailrace.migration import Migration

ProgressMode = Literal["auto", "bar", "lines", "none"]
_LINE_EVERY_S = 10.0


class Display(Protocol):
    def update(self, status: Status) -> None: ...
    def tell(self, text: str) -> None: ...
    def close(self) -> None: ...


class NoDisplay:
    """Only what must be told."""

    def update(self, status: Status) -> None:
        pass

    def tell(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        pass


class LineDisplay(NoDisplay):
    """One line per 10 s, and one whenever state or phase change."""

    def __init__(self) -> None:
        self._last = -_LINE_EVERY_S
        self._shown = ("", "")

    def update(self, status: Status) -> None:
        now = time.monotonic()
        if now - self._last < _LINE_EVERY_S and (status.state, status.phase) == self._shown:
            return
        self._last, self._shown = now, (status.state, status.phase)
        print(f"{status.as_of:%H:%M:%S}Z  {summary(status)}", file=sys.stderr, flush=True)


class BarDisplay:
    """A table that repaints itself on stderr."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=False)
        self._live.start()

    def update(self, status: Status) -> None:
        self._live.update(render(status), refresh=True)

    def tell(self, text: str) -> None:
        self._live.console.print(text, markup=False, highlight=False)

    def close(self) -> None:
        self._live.stop()


class NotebookDisplay:
    """One output of the cell that asked for it, updated by its display id."""

    def __init__(self) -> None:
        from IPython.display import HTML, display

        self._html: Any = HTML
        self._handle: Any = display(HTML(""), display_id=True)  # type: ignore[no-untyped-call]

    def update(self, status: Status) -> None:
        self._handle.update(self._html(status_html(status)))

    def tell(self, text: str) -> None:
        pass  # the picture shows the error

    def close(self) -> None:
        pass


def in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


def make_display(mode: ProgressMode) -> Display:
    if mode == "none":
        return NoDisplay()
    if mode == "auto":
        mode = "bar" if sys.stderr.isatty() else "lines"
    return BarDisplay() if mode == "bar" else LineDisplay()


class LiveView:
    """Shows a job until it ends. Made by Migration.watch()."""

    def __init__(self, migration: Migration, every_s: float) -> None:
        self._migration = migration
        self._every_s = max(0.1, every_s)
        self._stopping = threading.Event()
        self._display: Display = NotebookDisplay() if in_notebook() else make_display("auto")
        self._thread = threading.Thread(target=self._run, name="tailrace-watch", daemon=True)

    def start(self) -> LiveView:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stopping.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(2.0)

    def _run(self) -> None:
        try:
            while True:
                try:
                    status = self._migration.status
                except errors.TailraceError:
                    return
                self._display.update(status)
                if self._stopping.is_set() or not (status.owner and status.state not in ("done", "failed", "stopped")):
                    return
                self._stopping.wait(self._every_s)
        finally:
            self._display.close()


def percent_of(done: int, total: int) -> int | None:
    return None if total <= 0 else min(100, 100 * done // total)


def table_rows(status: Status) -> list[tuple[str, str, str, str]]:
    """Per table: name, state with percent, rows copied, changes."""
    rows = []
    for name, table in sorted(status.tables.items()):
        percent = 100 if table.state == "copied" else percent_of(table.rows_read, table.rows_total)
        state = {"": "stream", "copied": "✓ copied"}.get(table.state, table.state)
        if table.state == "copying" and percent is not None:
            state += f" {min(percent, 99)} %"
        changes = table.inserts + table.updates + table.deletes
        rows.append((name, state, human(table.rows_read) if table.rows_read else "", human(changes) if changes else ""))
    return rows


def render(status: Status) -> Any:
    """What rich shows."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    head = Text()
    head.append(status.name, style="bold")
    state = f"  {status.state}" + (f" · {status.phase}" if status.is_running and status.phase else "")
    head.append(state, style="red" if status.error else "green" if status.is_running else "yellow")
    head.append(f"   {human(status.rows_durable)} rows delivered   {human_rate(status.rate)}   lag {human_lag(status.lag_s)}")
    if status.eta_s is not None:
        head.append(f"   ETA {status.eta_s:.0f} s")
    if status.dropped_by_rules:
        head.append(f"   {human(status.dropped_by_rules)} dropped by rules")
    parts: list[Any] = [head]
    copied = sum(table.rows_read for table in status.tables.values())
    if status.phase == "snapshot" and status.rows_total:
        parts.append(ProgressBar(total=max(status.rows_total, copied), completed=copied, width=60))
    shown = table_rows(status)
    if shown:
        grid = Table(box=None, pad_edge=False, header_style="dim")
        for title in ("table", "state", "copied", "changes"):
            grid.add_column(title, justify="left" if title in ("table", "state") else "right")
        for row in shown[:20]:
            grid.add_row(*(Text(cell) for cell in row))
        if len(shown) > 20:
            grid.add_row(f"… {len(shown) - 20} more")
        parts.append(grid)
    if status.checkpoint is not None:
        parts.append(Text(f"checkpoint {status.checkpoint.text}", style="dim"))
    if status.error is not None:
        parts.append(Text(str(status.error), style="red"))
    return Group(*parts)


def status_html(status: Status) -> str:
    """The same as static HTML."""
    percent = None
    if status.phase == "snapshot":
        percent = percent_of(sum(table.rows_read for table in status.tables.values()), status.rows_total)
    bar = ""
    if percent is not None:
        bar = (f'<div style="background:#ddd;width:30em;height:.6em"><div style="background:#3a7;width:{percent}%;'
               'height:100%"></div></div>')
    lines = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
                    for row in table_rows(status)[:50])
    tables = f"<table><tr><th>table</th><th>state</th><th>copied</th><th>changes</th></tr>{lines}</table>" if lines else ""
    place = f"<div><small>checkpoint {html.escape(status.checkpoint.text)}</small></div>" if status.checkpoint else ""
    at = f"<div><small>as of {status.as_of:%H:%M:%S} UTC</small></div>"
    return f"<div><b>{html.escape(summary(status))}</b>{bar}{tables}{place}{at}</div>"
