"""Avro binary of the record schema, read by the schema itself."""
from __future__ import annotations

import json
import struct
from functools import cache
from importlib import resources
from typing import Any

from tailrace import errors

_FRAME = 5  # Confluent's: a zero byte and the schema's number
_MAX_ITEMS = 1 << 24


class _Reader:
    def __init__(self, data: bytes, schema: Any) -> None:
        self.data = data
        self.at = 0
        self.named: dict[str, Any] = {}
        self.collect(schema)

    def collect(self, schema: Any) -> None:
        """Named types by their short name."""
        if isinstance(schema, list):
            for each in schema:
                self.collect(each)
        elif isinstance(schema, dict):
            if schema["type"] in ("record", "enum"):
                self.named[schema["name"]] = schema
            for each in schema.get("fields", ()):
                self.collect(each["type"])
            for part in ("items", "values", "type"):
                if isinstance(schema.get(part), dict | list):
                    self.collect(schema[part])

    def take(self, size: int) -> bytes:
        if size < 0 or size > len(self.data) - self.at:
            raise ValueError(f"it ends at byte {len(self.data)}, {size} more expected at {self.at}")
        self.at += size
        return self.data[self.at - size:self.at]

    def number(self) -> int:
        shift = value = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value >> 1 ^ -(value & 1)
            shift += 7
            if shift > 63:
                raise ValueError(f"no number at byte {self.at}")

    def blocks(self, read_one: Any) -> None:
        total = 0
        while (count := self.number()) != 0:
            if count < 0:
                count = -count
                self.number()  # the block's size
            total += count
            if total > _MAX_ITEMS:
                raise ValueError(f"{total} items")
            for _ in range(count):
                read_one()

    def value(self, schema: Any) -> Any:
        if isinstance(schema, list):
            branch = self.number()
            if not 0 <= branch < len(schema):
                raise ValueError(f"no branch {branch} of a union before byte {self.at}")
            return self.value(schema[branch])
        if isinstance(schema, str) and schema in self.named:
            schema = self.named[schema]
        kind = schema if isinstance(schema, str) else schema["type"]
        if kind == "null":
            return None
        if kind in ("int", "long"):
            return self.number()
        if kind == "double":
            return struct.unpack("<d", self.take(8))[0]
        if kind == "bytes":
            return self.take(self.number())
        if kind == "string":
            return self.take(self.number()).decode()
        if kind == "record":
            return {"": schema["name"], **{each["name"]: self.value(each["type"]) for each in schema["fields"]}}
        if kind == "enum":
            symbol = self.number()
            if not 0 <= symbol < len(schema["symbols"]):
                raise ValueError(f"no symbol {symbol} of {schema['name']}")
            return schema["symbols"][symbol]
        if kind == "array":
            items: list[Any] = []
            self.blocks(lambda: items.append(self.value(schema["items"])))
            return items
        if kind == "map":
            entries: dict[str, Any] = {}

            def entry() -> None:
                key = self.value("string")
                entries[key] = self.value(schema["values"])
            self.blocks(entry)
            return entries
        raise ValueError(f"type {kind}")


@cache
def _schema() -> Any:
    return json.loads(resources.files(__package__).joinpath("record.avsc").read_text())


def read(message: bytes) -> dict[str, Any]:
    """A record, framed or not. Records inside carry their name under ""."""
    framed = len(message) > _FRAME and message[0] == 0
    reader = _Reader(message[_FRAME:] if framed else message, _schema())
    try:
        record: dict[str, Any] = reader.value(_schema())
        if reader.at != len(reader.data):
            raise ValueError(f"{len(reader.data) - reader.at} bytes after its end")
    except (ValueError, RecursionError) as error:
        raise errors.make("FMT-0003", str(error), format="avro") from None
    return record


def printed(value: Any) -> Any:
    """As Java prints a record: bytes as {"bytes": one code point per byte}, without the names."""
    if isinstance(value, bytes):
        return {"bytes": value.decode("latin-1")}
    if isinstance(value, dict):
        return {key: printed(each) for key, each in value.items() if key}
    if isinstance(value, list):
        return [printed(each) for each in value]
    return value
