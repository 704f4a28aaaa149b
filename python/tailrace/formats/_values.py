"""Values of messages back to what the source printed."""
from __future__ import annotations

import base64
import re
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any

from tailrace.formats._json import Json, Num

_BYTES = {"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "vector"}
_GEOMETRIES = {"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
               "geometrycollection", "geomcollection"}
_EPOCH = datetime(1970, 1, 1)
_ZERO_TIMESTAMP = "0000-00-00 00:00:00"
_ZERO_SECONDS = -9223372022400


def base_of(kind: str) -> str:
    return re.split(r"[ (]", kind.strip().lower(), maxsplit=1)[0]


def plain(value: Json) -> Any:
    """JSON as Python has it: numbers without a loss."""
    if isinstance(value, Num):
        return int(value) if re.fullmatch(r"-?\d+", value) else Decimal(value)
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value


def _hex(data: bytes) -> dict[str, str]:
    return {"hex": data.hex()}


def _bits(kind: str, number: int) -> dict[str, str]:
    width = re.search(r"\((\d+)\)", kind)
    return _hex(number.to_bytes((int(width[1]) + 7) // 8 if width else 1, "big"))


def _clock(microseconds: int) -> str:
    sign = "-" if microseconds < 0 else ""
    seconds, fraction = divmod(abs(microseconds), 1_000_000)
    text = f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return text + (f".{fraction:06}" if fraction else "")


def _moment(time: datetime) -> str:
    text = f"{time.year:04}-{time:%m-%d %H:%M:%S}"
    return text + (f".{time.microsecond:06}" if time.microsecond else "")


def _utc(seconds: int, microseconds: int) -> str:
    return _moment(_EPOCH + timedelta(seconds=seconds, microseconds=microseconds))


def of_text(kind: str, value: Json) -> Any:
    """Of Default, DefaultExtendColumnType, DataWorks, SharePlex."""
    base = base_of(kind)
    if base in _BYTES or base in _GEOMETRIES:
        return _hex(base64.b64decode(value, validate=True))
    if base == "bit":
        return _bits(kind, int.from_bytes(base64.b64decode(value, validate=True), "big"))
    if base == "timestamp" and value != _ZERO_TIMESTAMP:
        seconds = Decimal(value)
        whole = int(seconds // 1)
        return _utc(whole, int((seconds - whole) * 1_000_000))
    if base == "year":
        return str(value).zfill(4)
    return str(value)


def of_canal(kind: str, value: Json, zone: tzinfo, latin1: bool) -> Any:
    base = base_of(kind)
    if base in _BYTES or base in _GEOMETRIES:
        return _hex(value.encode("latin-1") if latin1 else base64.b64decode(value, validate=True))
    if base == "bit":
        return _bits(kind, int(value))
    if base == "timestamp":
        if value == _ZERO_TIMESTAMP:
            return value
        local = datetime.fromisoformat(_padded(value)).replace(tzinfo=zone)
        return _moment(local.astimezone(UTC).replace(tzinfo=None))
    return of_text(kind, value)


def _padded(text: str) -> str:
    """A fraction of six digits, as Python reads it."""
    head, dot, fraction = text.partition(".")
    return f"{head}.{fraction:0<6}" if dot else head


def _date(days: int) -> str:
    """Also of the year 0, which Python's dates do not have."""
    # Civil from days, counted from 0000-03-01.
    shifted = days + 719_468
    era, day_of_era = divmod(shifted, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month + 2) // 5 + 1
    month += 3 if month < 10 else -9
    return f"{year_of_era + era * 400 + (month <= 2):04}-{month:02}-{day:02}"


def of_envelope(kind: str, value: Json) -> Any:
    """Of Debezium, DebeziumFlatten, DebeziumSmt."""
    base = base_of(kind)
    if base in _BYTES or base in _GEOMETRIES:
        return _hex(bytes.fromhex(value))
    if base == "bit":
        return _bits(kind, int(value, 16))
    if base == "date":
        return _date(int(value))
    if base == "time":
        return _clock(int(value))
    if base == "datetime":
        days, milliseconds = divmod(int(value), 86_400_000)
        return f"{_date(days)} {_clock(milliseconds * 1000)}"
    if base == "timestamp":
        return value.replace("T", " ").removesuffix("Z")
    return of_text(kind, value)


def of_record(kind: str | None, value: Json) -> Any:
    """Of an Avro record; the type is only needed for the width of a BIT."""
    if "year" in value:
        return _of_parts({name: None if value.get(name) is None else int(value[name]) for name in
                          ("year", "month", "day", "hour", "minute", "second", "millis")})
    if "timestamp" in value:
        seconds = int(value["timestamp"])
        return _ZERO_TIMESTAMP if seconds == _ZERO_SECONDS else _utc(seconds, int(value["millis"]) // 1000)
    content = value["value"]
    if isinstance(content, dict):
        data = content["bytes"].encode("latin-1")
        return data.decode() if "charset" in value else _hex(data)
    if kind is not None and base_of(kind) == "bit":
        return _bits(kind, int(content))
    return str(content)


def _of_parts(p: dict[str, int | None]) -> str:
    date = None if p["day"] is None else f"{p['year']:04}-{p['month']:02}-{p['day']:02}"
    if p["second"] is None:
        return date if date is not None else f"{p['year']:04}"
    microseconds = ((p["hour"] or 0) * 3600 + (p["minute"] or 0) * 60 + p["second"]) * 1_000_000 + (p["millis"] or 0)
    return _clock(microseconds) if date is None else f"{date} {_clock(microseconds)}"


__all__ = ["base_of", "of_canal", "of_envelope", "of_record", "of_text", "plain"]
