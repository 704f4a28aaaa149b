"""`tailrace rule …` and `tailrace capture`."""
from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

import tailrace
from tailrace import errors
from tailrace.cli_common import is_job_file, print_json, settings_of, source_of
from tailrace.endpoint import Endpoint, make_endpoint
from tailrace.rules.capture import CapturedLog
from tailrace.rules.replay import Letters, dead_letters

EXIT_OK, EXIT_DIFFERENT = 0, 4
app = typer.Typer(no_args_is_help=True, help="Rule files: test, check, compare, without a job.")
JsonFlag = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]
FilesArgument = Annotated[list[Path], typer.Argument(metavar="FILE…", help="A rule file; several are a chain, each takes what the one "
                                                                            "before it gave.", show_default=False)]
OptionFlag = Annotated[list[str] | None, typer.Option("--option", "-o", metavar="NAME=VALUE", show_default=False,
                                                      help="A value for the rule file's options.")]
SchemaFlag = Annotated[Path | None, typer.Option("--schema", metavar="FILE", show_default=False,
                                                 help="CREATE TABLE statements of the source.")]
JobFlag = Annotated[Path | None, typer.Option("--job", metavar="JOB", show_default=False,
                                              help="A job file that knows the source's tables.")]


def _pairs(given: list[str] | None, flag: str = "--option") -> dict[str, str]:
    out = {}
    for item in given or []:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise errors.make("CFG-0003", f"{flag} {item}: NAME=VALUE expected")
        out[name] = value
    return out


@app.command()
def test(paths: Annotated[list[Path], typer.Argument(metavar="PATH…", show_default=False,
                                                     help="Case files, rule files, or folders of them.")],
         accept: Annotated[bool, typer.Option("--accept", help="Rewrite the arrows to what the rules give.")] = False,
         rules: Annotated[list[Path] | None, typer.Option("--rules", metavar="FILE", show_default=False,
                                                          help="The rule file to run them through, if not the one beside each; "
                                                               "several: a chain.")] = None,
         option: OptionFlag = None, as_json: JsonFlag = False) -> None:
    """Run case files. Exit code 4 when a case fails."""
    from tailrace.rules.cases import CaseFile, cases_of

    reports = []
    width = 0
    files = cases_of(paths)
    width = max(len(file.name) for file in files)
    for file, own in files.items():
        case = CaseFile(file, rules or own)
        report = case.run(_pairs(option))
        if accept and case.accept():
            case = CaseFile(file, rules or own)
            report = case.run(_pairs(option))
            print(f"{file.name:<{width}}  arrows rewritten", file=sys.stderr)
        reports.append(report)
        if not as_json:
            print(f"{file.name:<{width}}  {report.passed:>3} passed" + (f", {len(report.failed)} failed" if report.failed else ""))
            for line in report.lines():
                print(line)
    failed = sum(len(report.failed) for report in reports)
    total = failed + sum(report.passed for report in reports)
    if as_json:
        print_json({"cases": total, "failed": failed, "files": [report.to_dict() for report in reports]})
    else:
        print(f"{total} cases, {failed} failed" if failed else f"{total} cases passed")
    raise typer.Exit(EXIT_DIFFERENT if failed else EXIT_OK)


def _require_tables(schema: Path | None, job: Path | None) -> None:
    if (schema is None) == (job is None):
        raise errors.make("CFG-0003", "give either --schema FILE or --job JOB: the tables the rules are for")


@app.command()
def check(file: FilesArgument, schema: SchemaFlag = None, job: JobFlag = None, option: OptionFlag = None,
          as_json: JsonFlag = False) -> None:
    """Compile a rule file, plan it for real tables, and run its functions over edge values. Exit code 4 on errors."""
    from tailrace.rules.check import check as run_check

    report = run_check(file, schema=schema, job=job, options=_pairs(option))
    if as_json:
        print_json(report.to_dict())
    else:
        for finding in report.findings:
            print(finding)
        for i, plan in enumerate(report.plans()):
            print(("plan: " if i == 0 else "      ") + plan)
        if report.ok and not report.tables:
            print(f"{report.version or file[0].name}: loads; with --schema or --job it is also planned and run over edge values")
    raise typer.Exit(EXIT_OK if report.ok else EXIT_DIFFERENT)


