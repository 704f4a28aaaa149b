"""Messages back to changes, as a consumer would read them."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from tailrace import _core, errors
from tailrace.formats import _avro, _json, _values
from tailrace.formats._json import Json, Num

Row = dict[str, Any]
Types = Mapping[str, str]


@dataclass(frozen=True)
class Change:
    """What a message says.

    `op`: insert, update, delete, row, ddl, heartbeat, transaction_begin, transaction_end; "upsert" where the format does not
    tell insert from update.
    Images are None where the message has none. `types`: of the columns, where the message names them. `message`: all
    of it, numbers as their tokens.
    """

    op: str
    database: str | None = None
    table: str | None = None
    before: Row | None = None
    after: Row | None = None
    key: tuple[str, ...] = ()
    ts_ms: int | None = None
    ddl: str | None = None
    types: Types | None = None
    message: Json = None


class _Context:
    def __init__(self, columns: Types | None, time_zone: str, bytes_encoding: str) -> None:
        self.columns = columns
        self.zone = zone_of(time_zone)
        self.latin1 = bytes_encoding == "latin1"

    def row(self, image: Json, convert: Callable[[str, Json], Any]) -> Row | None:
        if image is None:
            return None
        if self.columns is None:
            return {name: _values.plain(value) for name, value in image.items()}
        return {name: None if value is None else convert(self.columns[name], value) for name, value in image.items()}


def zone_of(text: str) -> tzinfo:
    if text[:1] in "+-" and ":" in text:
        hours, minutes = text[1:].split(":")
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        return timezone(-offset if text[0] == "-" else offset)
    return ZoneInfo(text)


def _integer(value: Json) -> int | None:
    return None if value is None else int(value)


def _split(name: str | None) -> tuple[str | None, str | None]:
    database, dot, table = (name or "").partition(".")
    return (database, table) if dot else (None, name)


def _default(message: Json, context: _Context) -> Change:
    meta = message["allMetaData"]
    op = {"INSERT": "insert", "UPDATE": "update", "DELETE": "delete", "ROW": "row", "DDL": "ddl",
          "HEARTBEAT": "heartbeat"}[message["recordType"]]
    images: list[Row | None] = []
    types: dict[str, str] | None = None
    for name in ("prevStruct", "postStruct"):
        image = message.get(name)
        light = image.get("__light_type") if image else None
        if isinstance(light, dict):
            types = {column: kind["schemaType"] for column, kind in light.items()}
            image = {column: value for column, value in image.items() if column != "__light_type"}
        images.append(None if op == "ddl" else context.row(image, _values.of_text))
    seconds = meta.get("timestamp")
    key = meta.get("record_primary_key")
    return Change(op, meta.get("db"), meta.get("table_name"), images[0], images[1], tuple(key.split("\x01")) if key else (),
                  None if seconds is None else int(seconds) * 1000,
                  message["postStruct"]["ddl"] if op == "ddl" else None, None if op == "ddl" else types, message)


def _canal(message: Json, context: _Context) -> Change:
    def value(kind: str, given: Json) -> Any:
        return _values.of_canal(kind, given, context.zone, context.latin1)

    types = message.get("mysqlType")
    key = tuple(message.get("pkNames") or ())
    common = (message.get("database"), message.get("table"))
    time = _integer(message.get("es"))
    if message["isDdl"]:
        return Change("ddl", *common, ts_ms=time, ddl=message["sql"], message=message)
    data = context.row(message["data"][0], value)
    old = context.row(message["old"][0], value) if message.get("old") else None
    op = {"INSERT": "insert", "UPDATE": "update", "DELETE": "delete"}[message["type"]]
    before = {**(data or {}), **(old or {})} if op == "update" else data if op == "delete" else None
    return Change(op, *common, before, None if op == "delete" else data, key, time, None, types, message)


def _dataworks(message: Json, context: _Context) -> Change:
    payload = message["payload"]
    if payload["op"] == "HEARTBEAT":
        return Change("heartbeat", ts_ms=_integer(payload["timestamp"]["eventTime"]), message=message)
    schema = message["schema"]
    source = schema["source"]
    op = {"INSERT": "insert", "UPDATE": "update", "DELETE": "delete", "TRANSACTION_BEGIN": "transaction_begin",
          "TRANSACTION_END": "transaction_end"}.get(payload["op"], "ddl")
    images = [context.row(payload[name]["data"], _values.of_text) if payload.get(name) else None for name in ("before", "after")]
    types = {column["name"]: column["type"] for column in schema["column"]} if schema.get("column") else None
    ddl = payload.get("ddl")
    return Change(op, source["dbName"], source["table"], images[0], images[1], tuple(schema.get("pk") or ()),
                  _integer(payload["timestamp"].get("eventTime")), ddl["text"] if ddl else None, types, message)


def _shareplex(message: Json, context: _Context) -> Change:
    meta = message["meta"]
    op = {"ins": "insert", "upd": "update", "del": "delete", "ddl": "ddl"}[meta["op"]]
    database, table = _split(meta.get("table"))
    time = None
    if meta.get("time"):
        time = int(datetime.fromisoformat(meta["time"]).replace(tzinfo=context.zone).timestamp()) * 1000
    if op == "ddl":
        return Change(op, database, table, ts_ms=time, ddl=message["sql"]["ddl"], message=message)
    data = context.row(message["data"], _values.of_text)
    before = context.row(message.get("key"), _values.of_text) if op == "update" else data if op == "delete" else None
    after = {**(before or {}), **(data or {})} if op == "update" else data if op == "insert" else None
    return Change(op, database, table, before, after, (), time, None, None, message)


def _envelope(message: Json, context: _Context) -> Change:
    payload = message.get("payload", message)
    source = payload["source"]
    op = {"c": "insert", "r": "row", "u": "update", "d": "delete", "HEARTBEAT": "heartbeat"}[payload["op"]]
    images = [context.row(payload.get(name), _values.of_envelope) for name in ("before", "after")]
    return Change(op, source.get("db"), source.get("table"), images[0], images[1], (), _integer(source.get("ts_ms")), None,
                  None, message)


def _smt(message: Json, context: _Context) -> Change:
    image = context.row({name: value for name, value in message.items() if name != "__deleted"}, _values.of_envelope)
    if message["__deleted"] == "true":
        return Change("delete", before=image, message=message)
    return Change("upsert", after=image, message=message)


def _record(message: bytes | str, context: _Context) -> Change:
    """Avro, in binary or printed."""
    if isinstance(message, bytes) and not message.startswith(b"{"):
        record = _avro.printed(_avro.read(message))
        record = _json.loads(_json.dumps(record))
    else:
        record = _json.loads(message)
    op = {"INSERT": "insert", "UPDATE": "update", "DELETE": "delete", "INIT": "row", "DDL": "ddl"}[record["operation"]]
    database, table = _split(record.get("objectName"))
    time = int(record["sourceTimestamp"]) * 1000
    if op == "ddl":
        return Change(op, database, table, ts_ms=time, ddl=record["afterImages"], message=record)
    names = [field["name"] for field in record["fields"]]
    key_info = record["tags"].get("pk_uk_info")
    key = tuple(name for columns in _json.loads(key_info).values() for name in columns) if key_info else ()

    def image(values: Json) -> Row | None:
        if values is None:
            return None
        there = {name: value for name, value in zip(names, values, strict=True) if value != "NONE"}
        return {name: None if value is None else _values.of_record((context.columns or {}).get(name), value)
                for name, value in there.items()}
    return Change(op, database, table, image(record["beforeImages"]), image(record["afterImages"]), key, time, None, None, record)


_READERS: dict[str, Callable[[Json, _Context], Change]] = {
    "default": _default, "defaultextendcolumntype": _default, "canal": _canal, "dataworks": _dataworks,
    "shareplex": _shareplex, "debezium": _envelope, "debeziumflatten": _envelope, "debeziumsmt": _smt,
}


def decode(format: str, message: bytes | str, *, columns: Types | None = None, time_zone: str = "+08:00",
           bytes_encoding: str = "latin1") -> Change:
    """The change that a message tells of.

    With `columns` (name to type, such as "decimal(10,2)" or "bigint unsigned") values come back as the source has them:
    texts as MySQL prints them, {"hex": …} for bytes, None for NULL. Without, as the message has them, numbers as int or
    Decimal. `time_zone`, `bytes_encoding`: the options the message was made with.
    """
    name = format.lower()
    context = _Context(columns, time_zone, bytes_encoding)
    try:
        if name == "avro":
            return _record(message, context)
        if name not in _READERS:
            near = _core.nearest_name(name, [*_READERS, "avro"])
            raise errors.make("CFG-0005", f"format '{format}'" + (f" (did you mean '{near}'?)" if near else ""))
        return _READERS[name](_json.loads(message), context)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, ArithmeticError, RecursionError) as error:
        what = f"no member {error}" if isinstance(error, KeyError) else str(error)
        raise errors.make("FMT-0003", what, format=name) from error


__all__ = ["Change", "Num", "decode"]
