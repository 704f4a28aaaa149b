"""The samples of the formats' own description, rebuilt from the changes they tell of.

They are third-party texts and not in this tree: read from $TAILRACE_SHARED/formats/examples when they are there. What is
damaged in them is named in its FIXES.md; DAMAGE repeats it, and the decisions where the samples contradict the description.
"""
import json
import os
import re
from pathlib import Path

import pytest

from tailrace import formats
from tailrace.formats import _json

REPO = Path(__file__).resolve().parents[2]
EXAMPLES = Path(os.environ.get("TAILRACE_SHARED", REPO.parent / "shared")) / "formats/examples"
if not EXAMPLES.is_dir():
    EXAMPLES = Path(os.environ.get("TAILRACE_SHARED", REPO.parent.parent / "shared")) / "formats/examples"

NUMBERED = {
    "default": "tinyint smallint int bigint bigint_unsigned float double varchar(64) blob decimal(30,20) date time datetime "
               "timestamp(6)",
    "canal": "datetime varchar(64) float double smallint time int bigint blob tinyint date decimal(30,20) bigint_unsigned "
             "timestamp(6)",
    "dataworks": "tinyint smallint int bigint float double bigint_unsigned tinyint(1) varchar(64) blob decimal(30,20) date time "
                 "datetime timestamp(6) varchar(64) varchar(64) varchar(64)",
    "shareplex": "datetime varchar(64) varchar(64) float double smallint time tinyint(1) varchar(64) int bigint blob varchar(64) "
                 "tinyint date decimal(30,20) bigint_unsigned timestamp(6)",
}
DEBEZIUM = ("int decimal(10,0) decimal(10,5) bit(8) tinyint smallint mediumint bigint float double char(4) varchar(4) tinytext text "
            "tinyblob longtext blob longblob binary(4) varbinary(4) timestamp date time datetime year mediumblob")
TYPES = {name: {f"col{i}": kind.replace("_", " ") for i, kind in enumerate(kinds.split(), 1)} for name, kinds in NUMBERED.items()}
TYPES["default"]["col16"] = "float"  # stands for col6 in the DELETE sample
TYPES["defaultextendcolumntype"] = TYPES["default"]
TYPES["debezium"] = {f"c{i:02}": kind for i, kind in enumerate(DEBEZIUM.split(), 1)}
TYPES["debeziumflatten"] = TYPES["debezium"]
TYPES["debeziumsmt"] = {"field1": "varchar(20)", "field2": "varchar(20)"}
KEYS = {"default": ["col1", "col2"], "defaultextendcolumntype": ["col1", "col2"], "canal": ["col1", "col2"],
        "shareplex": ["col14", "col6"], "debezium": ["c01"], "debeziumflatten": ["c01"], "debeziumsmt": ["field1"], "avro": ["id"]}
DAMAGE = {
    "default": ["/allMetaData/record_primary_key"],
    "default/row": ["/allMetaData/uniqueId", "/allMetaData/transId", "/allMetaData/clusterId", "/allMetaData/timestamp"],
    "defaultextendcolumntype": ["/allMetaData/record_primary_key", "/prevStruct/__light_type", "/postStruct/__light_type"],
    "canal": ["/data/0/col14", "/mysqlType/col8", "/pkNames"],       # col14: epoch seconds against the type table
    "canal/update": ["/old"],                                          # names a column that is not there
    "dataworks": ["/schema/column", "/schema/pk"],                     # renamed columns
    "shareplex/insert": ["/meta/rowid"],                               # U+0001 was lost
    "shareplex/update": ["/data"],                                     # names a column that is not there
    "debezium": ["/payload/source/pos", "/payload/before/c19", "/payload/after/c19", "/schema/type"],
    "debeziumflatten": ["/source/pos", "/before/c19", "/after/c19"],
    "debeziumsmt/smt_output_update_simplified": ["/__deleted"],
    "avro": ["/objectName", "/bornTimestamp"],
}
NO_MESSAGES = {"debeziumsmt/smt_input_debezium_update": "it is Debezium's own message before the transformation"}


def samples():
    return sorted(str(path.relative_to(EXAMPLES).with_suffix("")) for path in EXAMPLES.glob("*/*.json")
                  if not path.stem.startswith("template"))


