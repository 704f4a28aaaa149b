"""What a job answers when it is given other rules."""
from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tailrace import errors


@dataclass(frozen=True)
class RuleSwap:
    """``position`` is the cut: what is committed behind it has the new version. None: where the next run begins."""

    before: str
    after: str
    position: str | None
    changes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "changes": list(self.changes)}

    def __str__(self) -> str:
        lines = [f"rules {self.before or '(none)'} -> {self.after or '(none)'} from "
                 f"{self.position or 'where the next run begins'}"]
        return "\n".join(lines + [f"  {change}" for change in self.changes])


def from_core(fields: Mapping[str, Any]) -> RuleSwap:
    return RuleSwap(fields["before"], fields["after"], fields["position"] or None, tuple(fields["changes"]))


def failure(verb: str, answer: str, job: object) -> errors.TailraceError:
    """The error that a command of another process was answered with."""
    found = re.match(r"([A-Z]+-\d{4}) (.*)", answer, re.DOTALL)
    if found is None:
        return errors.make("JOB-0006", f"{verb}: {answer}", job=job)
    info = errors.explain(found[1])
    return errors.make(found[1], found[2].removeprefix(info.message).removeprefix(": "), job=job)


def arguments(file: str, options: Mapping[str, object], back: bool, apply_ddl: bool, timeout_ms: int, at: str = "") -> str:
    return json.dumps({"file": file, "options": option_texts(options), "back": back, "apply_ddl": apply_ddl,
                       "timeout_ms": timeout_ms, "at": at})


def place_of(at: str) -> str:
    """A place in the log as the engine takes it; "" is the next boundary."""
    if at == "now":
        return ""
    if at.startswith("gtid:"):
        gtid = at[5:]
        # One transaction of MySQL stands for all up to it.
        return "gtid=" + re.sub(r"^([0-9a-fA-F-]{36}):(\d+)$", r"\1:1-\2", gtid)
    if "=" in at:
        return at
    raise errors.make("CFG-0003", f"at: now, gtid:… or a position as status shows it expected, got {at!r}")


def check_cases(rules: Sequence[str], options: Mapping[str, object]) -> int:
    """Runs the cases beside a rule file, or those of a chain, and counts them; RULE-0111 when one fails."""
    from tailrace.rules.cases import CaseFile, cases_beside

    passed = 0
    for case in cases_beside(rules):
        report = CaseFile(case, rules).run(options)
        passed += report.passed
        if not report.ok:
            shown = "\n".join(report.lines())
            raise errors.make("RULE-0111", f"{len(report.failed)} of the cases in {case.name} fail, so the rules stay as they are "
                              f"(--no-test, or test=False, swaps all the same):\n{shown}")
    return passed


def option_texts(options: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in options.items()}
