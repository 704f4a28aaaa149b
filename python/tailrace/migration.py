"""Migration: one job, run in this process or watched in another."""
from __future__ import annotations

import atexit
import json
import os
import re
import socket
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from tailrace import _core, _logs, config, errors, rule_swap
from tailrace import status as status_module
from tailrace._waiting import SLICE_MS, SLICE_S, PendingCall, run_interruptibly
from tailrace.endpoint import Endpoint
from tailrace.metadb import MetaDB
from tailrace.rule_swap import RuleSwap
from tailrace.rules.check import placed
from tailrace.rules.profile import JobProfile, job_profile
from tailrace.rules.python import PREFIX, RulesLike, name_of
from tailrace.status import Duration, Position, Status, seconds

if TYPE_CHECKING:
    from tailrace.watch import LiveView

Until = str | Position | timedelta
Mode = Literal["drain", "abort"]
# After Ctrl-C the prompt is back within a second: drain for this long, then abort. The checkpoint holds either way.
_INTERRUPT_DRAIN_S = 0.6
_INTERRUPT_LIMIT_S = 0.9
_CLOSE_LIMIT_S = 15.0
_closing: dict[Path, PendingCall[None]] = {}
_live: weakref.WeakSet[Migration] = weakref.WeakSet()


class Migration(AbstractContextManager["Migration"]):
    """A job and its file. Thread-safe. The job file is owned from start() until the job has stopped or failed."""

    def __init__(self, job: str | os.PathLike[str], /, *, source: Endpoint, sink: Endpoint,
                 tables: Sequence[str] = ("*.*",), rules: RulesLike | Mapping[str, Any] | None = None,
                 phases: Sequence[str] = config.DEFAULT_PHASES, name: str | None = None, **options: object) -> None:
        path = Path(job)
        for role, endpoint in (("source", source), ("sink", sink)):
            if not isinstance(endpoint, Endpoint):
                raise TypeError(f"{role}: tailrace.{role}(url, …) expected, got {type(endpoint).__name__}")
        self._set_up(path, config.build(name or path.stem, source, sink, tables, rules, phases, options))

    def _set_up(self, path: Path, job_config: config.JobConfig | None, secrets: Mapping[str, str] | None = None) -> None:
        self.path = path
        self._config = job_config
        self._secrets = {**(job_config.secrets if job_config else {}), **(secrets or {})}
        self._job: _core.Job | None = None
        self._last: Status | None = None
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self.meta = MetaDB(path, lambda: self._job)

    @classmethod
    def from_config(cls, source: str | os.PathLike[str] | Mapping[str, Any], /, *,
                    job: str | os.PathLike[str] | None = None, set: Mapping[str, object] | None = None) -> Migration:
        """A job from a TOML file or a mapping of the same form. ``set`` changes dotted keys. The job file is ``job``,
        else ``NAME.db`` in the current folder."""
        if isinstance(source, Mapping):
            tree = json.loads(json.dumps(source, default=str))
            config.apply(tree, set or {})
            loaded = config.from_mapping(config.interpolate(tree, lambda key: None), default_name="job", folder=Path.cwd())
        else:
            loaded = config.load(source, set or {})
        self = cls.__new__(cls)
        self._set_up(Path(job) if job is not None else Path(f"{loaded.name}.db"), loaded)
        return self

    # -- running --------------------------------------------------------------------------------
    def start(self) -> Migration:
        """Begins, or goes on where the job stopped. Returns at once."""
        self._check_fork()
        with self._lock:
            if self._job is None:
                _close_ended(self.path)
                _await_closing(self.path)
                _logs.start()
                text = self._config.to_json() if self._config else ""
                try:
                    self._job = _core.Job(str(self.path), text, self._secrets)
                except errors.ConfigError as error:
                    raise self._placed(error) from None
                _live.add(self)
            self._last = None
            self._job.start()
        return self

    def run(self, until: Until = "caught_up", timeout: Duration | None = None) -> Status:
        """start() and wait(), then stop. Ctrl-C drains and raises KeyboardInterrupt; running again resumes. A statement that the
        rules hold in front of the goal raises SCH-0005: decide with release_ddl() or skip_ddl(), and run again."""
        for _ in self.running(until, timeout):
            pass
        return self.status

    def running(self, until: Until = "caught_up", timeout: Duration | None = None) -> Iterator[Status]:
        """run() as an iterator that gives a status a few times a second, for progress of your own. Leaving it early is
        like Ctrl-C."""
        _goal_of(until)  # a misspelt goal starts nothing
        if timeout is not None:
            seconds(timeout)
        try:
            job = self._job
            if job is None or job.status()["state"] not in ("running", "retrying", "paused"):
                self.start()
            last = 0.0
            for _ in self._slices(until, timeout, ends_at_hold=True):
                if time.monotonic() - last >= 0.2:
                    last = time.monotonic()
                    yield self.status
        except (KeyboardInterrupt, GeneratorExit):
            self._stop_soon()
            raise
        except errors.TailraceError:
            self._end("drain", 1.0)
            raise
        self._end("drain", 30.0)

    def wait(self, until: Until = "caught_up", timeout: Duration | None = None) -> Status:
        """Waits for a goal of the started job: ``"snapshot"``, ``"caught_up"`` (with the source as it is now),
        ``"forever"``, a position, or a time span. Ctrl-C ends only the waiting. Raises the job's error if it fails. While a
        statement is held it waits for somebody to decide."""
        for _ in self._slices(until, timeout):
            pass
        return self.status

    def _slices(self, until: Until, timeout: Duration | None, ends_at_hold: bool = False) -> Iterator[None]:
        goal, position, span = _goal_of(until)
        now = time.monotonic()
        deadline = None if timeout is None else now + seconds(timeout)
        span_end = None if span is None else now + span
        job = self._job
        if job is None:
            if span_end is None and goal != "end" or not self.owner:
                self._not_started()
            yield from self._watch_other(deadline, span_end)
            return
        marked = goal == "end"
        marking: PendingCall[None] | None = None
        mark_at = now
        while True:
            now = time.monotonic()
            if not marked and marking is None and now >= mark_at:
                marking = PendingCall(lambda: job.mark(goal, position))
            if marking is not None and marking.wait(0.0 if marked else 0.002):
                try:
                    marking.result()
                    marked = True
                except errors.TailraceError as error:
                    if not error.retryable:
                        raise self._placed(error) from None
                    mark_at = now + 0.5  # the source is away: the job retries, and so do we
                marking = None
            try:
                reached = job.wait(SLICE_MS)
            except errors.JobStopped:
                if self._job is not job:
                    raise  # another thread ended the job
                now_status = job.status()
                if now_status["state"] != "paused":
                    self._close()
                    raise
                held = now_status["error"]
                if ends_at_hold and goal != "end" and isinstance(held, errors.SchemaHeld):
                    raise held from None
                time.sleep(SLICE_S)
                reached = False
            except errors.TailraceError as error:
                self._close()
                raise self._placed(error) from None
            if reached:
                if job.status()["state"] == "done":
                    self._close()
                    return
                if marked:
                    return
                time.sleep(SLICE_S)  # an earlier goal, ours is not set yet
            if span_end is not None and time.monotonic() >= span_end:
                return
            if deadline is not None and time.monotonic() >= deadline:
                raise _too_long(until, self.status)
            yield

    def _watch_other(self, deadline: float | None, span_end: float | None) -> Iterator[None]:
        while self.owner:
            if span_end is not None and time.monotonic() >= span_end:
                return
            if deadline is not None and time.monotonic() >= deadline:
                raise errors.make("JOB-0008", "waiting for the job's process to end", job=self.path)
            time.sleep(SLICE_S)
            yield

    def _not_started(self) -> None:
        owner = self.owner
        if owner and owner != _me():
            raise errors.make("JOB-0006", f"{owner} runs this job; only its own process can wait for this goal",
                              job=self.path)
        raise errors.make("JOB-0006", "the job is not started; call start() or run()", job=self.path)

    # -- steering -------------------------------------------------------------------------------
    def stop(self, mode: Mode = "drain", timeout: Duration = "30s") -> Status:
        """Ends the run: what is in flight is made durable (``drain``, at most for ``timeout``) or dropped (``abort``).
        The checkpoint holds in both cases. In another process' job this is a command to its owner."""
        if self._job is None:
            return self._command("stop", timeout)
        self._end(mode, seconds(timeout))
        return self.status

    def pause(self, mode: Mode = "drain", timeout: Duration = "30s") -> Status:
        """Like stop(), but the job stays ours, and resume() by anybody goes on."""
        job = self._job
        if job is None:
            return self._command("pause", timeout)
        run_interruptibly(lambda: job.pause(_patience_ms(mode, seconds(timeout))))
        return self.status

    def resume(self) -> Status:
        """Goes on: here if the job is ours or nobody's, else by a command to its owner."""
        job = self._job
        if job is not None:
            if job.status()["state"] not in ("running", "retrying"):
                run_interruptibly(job.resume)
            return self.status
        if self.owner:
            return self._command("resume", "10s")
        return self.start().status

    def swap_rules(self, rules: RulesLike, options: Mapping[str, object] | None = None, *,
                   apply_ddl: bool = False, at: str = "now", test: bool = True, timeout: Duration = "60s") -> RuleSwap:
        """Gives the job other rules at its next transaction boundary and tells where that was. ``options`` change those
        in force. A change of what the targets look like is refused (RULE-0111) unless ``apply_ddl``. A job that nobody
        runs has them from its next start. ``at="gtid:…"`` is a place to come. The cases beside the file are run first, and one that
        fails refuses the swap (``test=False`` leaves them out)."""
        names = name_of(rules).split("\n")
        has_functions = any(name.startswith(PREFIX) for name in names)
        if has_functions and self._job is None and self.owner:
            raise errors.make("RULE-0111", f"{self.owner} runs this job, and functions of this process are not there: put them into a file",
                              job=self.path)
        names = [name if name.startswith(PREFIX) else os.path.abspath(name) for name in names]
        if test and not has_functions:
            rule_swap.check_cases(names, options or {})
        try:
            return self._swap("\n".join(names), options or {}, False, apply_ddl, timeout, rule_swap.place_of(at))
        except errors.RuleError as error:
            raise placed(error.context.get("rule", names[0]), error) from None

    def rules_back(self, *, apply_ddl: bool = False, timeout: Duration = "60s") -> RuleSwap:
        """Swaps to the rules that the job had before those in force."""
        return self._swap("", {}, True, apply_ddl, timeout)

    def _swap(self, file: str, options: Mapping[str, object], back: bool, apply_ddl: bool, timeout: Duration,
              at: str = "") -> RuleSwap:
        job = self._job
        patience_ms = int(seconds(timeout) * 1000)
        if job is None and self.owner:
            if file:
                _core.check_secrets(file, rule_swap.option_texts(options))  # the command itself stands in the job file
            # The owner gives up first, so that its answer tells what became of it.
            answer = self._post("rules", rule_swap.arguments(file, options, back, apply_ddl, patience_ms, at), seconds(timeout) + 5)
            if not answer:
                raise errors.make("JOB-0007", "the job's process ended", job=self.path)
            return rule_swap.from_core(json.loads(answer))
        opened = job or _core.Job(str(self.path), "", self._secrets)
        try:
            return rule_swap.from_core(run_interruptibly(
                lambda: opened.swap_rules(file, rule_swap.option_texts(options), back, apply_ddl, patience_ms, at)))
        finally:
            if job is None:
                opened.close()

    def release_ddl(self, number: int = 0) -> Status:
        """Lets a statement through that the rules hold (``meta.sql("SELECT * FROM v1_ddl WHERE state = 'held'")``); 0 is the
        only one. A job that waits for it goes on."""
        return self._decide_ddl(number, True)

    def skip_ddl(self, number: int = 0) -> Status:
        """Like release_ddl(), but the statement is left out."""
        return self._decide_ddl(number, False)

    def _decide_ddl(self, number: int, release: bool) -> Status:
        job = self._job
        if job is None and self.owner:
            self._post("ddl", json.dumps({"id": number, "release": release}), "30s")
            return self.status
        opened = job or _core.Job(str(self.path), "", self._secrets)
        try:
            run_interruptibly(lambda: opened.decide_ddl(number, release))
        finally:
            if job is None:
                opened.close()
        return self.status

    def _command(self, verb: str, timeout: Duration) -> Status:
        self._post(verb, "{}", timeout)
        return self.status

    def _post(self, verb: str, arguments: str, timeout: Duration) -> str:
        """What the owner answered; empty when it ended meanwhile."""
        command = _core.post_job_command(str(self.path), verb, arguments)
        reader = _core.JobFile(str(self.path))
        deadline = time.monotonic() + max(1.0, seconds(timeout))
        try:
            while time.monotonic() < deadline:
                row = reader.command(command)
                if row is not None and row["state"] == "failed":
                    raise rule_swap.failure(verb, row["answer"], self.path)
                if row is not None and row["state"] == "done":
                    return str(row["answer"])
                if not self.owner:
                    return ""
                time.sleep(SLICE_S)
        except KeyboardInterrupt:
            reader.withdraw(command)
            raise
        became = ("it was withdrawn and will not be carried out" if reader.withdraw(command) else
                  f'it was taken already and may still take effect; see tailrace sql {self.path} "SELECT * FROM v1_command"')
        raise errors.make("JOB-0008", f"{self.owner} did not answer the command {verb}: {became}", job=self.path)

    def _end(self, mode: Mode, patience_s: float) -> None:
        job = self._job
        if job is None:
            return
        stopping = PendingCall(lambda: job.stop(_patience_ms(mode, patience_s)))
        try:
            while not stopping.wait():
                pass
        except KeyboardInterrupt:  # the second one: no more draining
            PendingCall(lambda: job.stop(0)).wait(_INTERRUPT_LIMIT_S)
            raise
        finally:
            self._close()
        stopping.result()

    def _stop_soon(self) -> None:
        """Drains within the second that Ctrl-C may take."""
        job = self._job
        if job is None:
            return
        stopping = PendingCall(lambda: job.stop(int(_INTERRUPT_DRAIN_S * 1000)))
        try:
            stopping.wait(_INTERRUPT_LIMIT_S)
        finally:
            self._close()

    def _close(self) -> None:
        """Gives the job file back. What still waits for the job in another thread sees JOB-0007."""
        with self._lock:
            job = self._job
            if job is None:
                return
            self._last = status_module.from_core(job.status(), "")
            self._job = None
            _live.discard(self)
        closing = PendingCall(job.close)  # may join engine threads, which must not hold up the caller
        if not closing.wait(0.2):
            _closing[self.path.resolve()] = closing

    # -- looking --------------------------------------------------------------------------------
    @property
    def status(self) -> Status:
        """One look; in another process' job it is at most half a second old."""
        job = self._job
        if job is not None:
            return status_module.from_core(job.status(), _me())
        last = self._last
        if last is not None and not self.owner:
            return last
        try:
            return status_module.from_core(_core.read_job_status(str(self.path)), self.owner)
        except errors.JobError as error:
            if error.code != "JOB-0009" or self._config is None:
                raise
        return status_module.from_core(_NEW | {"name": self._config.name}, "")

    @property
    def owner(self) -> str:
        """"pid@host" of the process that runs the job, empty when none does."""
        return _core.job_owner(str(self.path))

    def rule_profile(self) -> JobProfile:
        """What the rules of each table did and cost, as `tailrace rule profile JOB` prints it; of a running job at most about a
        second old."""
        rows = self.meta.sql("SELECT * FROM v1_rule_profile WHERE version = (SELECT version FROM v1_rule_profile ORDER BY updated_us "
                             'DESC LIMIT 1) ORDER BY "table"').to_dicts()
        stored = self.meta.sql("SELECT config FROM v1_job").to_dicts()
        return job_profile(rows, json.loads(str(stored[0]["config"])).get("rules") if stored else None)

    def watch(self, every: Duration = "500ms") -> LiveView:
        """A live picture, in a terminal or a notebook cell. It ends with the job, or with .stop()."""
        from tailrace.watch import LiveView

        return LiveView(self, seconds(every)).start()

    # -- the rest -------------------------------------------------------------------------------
    def _placed(self, error: errors.TailraceError) -> errors.TailraceError:
        return self._config.place(error) if self._config else error

    def _check_fork(self) -> None:
        if self._pid != os.getpid():
            raise errors.make("INT-0001", "this object was made before a fork; start processes with spawn")

    def __enter__(self) -> Migration:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            self._stop_soon()
        else:
            self._end("drain", 30.0)

    def __repr__(self) -> str:
        return f"<Migration {self.path}>"

    def _repr_html_(self) -> str:
        return self.status._repr_html_()