def change_of(name, message):
    """(described change, options) of a sample."""
    format, _, kind = name.partition("/")
    types = TYPES.get(format) or {field["name"]: {"8": "bigint", "3": "int", "15": "varchar(20)", "254": "char(20)", "246":
                                                  "decimal(20,0)"}[field["dataTypeNumber"]] for field in message["fields"] or ()}
    hints = dict(types)
    if format == "canal":
        hints["col14"] = "varchar(30)"
        hints["string"] = "varchar(64)"
    if format == "shareplex":
        hints["string"] = "varchar(64)"
    text = _json.dumps(without_c19(message))
    if format == "debeziumsmt" and "__deleted" not in message:
        text = _json.dumps({**message, "__deleted": "false"})
    decoded = formats.decode(format, text, columns=hints, bytes_encoding="base64")
    images = {}
    for part, image in (("before", decoded.before), ("after", decoded.after)):
        if image is not None:
            image = dict(image)
            if "string" in image:
                image["col2"] = image.pop("string")
            if format == "canal" and "col14" in image:
                image["col14"] = "2020-11-24 16:01:02.012345"
            if format.startswith("debezium") and "c01" in image:
                image["c19"] = {"hex": "69000000"}
            images[part] = image
    rows = images.get("after") or images.get("before") or {}
    keys = KEYS.get(format, [])
    op = "row" if kind == "row" else "insert" if decoded.op == "upsert" else decoded.op
    columns = [{"name": column, "mysql_type": types[column].removesuffix(" unsigned"), "unsigned": types[column].endswith("unsigned"),
                "pk": column in keys, "nullable": False} for column in sorted(rows, key=lambda c: (c not in keys, keys.index(c) if c in keys else 0,
                                                                                                int("".join(filter(str.isdigit, c)) or 0)))]
    if format == "avro":
        columns = [{"name": c, "mysql_type": types[c], "pk": c == "id"} for c in types]
    change = {"op": op, "ts_ms": decoded.ts_ms, **images}
    if decoded.ddl is not None:
        change["ddl"] = {"text": decoded.ddl, "type": "ALTER_TABLE"}
    database = decoded.database
    tenant = None
    if database and "." in database:
        tenant, database = database.split(".")
    options = {"dbType": "OB_MYSQL", "sequenceEnabled": False}
    fill(format, message, change, options)
    return {"format": format, "options": options, "table": {"tenant": tenant, "db": database or "d", "name": decoded.table, "columns": columns},
            "change": change}


def without_c19(value):
    if isinstance(value, dict):
        return {key: without_c19(each) for key, each in value.items() if key != "c19"}
    return value


def fill(format, message, change, options):
    """What a sample says besides its rows."""
    if format.startswith("default"):
        meta = message["allMetaData"]
        change.update(checkpoint_s=meta.get("checkpoint"), unique_id=meta.get("uniqueId"), trans_id=meta.get("transId"),
                      cluster_id=meta.get("clusterId"), source_identity=meta.get("source_identity"))
    elif format == "canal":
        change["now_ms"] = int(message["ts"])
        options["bytesEncoding"] = "base64"
    elif format == "dataworks":
        time = message["payload"]["timestamp"]
        change.update(now_ms=int(time.get("systemTime", time["eventTime"])), checkpoint_s=time.get("checkpointTime"))
        options["extend"] = message.get("extend", {})
    elif format == "shareplex":
        meta = message["meta"]
        post = formats.decode("shareplex", _json.dumps({**message, "meta": {**meta, "time": meta["posttime"]}}))
        change.update(now_ms=post.ts_ms, seq=None if meta["scn"] == "null" else meta["scn"],
                      tx={"id": meta["trans"], "index": meta["seq"], "size": meta["size"]})
        options.update(transactionEnabled=True, sequenceEnabled=True)
    elif format.startswith("debezium") and format != "debeziumsmt":
        change["now_ms"] = int(message.get("payload", message)["ts_ms"])
        options["includeSchema"] = "schema" in message
    elif format == "avro":
        change.update(now_ms=int(message["processTimestamps"][0]), seq=message["id"], checkpoint_s=message["sourcePosition"] or None,
                      safe_point_s=message["sourceTimestamp"])


@pytest.mark.parametrize("name", samples() or [pytest.param("", marks=pytest.mark.skip(reason=f"no samples: {EXAMPLES} is not there"))])
def test_a_sample_is_rebuilt(name):
    if name in NO_MESSAGES:
        pytest.skip(NO_MESSAGES[name])
    message = _json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    format = name.partition("/")[0]
    made = formats.encode(json.loads(_json.dumps(change_of(name, message))))
    ignore = [*DAMAGE.get(format, ()), *DAMAGE.get(name, ())]
    if format == "debezium":  # c24, a DATETIME, is called a string there
        ignore += [f"/schema/fields/{i}/fields/23/type" for i in (0, 1)]
    found = [each for each in _json.compare(message, _json.loads(made.value), _json.Judgement(ignore=ignore))
             if not same_double(each.what)]
    assert not found, "\n".join(map(str, found))
    check_types(format, message, _json.loads(made.value))


def same_double(what):
    """The page cut the digits of doubles somewhere; they still name the same double."""
    numbers = re.fullmatch(r"expected ([-+.e\d]+), got ([-+.e\d]+)", what)
    return numbers is not None and float(numbers[1]) == float(numbers[2])


def check_types(format, sample, made):
    """Where columns are renamed: the same types in the same order. INT64 is BIGINT."""
    def names(message):
        if format == "dataworks":
            return [column["type"] for column in (message.get("schema") or {}).get("column") or ()]
        images = [message.get(part) or {} for part in ("prevStruct", "postStruct")]
        return [kind["schemaType"] for image in images for kind in image.get("__light_type", {}).values()]
    if format not in ("dataworks", "defaultextendcolumntype"):
        return
    other = {"INT64": "BIGINT", "BOOLEAN": "TINYINT", "ZONED_DATETIME": "VARCHAR", "INTERVAL_DAY_TO_SECOND": "VARCHAR",
             "INTERVAL_YEAR_TO_MONTH": "VARCHAR"}  # a mixture of MySQL's, Oracle's and the page's own names
    assert [other.get(kind, kind) for kind in names(sample)] == names(made)
