"""Commands that steer the rules of a job: `tailrace rule swap`, `tailrace rule back`, `tailrace ddl …`."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

import tailrace
from tailrace import errors
from tailrace.rule_swap import RuleSwap
from tailrace.status import summary

JsonFlag = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]
JobArgument = Annotated[Path, typer.Argument(metavar="JOB", help="The job file.", show_default=False)]
ApplyDdl = Annotated[bool, typer.Option("--apply-ddl", help="The output schema may change.")]
Timeout = Annotated[str, typer.Option(help="How long to wait for a transaction boundary.")]


def _options(given: list[str]) -> dict[str, str]:
    options: dict[str, str] = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise errors.make("CFG-0003", f"--option {item}: NAME=VALUE expected")
        options[name.strip()] = value
    return options


def _show(answer: RuleSwap, as_json: bool) -> None:
    print(json.dumps(answer.to_dict(), ensure_ascii=False) if as_json else answer)


def swap(
    job: JobArgument,
    file: Annotated[list[Path], typer.Argument(metavar="FILE…", help="The rule file to go on with; several: a chain.", show_default=False)],
    option: Annotated[list[str] | None, typer.Option("--option", metavar="NAME=VALUE", show_default=False,
                                                     help="Change an option of the rules.")] = None,
    at: Annotated[str, typer.Option(metavar="now|gtid:…", help="Where the new rules begin: a place the job has not come to.")] = "now",
    no_test: Annotated[bool, typer.Option("--no-test", help="Do not run the cases of the file first.")] = False,
    apply_ddl: ApplyDdl = False,
    timeout: Timeout = "60s",
    as_json: JsonFlag = False,
) -> None:
    """Give a job other rules at its next transaction boundary; prints the position of the cut. The cases beside the file are run
    first, and one that fails refuses the swap."""
    for one in file:
        if not one.is_file():
            raise errors.make("CFG-0003", f"{one}: no such rule file")
    _show(tailrace.attach(job).swap_rules(file, _options(option or []), apply_ddl=apply_ddl, at=at, test=not no_test,
                                           timeout=timeout), as_json)


def back(job: JobArgument, apply_ddl: ApplyDdl = False, timeout: Timeout = "60s", as_json: JsonFlag = False) -> None:
    """Go back to the rules that the job had before; once more brings the present ones back."""
    _show(tailrace.attach(job).rules_back(apply_ddl=apply_ddl, timeout=timeout), as_json)


def add_to(rule: typer.Typer) -> None:
    rule.command()(swap)
    rule.command()(back)


ddl = typer.Typer(no_args_is_help=True, help="Schema changes that the rules hold.")
NumberArgument = Annotated[int, typer.Argument(metavar="[NUMBER]", help="Which one; not needed when one is held.",
                                               show_default=False)]


@ddl.command("list")
def list_(job: JobArgument, every: Annotated[bool, typer.Option("--all", help="Also what was decided or skipped.")] = False,
          as_json: JsonFlag = False) -> None:
    """Statements that wait for a decision."""
    condition = "state <> ''" if every else "state = 'held'"
    rows = tailrace.attach(job).meta.sql('SELECT id, state, database || \'.\' || "table" AS "table", position, reason, ddl '
                                         f"FROM v1_ddl WHERE {condition} ORDER BY id").to_dicts()
    for row in rows:
        if as_json:
            print(json.dumps(row, ensure_ascii=False))
        else:
            number, state, table, position, reason, statement = (str(cell) for cell in row.values())
            print(f"{number:>4}  {state:<8}  {table}  {position}  {reason}\n      {statement}")
    if not rows and not as_json:
        print("no statement is held" if not every else "no statement was held, skipped or stopped at")


@ddl.command()
def release(job: JobArgument, number: NumberArgument = 0) -> None:
    """Let a held statement through; the job goes on."""
    print(summary(tailrace.attach(job).release_ddl(number)))


@ddl.command()
def skip(job: JobArgument, number: NumberArgument = 0) -> None:
    """Leave a held statement out; the job goes on."""
    print(summary(tailrace.attach(job).skip_ddl(number)))
