"""The command line. stdout carries results, stderr progress and messages; nothing ever asks a question."""
from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn, cast

import typer

import tailrace
from tailrace import cli_formats, cli_rule, cli_steer, errors
from tailrace.cli_common import is_job_file, print_json, settings_of, source_of
from tailrace.doctor import check_job
from tailrace.migration import Migration
from tailrace.status import Status, summary, table_lines
from tailrace.watch import ProgressMode, make_display

EXIT_OK, EXIT_INTERNAL, EXIT_CONFIG, EXIT_BLOCKED, EXIT_TRANSIENT, EXIT_OPERATOR, EXIT_OWNED, EXIT_HELD = 0, 1, 2, 3, 5, 6, 7, 8
EXIT_INTERRUPTED = 130
_CONFIG_CODES = ("JOB-0009", "META-0001", "META-0004")  # what was typed is wrong

app = typer.Typer(no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False, rich_markup_mode=None,
                  help="Change data of MySQL and MariaDB, through rules, into SQLite, Kafka and files.")
JsonFlag = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]
JobArgument = Annotated[Path, typer.Argument(metavar="JOB", help="The job file.", show_default=False)]


def exit_code(error: errors.TailraceError) -> int:
    if isinstance(error, errors.JobOwned):
        return EXIT_OWNED
    if isinstance(error, errors.PrecheckBlocked):
        return EXIT_BLOCKED
    if isinstance(error, errors.SchemaHeld):
        return EXIT_HELD
    if isinstance(error, errors.ConfigError) or error.code in _CONFIG_CODES:
        return EXIT_CONFIG
    return {"transient": EXIT_TRANSIENT, "operator": EXIT_OPERATOR}.get(error.retry, EXIT_INTERNAL)


def error_card(error: errors.TailraceError) -> str:
    facts = [f"  {label:<8} {text}" for label, text in error.facts() if text]
    return "\n".join([f"✗ {error.code} {error.message}", *facts])


def show_error(error: errors.TailraceError) -> None:
    print(error_card(error), file=sys.stderr)


class _Terminated(KeyboardInterrupt):
    """SIGTERM: handled like Ctrl-C."""


@contextmanager
def _terminable() -> Iterator[None]:
    def on_signal(number: int, frame: FrameType | None) -> NoReturn:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, on_signal)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@app.command()
def run(
    config: Annotated[Path, typer.Argument(metavar="CONFIG|JOB", help="A TOML file, or the file of a job to resume.",
                                           show_default=False)],
    until: Annotated[str, typer.Option(help="forever, caught_up, snapshot, a position, or a time such as 10s.")] = "forever",
    job: Annotated[Path | None, typer.Option(help="The job file (default: NAME.db here).", show_default=False)] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the configuration.",
                                                   show_default=False)] = None,
    progress: Annotated[str, typer.Option(help="auto, bar, lines or none.")] = "auto",
    as_json: JsonFlag = False,
) -> None:
    """Run a job until a goal. Ctrl-C and SIGTERM drain and keep the checkpoint; running it again goes on."""
    if progress not in ("auto", "bar", "lines", "none"):
        raise errors.make("CFG-0003", f"--progress: auto, bar, lines or none expected, got {progress!r}")
    changes = settings_of(set_ or [])
    if is_job_file(config):
        if changes or job is not None:
            raise errors.make("CFG-0003", "--set and --job go with a configuration, not with a job file")
        migration = tailrace.attach(config)
    else:
        migration = Migration.from_config(config, job=job, set=changes)
    began = time.monotonic()
    code, reason = EXIT_OK, until
    failure: errors.TailraceError | None = None
    with _terminable():
        try:
            _follow(migration, until, cast(ProgressMode, progress), as_json)
        except errors.JobStopped as error:
            reason = "stopped"
            if until != "forever":
                code, failure = EXIT_TRANSIENT, error
        except errors.SchemaHeld as error:
            code, reason, failure = EXIT_HELD, "held", error
        except errors.TailraceError as error:
            code, reason, failure = exit_code(error), "failed", error
        except KeyboardInterrupt:
            code, reason = EXIT_INTERRUPTED, "interrupted"
    if failure is not None:
        show_error(failure)
    _report_end(migration, code, reason, failure, time.monotonic() - began, as_json)
    leave(code)


def _follow(migration: Migration, until: str, progress: ProgressMode, as_json: bool) -> None:
    display = make_display(progress)
    last = time.monotonic()
    told = None
    try:
        for status in migration.running(until):
            display.update(status)
            held = str(status.error) if isinstance(status.error, errors.SchemaHeld) and status.state == "paused" else None
            if held is not None and held != told and status.error is not None:
                display.tell(error_card(status.error))  # it waits, perhaps for long, and nothing else says for what
            told = held or told
            if as_json and time.monotonic() - last >= 1.0:
                last = time.monotonic()
                print_json({"event": "status", **status.to_dict()})
        display.update(migration.status)
    finally:
        display.close()