@app.command()
def schema(file: FilesArgument, schema: SchemaFlag = None, job: JobFlag = None, option: OptionFlag = None,
           as_json: JsonFlag = False) -> None:
    """Print the CREATE TABLE statements of what the rules send to the target."""
    from tailrace.rules.check import check as run_check

    _require_tables(schema, job)
    report = run_check(file, schema=schema, job=job, options=_pairs(option))
    tables = [table for table in report.tables if table["is_last"]]
    if as_json:
        print_json([{key: table[key] for key in ("source", "target", "names_target", "purity", "create")} for table in tables])
    else:
        made: dict[tuple[str, str], list[str]] = {}
        elsewhere = {table["create"] for table in tables if table["names_target"]}
        for table in tables:
            if table["target"]:
                made.setdefault((table["create"], report.purity(table)), []).append(table["source"])
        for (create, purity), sources in made.items():
            print(f"-- from {sources[0]}" + (f" and {len(sources) - 1} more" if len(sources) > 1 else "") + (f", {purity}" if purity else "")
                  + ("; the table is decided per row (ev.to), its columns are these" if create in elsewhere else ""))
            print(create + ";")
    for finding in report.findings:
        if finding.is_error:
            print(finding, file=sys.stderr)
    raise typer.Exit(EXIT_OK if report.ok else EXIT_DIFFERENT)


@app.command()
def new(name: Annotated[Path, typer.Argument(metavar="NAME", help="The rule file to make.", show_default=False)]) -> None:
    """Make a rule file, its case file and the editor's settings."""
    from tailrace.rules.scaffold import new as make

    for made in make(name):
        print(made)


@app.command()
def types(schema: SchemaFlag = None, job: JobFlag = None,
          out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The file to write; - is stdout.")] =
          Path(".tailrace/tables.d.lua")) -> None:
    """Write a class per table, so that editors know its columns."""
    import tempfile

    from tailrace.rules.check import check as run_check
    from tailrace.rules.scaffold import table_classes

    _require_tables(schema, job)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as empty:
        empty.write("return { api = 1, tables = {} }")
        empty.flush()
        text = table_classes(run_check(empty.name, schema=schema, job=job).sources)
    if str(out) == "-":
        print(text)
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    print(out)


def _events(from_: str, settings: list[str] | None, tables: list[str] | None) -> tuple[Endpoint | Path, list[str]]:
    """What --from names: a file of statements, or a source; and the tables to take."""
    if "://" not in from_ and Path(from_).suffix in (".case", ".capture", ".sql"):
        return Path(from_), tables or ["*.*"]
    if "://" not in from_ and Path(from_).is_dir():
        from tailrace.rules.capture import log_source

        kept = log_source(from_)
        return make_endpoint("source", kept.url, {**kept.options, **settings_of(settings or [])}), tables or ["*.*"]
    source, configured = source_of(from_, settings)
    return source, tables or configured


def _replay_input(from_: str, job: str, letter: int | None, settings: list[str] | None, tables: list[str] | None,
                  start: str) -> tuple[Endpoint | Path | Letters, list[str], str, str]:
    """Events, tables, where a log begins, and its last transaction."""
    from tailrace.rule_swap import place_of

    if letter is not None or from_ == "dead-letter":
        if letter is not None and from_ not in ("", "dead-letter"):
            raise errors.make("CFG-0003", "--dead-letter and --from exclude each other")
        if not job:
            raise errors.make("CFG-0003", "--job: name the job file that has the dead letters")
        return dead_letters(job, letter), ["*.*"], "", ""
    if from_.startswith("gtid:"):
        first, dots, last = from_[5:].partition("..")
        if not dots or not first or not last:
            raise errors.make("CFG-0003", f"--from {from_}: gtid:A..B expected, behind A up to B")
        if not job:
            raise errors.make("CFG-0003", "--job: name the job, configuration or URL whose log has these transactions")
        source, configured = source_of(job, settings)
        return source, tables or configured, place_of("gtid:" + first), last
    if not from_:
        raise errors.make("CFG-0003", "--from: give the events to run the rules over")
    return *_events(from_, settings, tables), start, ""


