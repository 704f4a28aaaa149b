"""Exceptions of Tailrace. Every one carries a code that ``tailrace explain CODE`` knows."""
from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

__all__ = [
    "AuthError", "ConfigError", "ErrorInfo", "FormatError", "InternalError", "JobError", "JobExists", "JobOwned",
    "JobStopped", "MetaError", "NotSupported", "PositionPurged", "PrecheckBlocked", "RuleError", "RuleTimeout",
    "SchemaChanged", "SchemaError", "SchemaHeld", "SinkError", "SourceDeaf", "SourceError", "TailraceError", "WaitTimeout", "explain",
]


class ErrorInfo:
    """What the catalogue says about one code."""

    __slots__ = ("cause", "code", "http_status", "level", "message", "name", "retry", "solution")

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.code: str = fields["code"]
        self.name: str = fields["name"]
        self.level: str = fields["level"]
        self.retry: str = fields["retry"]
        self.http_status: int = fields["http_status"]
        self.message: str = fields["message"]
        self.cause: str = fields["cause"]
        self.solution: str = fields["solution"]

    def to_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in
                ("code", "name", "level", "message", "cause", "solution", "retry", "http_status")}

    def __repr__(self) -> str:
        return f"<ErrorInfo {self.code} {self.message}>"

    def __str__(self) -> str:
        return (f"{self.code}  {self.message}\n  cause    {self.cause}\n  solution {self.solution}\n"
                f"  retry    {self.retry}   level {self.level}")


class TailraceError(Exception):
    """A failure with code, cause, solution and place.

    ``message`` is the catalogue's line, ``detail`` what happened here, ``context`` the place (table, key, position,
    file …), ``causes`` the failures that led to it, nearest first.
    """

    def __init__(self, code: str, detail: str = "", context: Mapping[str, str] | None = None,
                 causes: tuple[Mapping[str, Any], ...] = ()) -> None:
        info = explain(code)
        self.info = info
        self.code = info.code
        self.name = info.name
        self.level = info.level
        self.message = info.message
        self.cause = info.cause
        self.solution = info.solution
        self.retry = info.retry
        self.http_status = info.http_status
        self.oms_code: str | None = None
        self.detail = detail
        self.context: dict[str, str] = dict(context or {})
        self.causes = causes
        if "gave up" in self.context:
            self.solution = "correct the cause, or wait until it is over; then run the job again: this process has ended it"
        super().__init__(code, detail)
        for cause in causes:
            self.add_note(f"caused by {cause['code']} {cause['detail']}".rstrip())

    @property
    def retryable(self) -> bool:
        return self.retry == "transient"

    @property
    def place(self) -> str:
        """Where it happened, on one line; empty when not known."""
        return "  ".join(f"{key}={value}" for key, value in self.context.items())

    def __str__(self) -> str:
        text = f"{self.code} {self.message}"
        if self.detail:
            text += f": {self.detail}"
        return f"{text} [{self.place}]" if self.context else text

    def to_dict(self) -> dict[str, Any]:
        return {"code": self.code, "name": self.name, "level": self.level, "message": self.message,
                "detail": self.detail, "cause": self.cause, "solution": self.solution, "retry": self.retry,
                "http_status": self.http_status, "context": dict(self.context),
                "causes": [dict(cause) for cause in self.causes]}

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.code, self.detail, self.context, self.causes)

    def _render_traceback_(self) -> list[str]:
        """What IPython shows: the facts without the frames. Plain Python shows all frames."""
        lines = [f"{type(self).__module__}.{type(self).__qualname__}: {self.code} {self.message}"]
        lines += [f"  {label:<8} {text}" for label, text in self.facts() if text]
        return lines

    def facts(self) -> list[tuple[str, str]]:
        """Label and text of everything worth showing below the headline."""
        facts = [("detail", self.detail), ("at", self.place)]
        facts += [("after", f"{cause['code']} {cause['detail']}".rstrip()) for cause in self.causes]
        facts += [("cause", self.cause), ("solution", self.solution),
                  ("retry", f"{self.retry}   |   tailrace explain {self.code}")]
        return facts


class ConfigError(TailraceError):
    """CFG: the configuration is wrong."""