def _report_end(migration: Migration, code: int, reason: str, failure: errors.TailraceError | None, took_s: float,
                as_json: bool) -> None:
    status: Status | None
    try:
        status = migration.status
    except errors.TailraceError:
        status = None
    if as_json:
        print_json({"event": "end", "reason": reason, "exit_code": code, "seconds": round(took_s, 3),
                    "job": str(migration.path), "failure": failure.to_dict() if failure else None,
                    **(status.to_dict() if status else {})})
        return
    for warning in status.warnings if status else ():
        print(f"⚠ {warning}", file=sys.stderr)
    if failure is not None or status is None:
        return
    words = {"interrupted": "■ stopped", "stopped": "■ stopped by command", "caught_up": "✓ caught up",
             "snapshot": "✓ snapshot done", "forever": "✓ end of the source"}
    rows = f"{status.rows_durable:,}".replace(",", " ")
    dropped = f"   dropped by rules {status.dropped_by_rules:,}".replace(",", " ") if status.dropped_by_rules else ""
    print(f"{words.get(reason, '✓ reached ' + reason)} in {took_s:.1f} s   {rows} rows delivered{dropped}   "
          f"job {migration.path}")


@app.command()
def status(job: JobArgument, watch: Annotated[bool, typer.Option(help="Keep looking until the job ends.")] = False,
           as_json: JsonFlag = False) -> None:
    """How a job is doing. Any process may look."""
    migration = tailrace.attach(job)
    if not watch:
        now = migration.status
        if as_json:
            print_json(now.to_dict())
        else:
            print(summary(now))
            for line in table_lines(now):
                print(f"  {line}")
            if now.checkpoint is not None:
                print(f"  checkpoint {now.checkpoint.text}")
            for warning in now.warnings:
                print(f"  ⚠ {warning}")
        return
    display = make_display("none" if as_json else "auto")
    try:
        while True:
            now = migration.status
            display.update(now)
            if as_json:
                print_json(now.to_dict())
            if not now.owner:
                return
            time.sleep(1.0)
    finally:
        display.close()


@app.command()
def sql(job: JobArgument, query: Annotated[str, typer.Argument(help="One reading statement, e.g. over v1_table.",
                                                               show_default=False)],
        as_json: JsonFlag = False) -> None:
    """Query a job file."""
    table = tailrace.attach(job).meta.sql(query)
    if as_json:
        for row in table.to_dicts():
            print_json({name: cell.hex() if isinstance(cell, bytes) else cell for name, cell in row.items()})
    else:
        print(table)


@app.command()
def explain(code: Annotated[str, typer.Argument(help="An error code, e.g. SRC-0007.", show_default=False)],
            as_json: JsonFlag = False) -> None:
    """What an error code means, and what to do."""
    info = tailrace.explain(code)
    if as_json:
        print_json(info.to_dict())
    else:
        print(info)


@app.command()
def doctor(target: Annotated[str, typer.Argument(metavar="URL|CONFIG|JOB", help="A source, a configuration, or a job.",
                                                 show_default=False)],
           set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", show_default=False,
                                                          help="An option of the source, e.g. password=${env:PW}.")] = None,
           as_json: JsonFlag = False) -> None:
    """Check what a run would need: of a URL login, log and tables; of a configuration or job also each host, the patterns, the
    rules over the tables, and the sink. Nothing is written. Exit code 3 when something blocks."""
    report = source_of(target, set_)[0].doctor() if "://" in target else check_job(Path(target), set_)
    if as_json:
        print_json(report.to_dict())
    else:
        print(report)
    raise typer.Exit(EXIT_OK if report.ok else EXIT_BLOCKED)


def _steer(job: Path, call: Callable[[Migration], Status], as_json: bool) -> None:
    now = call(tailrace.attach(job))
    if as_json:
        print_json(now.to_dict())
    else:
        print(summary(now))


@app.command()
def pause(job: JobArgument, as_json: JsonFlag = False) -> None:
    """Let the process that runs the job drain and pause."""
    _steer(job, lambda migration: migration.pause(), as_json)


@app.command()
def resume(job: JobArgument, as_json: JsonFlag = False) -> None:
    """Let the process that paused the job go on. A job nobody runs is resumed by `tailrace run JOB`."""
    migration = tailrace.attach(job)
    if not migration.owner:
        raise errors.make("JOB-0006", f"no process holds the job; run it: tailrace run {job}", job=job)
    _steer(job, lambda other: other.resume(), as_json)


@app.command()
def stop(job: JobArgument, as_json: JsonFlag = False) -> None:
    """Let the process that runs the job drain and end."""
    _steer(job, lambda migration: migration.stop(), as_json)


app.add_typer(cli_formats.app, name="format")
app.command()(cli_formats.conformance)
app.add_typer(cli_rule.app, name="rule")
app.command()(cli_rule.capture)
cli_steer.add_to(cli_rule.app)
app.add_typer(cli_steer.ddl, name="ddl")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"tailrace {tailrace.__version__}")
        raise typer.Exit


@app.callback()
def _options(version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True,
                                                   help="Show the version.")] = False) -> None:
    pass


def leave(code: int) -> NoReturn:
    """Ends the process without waiting for engine threads that hang in the network: all that matters is stored."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            pass
    os._exit(code)


def main(arguments: list[str] | None = None) -> Any:
    """Entry point of the console script."""
    try:
        code = app(arguments, standalone_mode=False) or EXIT_OK
    except errors.TailraceError as error:
        show_error(error)
        code = exit_code(error)
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_OK
    except Exception as error:
        if not hasattr(error, "exit_code") or not hasattr(error, "show"):
            raise
        error.show()  # a usage error of the command line parser
        code = EXIT_CONFIG
    sys.exit(code)
