"""Values of every type as Arrow, against what was written; read by pyarrow and polars."""
import gc
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from conftest import wait_until

import tailrace as tr
from tailrace import errors

pa = pytest.importorskip("pyarrow")
pl = pytest.importorskip("polars")

# column: (SQL type, [SQL literal, expected Python value] …), Arrow type
TYPES = {
    "i8": ("TINYINT", pa.int8(), [("-128", -128), ("127", 127)]),
    "u8": ("TINYINT UNSIGNED", pa.uint8(), [("0", 0), ("255", 255)]),
    "i16": ("SMALLINT", pa.int16(), [("-32768", -32768), ("32767", 32767)]),
    "i24": ("MEDIUMINT", pa.int32(), [("-8388608", -8388608), ("8388607", 8388607)]),
    "u24": ("MEDIUMINT UNSIGNED", pa.uint32(), [("0", 0), ("16777215", 16777215)]),
    "i32": ("INT", pa.int32(), [("-2147483648", -(2**31)), ("2147483647", 2**31 - 1)]),
    "u32": ("INT UNSIGNED", pa.uint32(), [("0", 0), ("4294967295", 2**32 - 1)]),
    "i64": ("BIGINT", pa.int64(), [("-9223372036854775808", -(2**63)), ("9223372036854775807", 2**63 - 1)]),
    "u64": ("BIGINT UNSIGNED", pa.uint64(), [("0", 0), ("18446744073709551615", 2**64 - 1)]),
    "f32": ("FLOAT", pa.float32(), [("1.5", 1.5), ("-0.25", -0.25)]),
    "f64": ("DOUBLE", pa.float64(), [("0.1", 0.1), ("-1e300", -1e300)]),
    "d12": ("DECIMAL(12,2)", pa.decimal128(12, 2), [("-12.50", Decimal("-12.50")), ("9999999999.99", Decimal("9999999999.99"))]),
    "d38": ("DECIMAL(38,10)", pa.decimal128(38, 10),
            [("-9999999999999999999999999999.9999999999", Decimal("-9999999999999999999999999999.9999999999")),
             ("0.0000000001", Decimal("0.0000000001"))]),
    "d65": ("DECIMAL(65,30)", pa.utf8(), [("99999999999999999999999999999999999.000000000000000000000000000001",
                                          "99999999999999999999999999999999999.000000000000000000000000000001"),
                                         ("-1", "-1.000000000000000000000000000000")]),
    "dy": ("DATE", pa.date32(), [("'1000-01-01'", date(1000, 1, 1)), ("'9999-12-31'", date(9999, 12, 31))]),
    "dt": ("DATETIME(6)", pa.timestamp("us"), [("'1000-01-01 00:00:00.000001'", datetime(1000, 1, 1, 0, 0, 0, 1)),
                                               ("'9999-12-31 23:59:59.999999'", datetime(9999, 12, 31, 23, 59, 59, 999999))]),
    "ts": ("TIMESTAMP(3) NULL", pa.timestamp("us", tz="UTC"),
           [("'1970-01-01 00:00:01.000'", datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
            ("'2038-01-19 03:14:07.999'", datetime(2038, 1, 19, 3, 14, 7, 999000, tzinfo=UTC))]),
    "tm": ("TIME(6)", pa.duration("us"), [("'-838:59:59.000000'", -timedelta(hours=838, minutes=59, seconds=59)),
                                          ("'00:00:00.000001'", timedelta(microseconds=1))]),
    "yr": ("YEAR", pa.uint16(), [("1901", 1901), ("2155", 2155)]),
    "bt": ("BIT(33)", pa.uint64(), [("b'101'", 5), ("b'100000000000000000000000000000000'", 2**32)]),
    "en": ("ENUM('a','ü')", pa.utf8(), [("'ü'", "ü"), ("'a'", "a")]),
    "st": ("SET('x','y','z')", pa.utf8(), [("'z,x'", "x,z"), ("''", "")]),
    "tx": ("TEXT", pa.utf8(), [("'ü\U0001f600\"\\n'", "ü\U0001f600\"\n"), ("''", "")]),
    "l1": ("VARCHAR(10) CHARACTER SET latin1", pa.utf8(), [("'naïve'", "naïve"), ("''", "")]),
    "bn": ("VARBINARY(8)", pa.binary(), [("x'00ff'", b"\x00\xff"), ("''", b"")]),
    "bf": ("BINARY(3)", pa.binary(), [("'a'", b"a\0\0"), ("x'ffffff'", b"\xff\xff\xff")]),
}


@pytest.fixture
def typed(shop):
    """A table with every type, and the stream that sees what is written next."""
    columns = ", ".join(f"{name} {sql}" for name, (sql, _, _) in TYPES.items())
    shop.query(f"USE {shop.database}; CREATE TABLE typed (id INT PRIMARY KEY, {columns}) CHARACTER SET utf8mb4")
    with open_stream(shop) as stream:
        yield shop, stream


def open_stream(shop, **options):
    return tr.Stream(tr.source(shop.url, password=tr.env("SHOP_PW")), tables=[f"{shop.database}.*"], **options)


def insert(shop, number):
    values = ", ".join(rows[number][0] for _, _, rows in TYPES.values())
    shop.query(f"USE {shop.database}; SET sql_mode=''; INSERT INTO typed VALUES ({number + 1}, {values})")


def test_every_type(typed):
    shop, stream = typed
    insert(shop, 0)
    insert(shop, 1)
    shop.query(f"INSERT INTO {shop.database}.typed (id) VALUES (3)")
    name = f"{shop.database}.typed"
    tables, frames = [], []
    while sum(len(table) for table in tables) < 3:
        batch = next(stream)
        tables.append(batch[name].to_arrow())
        frames.append(batch[name].to_polars())
    table, frame = pa.concat_tables(tables), pl.concat(frames)
    table.validate(full=True)
    assert table.column_names[:4] == ["_op", "_commit_time", "_txn", "_seq"]
    assert table["_op"].to_pylist() == ["insert"] * 3
    assert "_raw" not in table.column_names and "_present" not in table.column_names
    for column, (_, kind, rows) in TYPES.items():
        assert table.schema.field(column).type == kind, column
        assert table[column].to_pylist() == [rows[0][1], rows[1][1], None], column
        assert frame[column].to_list() == [rows[0][1], rows[1][1], None], column
    assert table.schema.field("d65").metadata[b"tailrace.type"] == b"decimal(65,30)"


def test_zero_dates_and_enum_error_are_not_null(shop):
    shop.query(f"USE {shop.database}; CREATE TABLE zero (id INT PRIMARY KEY, d DATE, dt DATETIME(2), "
               "ts TIMESTAMP NULL, e ENUM('a'))")
    with open_stream(shop) as stream:
        shop.query(f"USE {shop.database}; SET sql_mode=''; "
                   "INSERT INTO zero VALUES (1, '0000-00-00', '2024-00-10 11:12:13.14', 0, 'bad'), (2, NULL, NULL, NULL, NULL)")
        table = next(stream)[f"{shop.database}.zero"].to_arrow()
    assert table.select(["d", "dt", "ts", "e"]).to_pylist() == [
        {"d": None, "dt": None, "ts": None, "e": ""}, {"d": None, "dt": None, "ts": None, "e": None}]
    assert table["_raw"].to_pylist() == [
        [{"column": "d", "text": "0000-00-00"}, {"column": "dt", "text": "2024-00-10 11:12:13.14"},
         {"column": "ts", "text": "0000-00-00 00:00:00"}], None]


def test_changes_envelope(shop):
    with open_stream(shop) as stream:
        shop.query(f"USE {shop.database}; UPDATE orders SET name = 'q\"' WHERE id = 2; DELETE FROM orders WHERE id = 3")
        rows = []
        while len(rows) < 2:
            rows += next(stream).changes().to_arrow().to_pylist()
    update, delete = rows
    assert (update["op"], update["database"], update["table"]) == ("update", shop.database, "orders")
    assert update["key"] == '{"id":2}'
    before, after = json.loads(update["before"]), json.loads(update["after"])
    assert before["name"] == "näme 2" and after["name"] == 'q"' and after["price"] == "0.29"
    assert list(after) == ["id", "name", "price", "made", "day"] and after["made"] == "2024-02-29 23:59:58.000002"
    assert abs(datetime.now(UTC) - update["commit_time"]) < timedelta(minutes=5)
    assert delete["op"] == "delete" and delete["after"] is None and json.loads(delete["before"])["id"] == 3
    assert update["txn"] != delete["txn"]


def test_a_partial_image_shows_what_is_present(shop):
    shop.query("SET GLOBAL binlog_row_image=MINIMAL")
    try:
        with open_stream(shop) as stream:
            shop.query(f"UPDATE {shop.database}.orders SET name = NULL WHERE id = 2")
            row, = next(stream)[f"{shop.database}.orders"].to_arrow().to_pylist()
    finally:
        shop.query("SET GLOBAL binlog_row_image=FULL")
    assert row["name"] is None and row["price"] is None
    assert row["_present"] == bytes([0b10])  # only the changed column is in the image after it


def test_batches_outlive_the_stream_and_export_again(shop):
    with open_stream(shop) as stream:
        shop.query(f"DELETE FROM {shop.database}.orders WHERE id <= 100")
        batch = next(stream)
    del stream
    gc.collect()
    rows = batch[f"{shop.database}.orders"]
    first, second = rows.to_arrow(), pa.table(rows)
    capsule = rows.__arrow_c_stream__()
    assert first.equals(second) and len(first) == 100
    expected = first["name"].to_pylist()
    del batch, rows, first, capsule
    gc.collect()
    assert second["name"].to_pylist() == expected == [f"näme {i}" for i in range(1, 101)]


def test_a_changed_table_is_two_parts(shop):
    with open_stream(shop) as stream:
        shop.query(f"USE {shop.database}; DELETE FROM orders WHERE id = 1; ALTER TABLE orders ADD COLUMN extra INT; "
                   "INSERT INTO orders (id, extra) VALUES (1, 5)")
        name, parts = f"{shop.database}.orders", []
        while len(parts) < 2:
            batch = next(stream)
            parts += batch.parts(name)
            if len(batch.parts(name)) > 1:
                with pytest.raises(errors.SchemaChanged):
                    batch[name]
    assert parts[0].schema_id != parts[1].schema_id
    assert "extra" not in parts[0].to_arrow().column_names
    assert parts[1].to_arrow()["extra"].to_pylist() == [5]


def test_idle_batches_and_committed_positions(shop, folder):
    with open_stream(shop, job="stream.db", idle="100ms", commit="manual") as stream:
        assert len(next(stream)) == 0
        shop.query(f"DELETE FROM {shop.database}.orders WHERE id = 1")
        batch = next(batch for batch in stream if len(batch))
        assert batch.is_boundary
        stream.commit(batch)
        shop.query(f"DELETE FROM {shop.database}.orders WHERE id = 2")
        next(batch for batch in stream if len(batch))  # never committed
    with open_stream(shop, job="stream.db") as stream:
        again = next(stream)
    assert [json.loads(row["key"]) for row in again.to_arrow().to_pylist()] == [{"id": 2}]


def test_start_position(shop):
    with open_stream(shop) as stream:
        position = stream.position
    shop.query(f"DELETE FROM {shop.database}.orders WHERE id = 7")
    with open_stream(shop, start=position) as stream:
        assert next(stream).to_arrow()["key"].to_pylist() == ['{"id":7}']


def test_start_time(shop):
    before = shop.query("SELECT NOW()")[0][0]
    wait_until(lambda: shop.query("SELECT NOW()")[0][0] != before, 5)
    at = datetime.fromisoformat(shop.query("SELECT NOW()")[0][0]).replace(tzinfo=UTC)
    shop.query(f"DELETE FROM {shop.database}.orders WHERE id = 7")
    with open_stream(shop, start=at) as stream:
        assert next(stream).to_arrow()["key"].to_pylist() == ['{"id":7}']
    with pytest.raises(errors.ConfigError, match="no time zone"):
        open_stream(shop, start=at.replace(tzinfo=None))


def test_query_results_are_arrow(folder):
    job = tr.Migration("j.db", source=tr.source("mysql://mig@127.0.0.1:1"), sink=tr.sink("sqlite://./c.db"))
    job.start()
    job.stop("abort")
    table = job.meta.sql("SELECT 1 AS i, 2.5 AS r, 'ü' AS t, x'00ff' AS b, NULL AS n, ? AS p "
                         "UNION ALL SELECT 2, 3.5, NULL, NULL, NULL, 7", ("a",))
    assert table.columns == ["i", "r", "t", "b", "n", "p"] and len(table) == 2
    assert table.rows == [(1, 2.5, "ü", b"\x00\xff", None, "a"), (2, 3.5, None, None, None, 7)]
    assert pa.table(table).to_pylist() == [
        {"i": 1, "r": 2.5, "t": "ü", "b": b"\x00\xff", "n": None, "p": "a"},
        {"i": 2, "r": 3.5, "t": None, "b": None, "n": None, "p": "7"}]  # mixed types become text
    assert table.to_polars()["i"].to_list() == [1, 2]
    assert "v1_event" in job.meta.views and "<td>2.5</td>" in table._repr_html_() and "x'00ff'" in str(table)
    with pytest.raises(errors.MetaError):
        job.meta.sql("DELETE FROM event_log")


def test_a_stream_without_commit_begins_again_where_it_began(shop, folder):
    with open_stream(shop, job="stream.db"):
        pass
    shop.query(f"DELETE FROM {shop.database}.orders WHERE id = 1")
    with open_stream(shop, job="stream.db", commit="manual") as stream:
        assert len(next(stream)[f"{shop.database}.orders"]) == 1
    with open_stream(shop, job="stream.db", commit="manual") as stream:    # the batch above was not committed
        assert len(next(stream)[f"{shop.database}.orders"]) == 1