def _job_rules(job: Path) -> tuple[list[Path], dict[str, str]]:
    """Rule files and options of a job."""
    import json

    row = tailrace.attach(job).meta.sql("SELECT config FROM v1_job").to_dicts()[0]
    rules = json.loads(str(row["config"])).get("rules")
    if not rules:
        raise errors.make("CFG-0003", f"{job}: this job has no rules")
    options = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in rules.get("options", {}).items()}
    files = rules["file"] if isinstance(rules["file"], list) else [rules["file"]]
    return [Path(file) for file in files], options


@app.command()
def profile(rules: Annotated[Path, typer.Argument(metavar="FILE|JOB", help="A rule file, or a job that has one.", show_default=False)],
            from_: Annotated[str, typer.Option("--from", metavar="CAPTURE|URL|CONFIG|JOB", show_default=False,
                                               help="Events, as for replay, to run the rules over (a job: else what it counted).")] = "",
            option: OptionFlag = None,
            tables: Annotated[list[str] | None, typer.Option(metavar="PATTERN", help="Tables of a log.", show_default=False)] = None,
            start: Annotated[str, typer.Option(help="Where in a server's log to begin.")] = "earliest",
            set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", show_default=False,
                                                           help="An option of the source.")] = None,
            as_json: JsonFlag = False) -> None:
    """What rules cost per table: of a job, running or not, what it counted; with --from, over recorded events, of which nothing is
    written. Exit code 4 when a rule fails over them."""
    from tailrace.rules.profile import profile as run_profile

    is_job = is_job_file(rules)
    if not from_:
        if not is_job:
            raise errors.make("CFG-0003", "--from: give the events to run the rules over")
        counted = tailrace.attach(rules).rule_profile()
        if as_json:
            print_json(counted.to_dict())
        else:
            print(counted)
        return
    file, options = _job_rules(rules) if is_job else ([rules], {})
    on, patterns = _events(from_, set_, tables)
    result = run_profile(file, on=on, options={**options, **_pairs(option)}, tables=patterns, start=start)
    if as_json:
        print_json(result.to_dict())
    else:
        for line in result.lines():
            print(line)
    raise typer.Exit(EXIT_DIFFERENT if result.errors else EXIT_OK)


@app.command()
def replay(file: FilesArgument,
           from_: Annotated[str, typer.Option("--from", metavar="CAPTURE|URL|CONFIG|JOB|gtid:A..B|dead-letter", show_default=False,
                                              help="Events: a capture or case file, a log file (binlog://…), a server's log or the part behind "
                                                   "A up to B of it, the dead letters of --job.")] = "",
           job: Annotated[str, typer.Option(metavar="JOB|CONFIG|URL", show_default=False,
                                            help="For gtid:A..B: whose log; for dead letters: the job file.")] = "",
           dead_letter: Annotated[int | None, typer.Option(metavar="ID", show_default=False, help="One dead letter of --job.")] = None,
           against: Annotated[list[Path] | None, typer.Option(metavar="OLD", help="The rule file to compare with; several: a chain.",
                                                              show_default=False)] = None,
           option: OptionFlag = None,
           old_option: Annotated[list[str] | None, typer.Option("--old-option", metavar="NAME=VALUE", show_default=False,
                                                                help="Options of OLD, if they differ.")] = None,
           tables: Annotated[list[str] | None, typer.Option(metavar="PATTERN", help="Tables of a log.", show_default=False)] = None,
           start: Annotated[str, typer.Option(help="Where in a server's log to begin.")] = "earliest",
           set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", show_default=False,
                                                          help="An option of the source.")] = None,
           expect: Annotated[str, typer.Option(metavar="SHA256", help="Fail when the output's hash is another.",
                                               show_default=False)] = "",
           examples: Annotated[int, typer.Option(help="Examples shown per table and kind of difference.")] = 1,
           as_json: JsonFlag = False) -> None:
    """Run a rule file over recorded events, and another version beside it. Nothing is written. Exit code 4 when the
    versions differ, a rule fails, or the hash is not the one expected."""
    from tailrace.rules.replay import replay as run_replay

    on, patterns, start, until = _replay_input(from_, job, dead_letter, set_, tables, start)
    began = time.monotonic()
    result = run_replay(file, on=on, against=against or None, options=_pairs(option),
                        old_options=_pairs(old_option, "--old-option") if old_option else None, tables=patterns, start=start,
                        until=until, examples=examples)
    if as_json:
        print_json(result.to_dict())
    else:
        for line in result.lines():
            print(line)
    took = time.monotonic() - began
    print(f"{took:.1f} s, {result.events / max(took, 1e-9):,.0f} events/s", file=sys.stderr)
    if expect and not result.hash.startswith(expect):
        print(f"the output's hash is {result.hash}, expected {expect}", file=sys.stderr)
        raise typer.Exit(EXIT_DIFFERENT)
    raise typer.Exit(EXIT_OK if result.ok else EXIT_DIFFERENT)


