"""Conformance cases of the message formats: run them, compare the messages, say what differs.

    python -m tailrace.conformance CASES.jsonl [--emit OUT.jsonl] [--verbose]

A case is one JSON object a line: a described change (docs/formats.md) and what is expected of its message. Files may be
compressed with gzip. --emit writes the messages instead, {"id", "raw"} a line, and needs no expectations.
"""
from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from tailrace import _core, errors
from tailrace.formats import _json

EXIT_DIFFERENCES = 4  # as the command line has it


@dataclass(frozen=True)
class Outcome:
    """What became of one case. `raw` is None when there is no message because of `failure`."""

    id: str
    raw: str | None
    failure: str = ""
    differences: tuple[_json.Difference, ...] = ()

    @property
    def failed(self) -> bool:
        return bool(self.failure) or any(not each.soft for each in self.differences)


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        opened: Any = gzip.open(path, "rt", encoding="utf-8") if packed else path.open(encoding="utf-8")
        with opened as lines:
            yield from lines
    except OSError as error:
        raise errors.make("CFG-0001", f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise errors.make("CFG-0001", f"{path}: no UTF-8: {error.reason} at byte {error.start}") from None


def encode_case(line: str) -> str:
    """The message of a case as text; "null" when its format has none for the change."""
    value, _ = _core.encode_change(line)
    return "null" if value is None else value.decode()


def run_case(line: str, number: int, judge: bool) -> Outcome:
    try:
        case = _json.loads(line)
    except ValueError as error:
        return Outcome(f"line {number}", None, f"no JSON: {error}")
    if not isinstance(case, dict):
        return Outcome(f"line {number}", None, "no JSON object")
    name = str(case.get("id") or f"line {number}")
    try:
        raw = encode_case(line)
    except errors.TailraceError as error:
        return Outcome(name, None, str(error))
    if not judge:
        return Outcome(name, raw)
    if "expect" not in case:
        return Outcome(name, raw, "nothing is expected of it; --emit writes messages without comparing them")
    try:
        message = _json.loads(raw)
    except ValueError as error:
        return Outcome(name, raw, f"the message is no JSON: {error}")
    return Outcome(name, raw, "", tuple(_json.compare(case["expect"], message, _json.Judgement.of(case))))


def outcomes(path: Path, judge: bool = True) -> Iterator[Outcome]:
    for number, line in enumerate(_lines(path), 1):
        if line.strip():
            yield run_case(line, number, judge)


def run(path: Path, emit: Path | None = None, verbose: bool = False, out: TextIO | None = None) -> int:
    """Prints what failed and how many; 0 when nothing did."""
    out = out or sys.stdout
    passed = failed = soft = 0
    try:
        target = emit.open("w", encoding="utf-8") if emit else nullcontext(None)
    except OSError as error:
        raise errors.make("CFG-0001", f"{emit}: {error.strerror}") from None
    with target as messages:
        for outcome in outcomes(path, judge=emit is None):
            failed += outcome.failed
            passed += not outcome.failed
            soft += sum(each.soft for each in outcome.differences)
            if messages is not None and outcome.raw is not None:
                print(json.dumps({"id": outcome.id, "raw": outcome.raw}), file=messages)
            if outcome.failure:
                print(f"FAILED {outcome.id} {outcome.failure}", file=out)
            for each in outcome.differences:
                if verbose or not each.soft:
                    print(f"{'SOFT' if each.soft else 'FAILED'} {outcome.id} {each}", file=out)
    if passed + failed == 0:
        print(f"{path} has no cases", file=out)
    if soft:
        print(f"{soft} soft differences" + ("" if verbose else "; --verbose shows them"), file=out)
    print(f"{passed} passed, {failed} failed", file=out)
    return 0 if failed == 0 and passed > 0 else EXIT_DIFFERENCES


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tailrace.conformance", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path, help="a file of cases, one JSON object a line")
    parser.add_argument("--emit", type=Path, metavar="OUT", help="write the messages there and compare nothing")
    parser.add_argument("--verbose", "-v", action="store_true", help="show soft differences too")
    given = parser.parse_args(arguments)
    try:
        return run(given.cases, given.emit, given.verbose)
    except errors.TailraceError as error:
        print(f"✗ {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