def attach(job: str | os.PathLike[str], /, *, secrets: Mapping[str, str] | None = None) -> Migration:
    """A job by its file: to look at, to steer, and, when no process runs it, to resume with its stored configuration.
    ``secrets`` holds literal passwords again, which are never stored: ``{"sink.password": …}``."""
    path = Path(job)
    if not path.is_file():
        raise errors.make("JOB-0009", str(path))
    row = _core.JobFile(str(path)).row()
    if row is None:
        raise errors.make("JOB-0009", f"{path} holds no job yet")
    self = Migration.__new__(Migration)
    self._set_up(path, None, secrets)
    return self


_NEW: dict[str, Any] = {
    "name": "", "state": "created", "phase": "", "rows_done": 0, "rows_durable": 0, "rows_total": 0, "rate": 0.0,
    "lag_s": None, "eta_s": None, "checkpoint": {"source_kind": "", "text": ""}, "tables": {}, "attempts": 0,
    "error": None, "rules": "", "dropped_by_rules": 0, "memory_peak": 0, "idle": False, "snapshot_done": False,
    "warnings": [],
}


def _goal_of(until: Until) -> tuple[str, str, float | None]:
    """The engine's goal, its position, and a time span."""
    if isinstance(until, timedelta):
        return "end", "", until.total_seconds()
    if isinstance(until, Position):
        return "position", until.text, None
    if until in ("snapshot", "caught_up"):
        return until, "", None
    if until == "forever":
        return "end", "", None
    if status_module.is_duration(until):
        return "end", "", seconds(until)
    if re.search(r"[=:]", until):
        return "position", until, None
    near = _core.nearest_name(until, ["snapshot", "caught_up", "forever"])
    raise errors.make("CFG-0003", f"until: snapshot, caught_up, forever, a position or a duration expected, got {until!r}"
                      + (f" (did you mean {near!r}?)" if near else ""))