def _show_log(log: CapturedLog, as_json: bool) -> None:
    if as_json:
        print_json({"folder": str(log.path), "transactions": log.transactions, "bytes": log.bytes, "files": list(log.files),
                    "knows_columns": log.knows_columns})
        return
    print(f"{log.path}  {log.transactions} transactions, {log.bytes:,} bytes in {', '.join(log.files)}")
    if not log.knows_columns:
        print("the log does not name columns (binlog_row_metadata): replay it with --set schema=FILE, the tables as they were where it begins",
              file=sys.stderr)


def capture(source: Annotated[str, typer.Argument(metavar="URL|CONFIG|JOB", help="What to read.", show_default=False)],
            out: Annotated[Path, typer.Option("--out", metavar="FILE|FOLDER", show_default=False,
                                              help="The case file to write; with --raw the folder.")],
            raw: Annotated[bool, typer.Option("--raw", help="Keep the server's binary log as it is, unmasked, for replay and profile.")] = False,
            tables: Annotated[list[str] | None, typer.Option(metavar="PATTERN", show_default=False,
                                                             help="Tables to take (default: the job's).")] = None,
            start: Annotated[str, typer.Option(help="now, earliest, a time or a position.")] = "now",
            per_table: Annotated[int, typer.Option(help="Events per table; 0 takes all.")] = 50,
            cover: Annotated[str, typer.Option(help="What makes an event worth taking: of ops,null,max.")] = "ops,null,max",
            mask: Annotated[list[str] | None, typer.Option(metavar="COLUMN=drop|null|fake", show_default=False,
                                                           help="Hide a column before anything is written.")] = None,
            sensitive: Annotated[list[str] | None, typer.Option(metavar="COLUMN", show_default=False,
                                                                help="Refuse to write this column unmasked.")] = None,
            for_: Annotated[str, typer.Option("--for", metavar="DURATION", help="How long to listen.", show_default=False)] = "",
            idle: Annotated[str, typer.Option(metavar="DURATION", help="End when nothing came for so long.", show_default=False)] = "",
            set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", show_default=False,
                                                           help="An option of the source.")] = None,
            force: Annotated[bool, typer.Option("--force", help="Write over a case file that is there.")] = False,
            as_json: JsonFlag = False) -> None:
    """Write events of a source as a case file, or keep its binary log (--raw). Ctrl-C ends the capture and keeps it."""
    from tailrace.rules.capture import capture as run_capture
    from tailrace.rules.capture import capture_raw
    from tailrace.status import seconds

    if raw and (mask or sensitive):
        raise errors.make("CFG-0003", "--raw keeps all bytes of the log, so it cannot mask a column: leave --mask and --sensitive out, or --raw")
    endpoint, configured = source_of(source, set_)
    interrupted: list[Any] = []
    import signal

    before = signal.signal(signal.SIGINT, lambda *_: interrupted.append(1))
    try:
        if raw:
            log = capture_raw(endpoint, out, tables=tables or configured, start=start, seconds=seconds(for_) if for_ else None,
                              idle=seconds(idle) if idle else None, stop=lambda: bool(interrupted))
            _show_log(log, as_json)
            return
        done = run_capture(endpoint, out, tables=tables or configured, start=start, per_table=per_table,
                           cover=[word for word in cover.split(",") if word],
                           masks=[part for text in mask or [] for part in text.split(",")],
                           sensitive=[part for text in sensitive or [] for part in text.split(",")],
                           seconds=seconds(for_) if for_ else None, idle=seconds(idle) if idle else None,
                           stop=lambda: bool(interrupted), force=force)
    finally:
        signal.signal(signal.SIGINT, before)
    if as_json:
        print_json({"file": str(done.path), "seen": done.seen, "events": done.events, "tables": dict(done.tables)})
        return
    print(f"{done.path}  {done.events} of {done.seen} events, {len(done.tables)} tables")
    for name, count in sorted(done.tables.items()):
        print(f"  {name}  {count}")
