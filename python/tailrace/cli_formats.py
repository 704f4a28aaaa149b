"""`tailrace format` and `tailrace conformance`."""
from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tailrace import conformance as cases
from tailrace import errors, formats

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Messages of the formats: make one, compare two.")


def _read(path: str) -> bytes:
    if path == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise errors.make("CFG-0001", f"{path}: {error.strerror}") from None


def _options(given: list[str]) -> dict[str, str]:
    options = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise errors.make("CFG-0003", f"--set {item}: OPTION=VALUE expected")
        options[name] = value
    return options


@app.command()
def encode(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="Described changes, one JSON object a line.")] = "-",
    format: Annotated[str | None, typer.Option(help="The format, in place of the change's own.", show_default=False)] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="OPTION=VALUE", help="An option of the format.",
                                                   show_default=False)] = None,
) -> None:
    """Write the message of each described change, one a line (an Avro record in binary as hex)."""
    options = _options(set_ or [])
    try:
        lines = _read(file).decode().split("\n")
    except UnicodeDecodeError as error:
        raise errors.make("FMT-0002", f"{file}: no UTF-8 at byte {error.start}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            message = formats.encode(line, format=format, **options)
        except ValueError as error:
            raise errors.make("FMT-0002", f"no JSON: {error}", file=file, line=number) from None
        if message.value is not None:
            try:
                print(message.value.decode())
            except UnicodeDecodeError:
                print(message.value.hex())


@app.command()
def diff(
    format: Annotated[str, typer.Argument(help="The format of both.", show_default=False)],
    left: Annotated[str, typer.Argument(metavar="LEFT", help="A file with one message; - is stdin.", show_default=False)],
    right: Annotated[str, typer.Argument(metavar="RIGHT", help="The other.", show_default=False)],
) -> None:
    """Where two messages differ. Exit code 4 when they do."""
    found = formats.diff(format, _read(left), _read(right))
    for each in found:
        print(each)
    raise typer.Exit(cases.EXIT_DIFFERENCES if found else 0)


def conformance(
    cases_file: Annotated[Path, typer.Option("--cases", metavar="FILE", help="Cases, one JSON object a line; may be gzip.",
                                             show_default=False)],
    emit: Annotated[Path | None, typer.Option(metavar="OUT", help="Write the messages there and compare nothing.",
                                              show_default=False)] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show soft differences too.")] = False,
) -> None:
    """Run conformance cases of the message formats. Exit code 4 when one failed."""
    raise typer.Exit(cases.run(cases_file, emit, verbose))
