"""Sources, sinks and secrets: declared here, opened by the engine."""
from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tailrace import _core, errors
from tailrace._waiting import run_interruptibly

_REFERENCE = re.compile(r"\$\{(?:env|file):[^}]*\}")


@dataclass(frozen=True, slots=True)
class Secret:
    """A reference to a secret, never its value."""

    reference: str

    def __str__(self) -> str:
        return self.reference


def env(name: str, /) -> Secret:
    """The value of an environment variable, read when the job starts."""
    return Secret(f"${{env:{name}}}")


def file(path: str | os.PathLike[str], /) -> Secret:
    """The content of a file without its last line break, read when the job starts."""
    return Secret(f"${{file:{os.path.abspath(path)}}}")


def is_reference(text: str) -> bool:
    return _REFERENCE.fullmatch(text) is not None


def option_text(name: str, value: object) -> str:
    """An option as plain text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return time_text(name, value)
    if isinstance(value, timedelta):
        return f"{round(value.total_seconds() * 1_000_000)}us"
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return ",".join(option_text(name, item) for item in value)
    raise errors.make("CFG-0003", f"{name}: a text, number, bool, duration or list expected, got {type(value).__name__}")


def time_text(name: str, value: datetime) -> str:
    """A moment as the engine takes it. One without a zone could mean several."""
    if value.utcoffset() is None:
        raise errors.make("CFG-0003", f"{name}: {value.isoformat(' ')} has no time zone: append Z, or an offset such as +02:00")
    return value.isoformat()


def secret_options() -> frozenset[str]:
    """Names of options that some source, sink or format marks as secret."""
    global _secret_options
    if _secret_options is None:
        _secret_options = frozenset({"password"} | {option["name"] for plugin in _core.list_plugins()
                                                    for option in plugin["options"] if option["secret"]})
    return _secret_options


_secret_options: frozenset[str] | None = None


def split_password(url: str, stacklevel: int = 3) -> tuple[str, str | None]:
    """The URL without its password, and the password. A password in a URL ends up in logs and histories: warned."""
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*://)([^/?#]*)@", url)
    if match is None or ":" not in match[2]:
        return url, None
    user, _, _ = match[2].partition(":")
    password = _core.parse_url(url)["password"]
    warnings.warn("a password inside a URL is easily seen by others; give password=tailrace.env(\"NAME\")",
                  UserWarning, stacklevel=stacklevel)
    return f"{match[1]}{user}@{url[match.end():]}", password


@dataclass(frozen=True)
class Endpoint:
    """A source or a sink: its URL and options. Making one opens no connection."""

    role: str                                             # "source", "sink", or "any" from connect()
    url: str
    options: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)   # literals, of this process only

    def config(self) -> dict[str, str]:
        """As it stands in a job's configuration."""
        return {"url": self.url, **self.options}

    def open_options(self) -> dict[str, str]:
        """All options with the secrets, for the engine's own eyes. Literals are escaped against interpolation."""
        return {**self.options, **{name: value.replace("$", "$$") for name, value in self.secrets.items()}}

    def doctor(self) -> Report:
        """Connect and check everything a job needs."""
        items = run_interruptibly(lambda: _core.check_source(self.url, self.open_options()))
        return Report(self.url, tuple(CheckItem(*item) for item in items))

    def close(self) -> None:
        """Nothing is held open between calls."""

    def __repr__(self) -> str:
        options = "".join(f" {name}={value}" for name, value in self.options.items() if name not in secret_options())
        return f"<{self.role} {self.url}{options}>"


@dataclass(frozen=True, slots=True)
class CheckItem:
    name: str
    detail: str
    error: errors.TailraceError | None
    is_doubtful: bool = False                             # no error, but worth a look

    @property
    def ok(self) -> bool:
        return self.error is None

    @property
    def is_warning(self) -> bool:
        return self.is_doubtful or self.error is not None and self.error.level == "warn"


@dataclass(frozen=True, slots=True)
class Report:
    """What ``doctor`` found."""

    url: str
    items: tuple[CheckItem, ...]

    @property
    def ok(self) -> bool:
        return all(item.ok or item.is_warning for item in self.items)

    def raise_if_blocked(self) -> Report:
        for item in self.items:
            if item.error is not None and not item.is_warning:
                raise item.error
        return self

    def to_dict(self) -> dict[str, Any]:
        return {"url": self.url, "ok": self.ok,
                "items": [{"name": item.name, "detail": item.detail, "warning": item.is_warning,
                           "error": item.error.to_dict() if item.error else None} for item in self.items]}

    def __str__(self) -> str:
        lines = [self.url]
        for item in self.items:
            mark = "⚠" if item.is_warning else "✓" if item.ok else "✗"
            lines.append(f"  {mark} {item.name}  {item.detail}".rstrip())
            if item.error is not None:
                lines.append(f"      {item.error}")
                lines.append(f"      solution: {item.error.solution}")
        return "\n".join(lines)


def make_endpoint(role: str, url: str, options: Mapping[str, object], warn_level: int = 4) -> Endpoint:
    """Splits options into what may be stored and what may not."""
    if not isinstance(url, str) or "://" not in url:
        raise errors.make("CFG-0006", f"{role}.url: {url!r} has no scheme", key=f"{role}.url")
    url, password = split_password(url, warn_level)
    stored: dict[str, str] = {}
    secrets: dict[str, str] = {}
    if password is not None:
        secrets["password"] = password
    for name, value in options.items():
        if value is None:
            continue
        if isinstance(value, Secret) or isinstance(value, str) and is_reference(value):
            stored[name] = str(value)
            secrets.pop(name, None)
            continue
        text = option_text(f"{role}.{name}", value)
        if name in secret_options():
            secrets[name] = text
        else:
            stored[name] = text.replace("$", "$$")  # the engine resolves references in every option
    return Endpoint(role, url, stored, secrets)


def source(url: str, /, *, password: Secret | str | None = None, **options: object) -> Endpoint:
    """A source, e.g. ``source("mysql://mig@db1:3306", password=env("PW"), tls="required")``."""
    return make_endpoint("source", url, {"password": password, **options})


def sink(url: str, /, *, password: Secret | str | None = None, format: str | None = None,
         **options: object) -> Endpoint:
    """A sink, e.g. ``sink("sqlite:///copy.db")`` or ``sink("kafka://k1:9092", format="debezium")``."""
    return make_endpoint("sink", url, {"password": password, "format": format, **options})


def connect(url: str, /, *, password: Secret | str | None = None, **options: object) -> Endpoint:
    """A source that is tried at once: raises what a login, or a missing server, would raise later."""
    endpoint = make_endpoint("source", url, {"password": password, **options})
    report = endpoint.doctor()
    for item in report.items:
        if item.error is not None and item.error.code in _NOT_THERE:
            raise item.error
    return endpoint


# Failures to reach the server at all; other findings of the doctor do not stop a connect().
_NOT_THERE = ("SRC-0001", "SRC-0002", "SRC-0003", "SRC-0012", "SRC-0014", "CFG-0002", "CFG-0003", "CFG-0004",
              "CFG-0005", "CFG-0006", "CFG-0007")
