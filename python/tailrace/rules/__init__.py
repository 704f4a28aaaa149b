"""Rules at the desk: case files, checks, captures and replay, without a job."""
from tailrace.rules.arrows import Arrow
from tailrace.rules.cases import CaseFile, Report, Step, find_cases
from tailrace.rules.cases import run as test
from tailrace.rules.check import CheckReport, check
from tailrace.rules.profile import Profile, profile
from tailrace.rules.replay import Replay, replay

__all__ = ["Arrow", "CaseFile", "CheckReport", "Profile", "Replay", "Report", "Step", "check", "find_cases", "profile", "replay", "test"]
