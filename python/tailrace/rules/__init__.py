"""Rules at the desk: case files, checks, captures and replay, without a job."""
from tailrace.rules.arrows import Arrow
from tailrace.rules.cases import CaseFile, Report, Step, find_cases
from tailrace.rules.cases import run as test
from tailrace.rules.check import CheckReport, check
from tailrace.rules.images import Column, Images
from tailrace.rules.profile import Profile, profile
from tailrace.rules.python import File, Rule, column, line, meta, native, row_json, rule, secret, sql, where
from tailrace.rules.replay import Letters, Replay, dead_letters, replay

__all__ = [
    "Arrow", "CaseFile", "CheckReport", "Column", "File", "Images", "Letters", "Profile", "Replay", "Report", "Rule", "Step", "check", "column",
    "dead_letters", "find_cases", "line", "meta", "native", "profile", "replay", "row_json", "rule", "secret", "sql", "test", "where",
]