class PrecheckBlocked(TailraceError):
    """A check that must pass did not."""


class SourceError(TailraceError):
    """SRC: reading the source failed."""


class AuthError(SourceError):
    """SRC-0002: the source refused the login."""


class PositionPurged(SourceError):
    """SRC-0007: the source no longer has the position."""


class SourceDeaf(SourceError):
    """SRC-0016: the source has gone silent."""


class SchemaError(TailraceError):
    """SCH: schema and rows do not fit."""


class SchemaHeld(SchemaError):
    """SCH-0005: a statement of the source waits for a decision."""

    def __init__(self, code: str, detail: str = "", context: Mapping[str, str] | None = None,
                 causes: tuple[Mapping[str, Any], ...] = ()) -> None:
        super().__init__(code, detail, context, causes)
        job = self.context.get("job")
        if job is not None:
            self.solution = (f"tailrace ddl release {job} lets the statement through, tailrace ddl skip {job} leaves it out: then the target "
                             "stays as it is, and rows that no longer fit it end the job (SCH-0003)")


class SchemaChanged(SchemaError):
    """SCH-0003: a schema change that is not applied by itself."""


class RuleError(TailraceError):
    """RULE: a rule is wrong or failed on a row."""


class RuleTimeout(RuleError):
    """RULE-0107: a rule ran too long."""


class FormatError(TailraceError):
    """FMT: a value cannot be written in this format."""


class SinkError(TailraceError):
    """SINK: writing failed."""


class JobError(TailraceError):
    """JOB: the job's state does not allow this."""


class JobExists(JobError):
    """JOB-0004: the job file was made with another configuration."""


class JobOwned(JobError):
    """JOB-0005: another process runs this job."""


class JobStopped(JobError):
    """JOB-0007: the job was stopped before it was done."""


class WaitTimeout(JobError, TimeoutError):
    """JOB-0008: the wait ended before its goal."""


class MetaError(TailraceError):
    """META: the job file cannot be read, written or queried."""


class NotSupported(TailraceError):
    """SRC-0011: this is not supported."""


class InternalError(TailraceError):
    """INT: a bug of the engine."""


_BY_CODE: dict[str, type[TailraceError]] = {
    "SRC-0002": AuthError, "SRC-0007": PositionPurged, "SRC-0011": NotSupported, "SRC-0016": SourceDeaf,
    "SCH-0003": SchemaChanged, "SCH-0005": SchemaHeld, "RULE-0107": RuleTimeout, "JOB-0004": JobExists, "JOB-0005": JobOwned,
    "JOB-0007": JobStopped, "JOB-0008": WaitTimeout,
}
_BY_FAMILY: dict[str, type[TailraceError]] = {
    "CFG": ConfigError, "SRC": SourceError, "SCH": SchemaError, "RULE": RuleError, "FMT": FormatError,
    "SINK": SinkError, "JOB": JobError, "META": MetaError, "INT": InternalError,
}


def explain(code: str, /) -> ErrorInfo:
    """The catalogue's entry of a code, e.g. ``explain("SRC-0007")``. CFG-0003 for one that there is not."""
    from tailrace import _core

    fields = _core.explain(code.strip())
    if fields is None:
        near = difflib.get_close_matches(code.strip().upper(), [entry["code"] for entry in _core.all_errors()], 1)
        raise make("CFG-0003", f"there is no error code {code!r}" + (f"; did you mean {near[0]}?" if near else ""))
    return ErrorInfo(fields)


def class_of(code: str) -> type[TailraceError]:
    return _BY_CODE.get(code) or _BY_FAMILY.get(code.partition("-")[0], InternalError)


def make(code: str, detail: str = "", **context: object) -> TailraceError:
    """An error of the class its code belongs to."""
    return class_of(code)(code, detail, {key: str(value) for key, value in context.items()})


def from_core(status: Mapping[str, Any]) -> TailraceError:
    """The exception of a failed status of the engine."""
    causes = []
    inner = status["caused_by"]
    while inner is not None:
        causes.append({key: inner[key] for key in ("code", "detail", "context")})
        inner = inner["caused_by"]
    return class_of(status["code"])(status["code"], status["detail"], status["context"], tuple(causes))