def _too_long(until: Until, status: Status) -> errors.TailraceError:
    detail = f"waiting for {until}; the job is {status.state}"
    if status.error is not None:
        detail += f" after {status.error}"
    return errors.make("JOB-0008", detail, job=status.name)


def _patience_ms(mode: Mode, timeout_s: float) -> int:
    if mode not in ("drain", "abort"):
        raise errors.make("CFG-0003", f"mode: drain or abort expected, got {mode!r}")
    return int(timeout_s * 1000) if mode == "drain" else 0


def _me() -> str:
    return f"{os.getpid()}@{socket.gethostname()}"


def _close_ended(path: Path) -> None:
    """Lets go of the job if an older object of this process has it but no longer runs it."""
    for other in list(_live):
        job = other._job
        same = job is not None and other.path.exists() and path.exists() and other.path.samefile(path)
        if same and job is not None and job.status()["state"] in ("failed", "done", "stopped", "created"):
            other._close()


def _await_closing(path: Path) -> None:
    """A job that hung in the network when it was stopped may still be letting go of its file."""
    closing = _closing.pop(path.resolve(), None)
    end = time.monotonic() + _CLOSE_LIMIT_S
    while closing is not None and not closing.wait() and time.monotonic() < end:
        pass


def _stop_all() -> None:
    mine = [other for other in list(_live) if other._pid == os.getpid()]
    jobs = [other._job for other in mine if other._job is not None]
    stopping = [PendingCall(lambda job=job: job.stop(0)) for job in jobs]  # type: ignore[misc]
    end = time.monotonic() + 2.0
    for call in stopping:
        call.wait(max(0.0, end - time.monotonic()))
    for other in mine:
        other._close()


atexit.register(_stop_all)
