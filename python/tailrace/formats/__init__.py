"""Message formats: a change to a message, a message to a change, and where two messages differ.

    from tailrace import formats
    message = formats.encode(change, format="canal", time_zone="+00:00")
    formats.decode("canal", message.value).after
    formats.diff("canal", message.value, other)

A described change is {"format", "options", "table", "change"}, as docs/formats.md has it.
"""
from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from tailrace import _core, errors
from tailrace.formats import _avro, _json
from tailrace.formats._decode import Change, decode
from tailrace.formats._json import Difference

__all__ = ["Change", "Difference", "Message", "avro_schema", "decode", "diff", "encode", "names"]


@dataclass(frozen=True)
class Message:
    """Value and key as they go to Kafka. `value` is None when the format has no message for the change."""

    value: bytes | None
    key: bytes | None

    @property
    def text(self) -> str:
        return "" if self.value is None else self.value.decode()


def names() -> list[str]:
    """The formats of this build."""
    return [plugin["name"] for plugin in _core.list_plugins() if plugin["kind"] == "format"]


def encode(change: Mapping[str, Any] | str, *, format: str | None = None, **options: object) -> Message:
    """The message of a described change. `format` and options replace its own."""
    if format is not None or options:
        described = dict(json.loads(change) if isinstance(change, str) else change)
        if format is not None:
            described["format"] = format
        described["options"] = {**(described.get("options") or {}), **options}
        change = described
    text = change if isinstance(change, str) else json.dumps(change, ensure_ascii=False)
    return Message(*_core.encode_change(text))


def avro_schema() -> str:
    """The schema of the Avro records, as a registry takes it."""
    return resources.files(__package__).joinpath("record.avsc").read_text()


def _parsed(format: str, message: bytes | str) -> Any:
    if format.lower() == "avro" and isinstance(message, bytes) and not message.lstrip().startswith(b"{"):
        return _json.loads(_json.dumps(_avro.printed(_avro.read(message))))
    try:
        return _json.loads(message)
    except ValueError as error:
        raise errors.make("FMT-0003", f"no JSON: {error}", format=format) from None


def diff(format: str, left: bytes | str, right: bytes | str) -> list[Difference]:
    """Where two messages of a format differ: numbers as exact decimals, an absent member as null."""
    if format.lower() not in names():
        near = _core.nearest_name(format.lower(), names())
        raise errors.make("CFG-0005", f"format '{format}'" + (f" (did you mean '{near}'?)" if near else ""))
    return _json.compare(_parsed(format, left), _parsed(format, right))
