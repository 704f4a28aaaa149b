"""Rules in Python: what a batch shows, what becomes of it, and what is said when it fails. Expected rows are worked out by hand."""
import json
from decimal import Decimal

import pyarrow as pa
import pytest
from conftest import write
from hypothesis import given, settings

import tailrace as tr
from tailrace import errors, testing
from tailrace.rules import cases, check, replay

TABLE = ("CREATE TABLE shop.user_07 (id BIGINT PRIMARY KEY, email VARCHAR(80), region CHAR(2), points INT NOT NULL, "
         "price DECIMAL(10,2), day DATE)")
PYTHON = """
import tailrace as tr
from tailrace.rules import native, column, meta

@tr.rule(tables="shop.user_*", to="dw.user", key=["id", "shard"], pure=True, where="points >= 0",
         columns={"email": native("mask.email"), "shard": column("varchar(64)", value="{table}"), "total": ("decimal(12,2)",)})
def users(batch: tr.Images) -> tr.Images:
    batch = batch.filter((batch["region"] == "eu") | (batch["points"] > 100))
    return batch.set("points", batch["points"] + 1).set("total", batch["price"] * 2)
"""
LUA = """
local mask = require("tailrace.mask")
return { api = 1, tables = { ["shop.user_*"] = { to = "dw.user", key = { "id", "shard" }, where = [[ points >= 0 ]],
  columns = { email = mask.email, shard = { "varchar(64)", value = "{table}" }, total = { "decimal(12,2)" } },
  map = function(row)
    if row.region ~= "eu" and row.points <= 100 then return false end
    row.points = row.points + 1
    row.total = row.price and row.price * 2
  end } } }
"""
ROW = {"id": 1, "email": "jo@x.io", "region": "eu", "points": 4, "price": Decimal("1.50"), "day": "2026-01-02"}


@tr.rule(tables="shop.user_*")
def as_it_is(batch):
    return batch


def table_of(rules, ddl=TABLE, **options):
    return testing.Rule(rules, **options).table(ddl)


def rule_of(function, **words):
    return tr.rule(tables="shop.user_*", **words)(function)


def run(function, *, row=ROW, **words):
    """One inserted row through a rule by batch."""
    (out,) = table_of(rule_of(function, **words)).insert(row)
    return out.after


def capture_text(rows=200):
    """Inserts, updates across every filter, deletes, of several tables, values with NULL."""
    lines = ["capture"]
    for shard in ("user_07", "user_08"):
        lines.append(TABLE.replace("user_07", shard) + ";")
        for i in range(rows):
            price = "NULL" if i % 5 == 0 else f"{i}.25"
            row = f"id = {i} AND email = 'a{i}@x.io' AND region = '{'eu' if i % 3 else 'us'}' AND points = {i - 20} AND price "
            row += ("IS NULL" if i % 5 == 0 else f"= {price}") + " AND day = '0000-00-00'"
            lines.append(f"INSERT INTO shop.{shard} VALUES ({i}, 'a{i}@x.io', '{'eu' if i % 3 else 'us'}', {i - 20}, {price}, '0000-00-00');")
            if i % 2:
                lines.append(f"UPDATE shop.{shard} SET points = {200 - i}, region = '{'us' if i % 4 == 1 else 'eu'}' WHERE {row};")
            else:
                lines.append(f"DELETE FROM shop.{shard} WHERE {row};")
    return "\n".join(lines) + "\n"


# -- same meaning as map ----------------------------------------------------------------------------------------------
def test_a_python_rule_and_its_lua_twin_make_the_same(folder):
    write(folder / "twin.py", PYTHON)
    write(folder / "twin.lua", LUA)
    write(folder / "all.capture", capture_text())
    result = replay("twin.py", against="twin.lua", on="all.capture")
    assert result.ok and result.hash == result.old_hash, list(result.lines())
    # Of 2 x 200 inserts: points >= 0 leaves 180 each; of those 120 are `eu`, 60 `us`, of which 20 have more than 100 points (i > 120).
    assert result.total("same") > 400
    assert result.version.startswith("twin@") and result.version != result.old_version


def test_images_decide_the_operation(folder):
    write(folder / "shop.py", PYTHON)
    users = table_of("shop.py")
    key = {"id": 1, "shard": "user_07"}
    (out,) = users.insert(ROW)
    assert out.after == {**ROW, **key, "email": "j***@x.io", "points": 5, "total": Decimal("3.00")} and out.table == "dw.user"
    (out,) = users.update(ROW, {"region": "us"})
    assert (out.op, out.before["id"]) == ("delete", 1)
    (out,) = users.update({**ROW, "region": "us"}, {"points": 101})
    assert (out.op, out.after["points"]) == ("insert", 102)
    assert users.update({**ROW, "region": "us"}, {"points": 7}) == []
    (out,) = users.update(ROW, {"points": 6})
    assert (out.op, out.before["points"], out.after["points"]) == ("update", 5, 7)
    assert users.insert({**ROW, "region": None}) == [], "a comparison with NULL is not true"
    assert users.insert({**ROW, "points": -1}) == [], "where stays native"


def test_what_a_batch_shows():
    seen = {}

    def look(batch):
        if len(batch):
            seen.update(table=batch.table, columns=batch.columns, which=batch.which.to_pylist(), options=dict(batch.options),
                        id=batch.column("id"), price=batch.column("price"), day=batch.column("day"), text=batch.text("day").to_pylist(),
                        shown=repr(batch), html=batch._repr_html_(), frame=batch.to_polars().shape, arrow=pa.table(batch).num_rows)
        return batch

    table_of([rule_of(look), tr.rules.File(options={"level": 3})]).update({**ROW, "day": "0000-00-00"}, {"id": 2**60, "price": None})
    assert (seen["table"], seen["which"], seen["options"]) == ("shop.user_07", ["before", "after"], {"level": 3.0})
    assert seen["columns"] == ["id", "email", "region", "points", "price", "day"]
    assert (seen["id"].type, seen["id"].to_pylist()) == (pa.int64(), [1, 2**60])
    assert (seen["price"].type, seen["price"].to_pylist()) == (pa.decimal128(10, 2), [Decimal("1.50"), None])
    assert (seen["day"].to_pylist(), seen["text"]) == ([None, None], ["0000-00-00", "0000-00-00"])
    assert (seen["shown"], seen["frame"], seen["arrow"]) == ("<Images shop.user_07: 2 images of 6 columns>", (2, 7), 2)
    assert "<th>which</th><th>id</th>" in seen["html"] and "jo@x.io" in seen["html"]


@pytest.mark.parametrize("values", [[0.5], pa.array([0.5]), 0.5, Decimal])
def test_new_columns_are_found_by_a_call_without_rows(values):
    given = Decimal("0.5") if values is Decimal else values
    kind = "decimal(3,1)" if values is Decimal else "double"

    def score(batch):
        return batch.set("score", given if not isinstance(given, list | pa.Array) or len(batch) else [], type=kind)

    assert run(score)["score"] == (Decimal("0.5") if values is Decimal else 0.5)


def test_rows_get_dicts():
    def change(row, options):
        if row["points"] == options["skip"]:
            return False
        row["email"] = row["email"].upper()
        row["total"] = row["price"] * 2

    rules = [rule_of(change, rows=True, columns={"total": ("decimal(12,2)",)}), tr.rules.File(options={"skip": 9})]
    users = table_of(rules)
    (out,) = users.insert(ROW)
    assert out.after == {**ROW, "email": "JO@X.IO", "total": Decimal("3.00")}
    assert users.insert({**ROW, "points": 9}) == []


def test_declarations_mean_what_they_mean_in_lua(folder):
    """The same entry in both languages, of every kind of declaration, and the rest of the file."""
    write(folder / "shop.py", """
import tailrace as tr
from tailrace import rules

shop = rules.File(options={"level": 3, "pepper": rules.secret}, default="drop", tables={"*.*_bak": False}, ddl={"deny": ["drop_table"], "on_denied": "skip"})

@tr.rule(tables=["shop.user_*", "!shop.user_x*"], to=r"dw.{table:^(.+)_\\d+$}", key=["id", "shard"], ops=["insert", "update", "delete"],
         where=rules.where("points >= :level", dialect="oms"), deletes={"set": {"email": None, "op": rules.meta("op")}},
         columns={"email": rules.native("hash.sha256", salt="pepper"), "shard": rules.column("varchar(64)", value="{table}"),
                  "op": rules.meta("op"), "twice": rules.sql("points * 2"), "day": False, "region": "zone"},
         topic="t.{table}", headers={"v": "1"}, partition_by=["id"], serialize=rules.line("{id},{twice}"))
def users(batch):
    return batch
""")
    write(folder / "shop.lua", """
local hash = require("tailrace.hash")
return { api = 1, options = { level = 3, pepper = secret }, default = "drop", ddl = { deny = { "drop_table" }, on_denied = "skip" },
  tables = { ["*.*_bak"] = false, ["shop.user_* !shop.user_x*"] = { to = "dw.{table:^(.+)_%d+$}", key = { "id", "shard" },
    ops = { "insert", "update", "delete" }, where = { [[ points >= :level ]], dialect = "oms" }, deletes = { set = { email = null, op = meta.op } },
    columns = { email = hash.sha256 { salt = "pepper" }, shard = { "varchar(64)", value = "{table}" }, op = meta.op,
      twice = sql [[ points * 2 ]], day = false, region = "zone" },
    topic = "t.{table}", headers = { v = "1" }, partition_by = { "id" }, serialize = line "{id},{twice}",
    map = function() end } } }
""")
    write(folder / "all.capture", capture_text(40) + "DROP TABLE shop.user_08;\n")
    result = replay("shop.py", against="shop.lua", on="all.capture", options={"pepper": "x"})
    assert result.ok and result.hash == result.old_hash and result.total("same") > 50, list(result.lines())
    with pytest.raises(errors.RuleError, match="option `pepper` is a secret"):
        testing.Rule("shop.py")


# -- identity ---------------------------------------------------------------------------------------------------------
TYPES = ["TINYINT", "TINYINT UNSIGNED", "SMALLINT", "MEDIUMINT", "INT", "INT UNSIGNED", "BIGINT", "BIGINT UNSIGNED", "DECIMAL(38,10)",
         "DECIMAL(65,30)", "FLOAT", "DOUBLE", "BIT(1)", "BIT(64)", "YEAR", "DATE", "TIME", "TIME(6)", "DATETIME", "DATETIME(3)", "DATETIME(6)",
         "TIMESTAMP(6) NULL", "CHAR(10)", "VARCHAR(100)", "TEXT", "BINARY(4)", "VARBINARY(20)", "BLOB", "ENUM('a','b')", "SET('a','b','c')",
         "JSON"]


@pytest.mark.parametrize("by", ["arrow", "column", "list", "rows"])
def test_the_identity_changes_no_byte(folder, by):
    """Every type with its edge values and NULL: set to itself by Arrow, by column, by Python's own objects, by rows."""
    ddl = "CREATE TABLE shop.user_all (id INT PRIMARY KEY, " + ", ".join(f"c{i} {kind}" for i, kind in enumerate(TYPES)) + ")"
    session = testing.Rule(as_it_is)
    session.table(ddl)
    columns = session.core.tables()[0]["columns"]
    lines, number = ["capture", ddl + ";"], 0
    for i, column in enumerate(columns[1:]):
        # Zero dates have no Arrow form, see Images.column.
        literals = [one for one in column["edges"] if by not in ("arrow", "list") or not ("0000-" in one or "-00" in one)]
        for literal in [*literals, column["plain"], "NULL"]:
            number += 1
            lines.append(f"INSERT INTO shop.user_all (id, c{i}) VALUES ({number}, {literal});")
    write(folder / "edges.capture", "\n".join(lines) + "\n")

    def same(batch):
        for name in batch.columns:
            values = batch[name] if by == "column" else batch.column(name)
            batch = batch.set(name, values.to_pylist() if by == "list" else values)
        return batch

    def same_row(row):
        return {name: "".join([value]) if isinstance(value, str) else value for name, value in row.items()}

    rules = rule_of(same_row, rows=True) if by == "rows" else rule_of(same)
    write(folder / "none.lua", "return { api = 1, tables = {} }\n")
    result = replay(rules, against="none.lua", on="edges.capture")
    assert result.ok and result.hash == result.old_hash and result.total("same") == number + 1, list(result.lines())


_ANY = "CREATE TABLE shop.user_any (id BIGINT PRIMARY KEY, " + ", ".join(
    f"c{i} {kind}" for i, kind in enumerate(TYPES) if not kind.startswith("BINARY")) + ")"


def _arrow_itself(batch):
    for name in batch.columns:
        batch = batch.set(name, batch[name] if name in ZERO_DATES else batch.column(name))
    return batch


ZERO_DATES = {f"c{i}" for i, kind in enumerate(TYPES) if kind.startswith(("DATE", "TIMESTAMP"))}


@pytest.fixture(scope="module")
def any_table():
    return testing.Rule(tr.rule(tables="shop.user_*")(_arrow_itself)).table(_ANY)


@given(row=testing.rows(_ANY))
@settings(max_examples=150, deadline=None)
def test_any_row_comes_out_as_it_went_in(any_table, row):
    (out,) = any_table.insert(row)
    assert out.after == row


# -- failures ---------------------------------------------------------------------------------------------------------
def failure(function, row=ROW, **words):
    with pytest.raises(errors.RuleError) as caught:
        table_of(rule_of(function, **words)).insert(row)
    return caught.value


def test_an_exception_names_line_table_and_key():
    def fails(batch):
        if len(batch):
            raise KeyError("model")
        return batch

    error = failure(fails)
    line = fails.__code__.co_firstlineno + 2
    assert error.code == "RULE-0102" and error.detail.endswith(f"test_python_rules.py:{line}: KeyError: 'model'"), error.detail
    assert error.context["table"] == "shop.user_07" and error.context["key"] == "id=1"
    assert error.context["hook"] == "map, after image of insert"


@pytest.mark.parametrize(("function", "code", "says"), [
    (lambda batch: None, "RULE-0103", "returned None: return the batch"),
    (lambda batch: [1], "RULE-0103", "returned a list"),
    (lambda batch: batch.set("pints", 1), "RULE-0105", "has no column `pints`: did you mean `points`?"),
    (lambda batch: batch.set("wholly_new", 1), "RULE-0105", 'columns={"wholly_new": ("sql type",)}'),
    (lambda batch: batch.set("points", None), "RULE-0104", "column `points`: None cannot be written, the column is NOT NULL"),
    (lambda batch: batch.set("points", 2**31), "RULE-0104", "column `points`: the number is out of the range of int"),
    (lambda batch: batch.set("points", "7"), "RULE-0104", "a str cannot be written to int"),
    (lambda batch: batch.set("price", 0.1), "RULE-0104", "digits after the point"),
    (lambda batch: batch.set("points", [1, 2]), "RULE-0102", 'set("points"): 2 values for 1 images'),
    (lambda batch: batch.set("points", 1, type="int"), "RULE-0101", "the column exists and keeps its type"),
    (lambda batch: batch.set("x", 1, type="intt"), "RULE-0101", 'set("x", type="intt")'),
    (lambda batch: batch.filter(batch["points"]), "RULE-0102", "takes a mask of booleans, got int32"),
    (lambda batch: batch.filter(batch["price"] > 1.5), "RULE-0102", 'write Decimal("1.5")'),
    (lambda batch: batch.set("email", batch["emial"]), "RULE-0105", "has no column `emial`: did you mean `email`?"),
])
def test_mistakes_are_named(function, code, says):
    error = failure(function)
    assert error.code == code and says in error.detail, str(error)
    assert code == "RULE-0101" or "test_python_rules.py:" in error.detail, str(error)


def test_rows_that_cannot_be_are_named():
    assert "took `email` out of the row" in failure(lambda row: row.pop("email") and None, rows=True).detail
    assert "returned a int" in failure(lambda row: 5, rows=True).detail


def test_a_kept_batch_is_of_no_use_afterwards():
    kept = []
    run(lambda batch: kept.append(batch) or batch)
    with pytest.raises(errors.RuleError, match="only while the rule"):
        kept[-1].column("id")


@pytest.mark.parametrize(("text", "says"), [
    ("x = (", r"shop\.py:1: '\(' was never closed"), ("x = 1", "no function with @tailrace.rule"), ("import no_such_module", r"shop\.py:1: ModuleNot"),
    ("import tailrace as tr\n@tr.rule(tables='a.b', colums={})\ndef f(batch): return batch\n", r"shop\.py:2: TypeError.*colums"),
    ("import tailrace as tr\n@tr.rule(tables='a.b', serialize=print)\ndef f(batch): return batch\n", "serialize: builtin_function.*cannot be declared"),
    ("import tailrace as tr\n@tr.rule(tables='a.b')\ndef f(b): return b\n@tr.rule(tables='a.b')\ndef g(b): return b\n", "another rule has the same tables"),
])
def test_files_that_are_none_say_so(folder, text, says):
    write(folder / "shop.py", text)
    with pytest.raises(errors.RuleError, match=says) as caught:
        testing.Rule("shop.py")
    assert caught.value.code == "RULE-0101"


def test_rules_in_python_are_not_for_strangers():
    with pytest.raises(errors.RuleError, match="not confined"):
        testing.Rule(as_it_is, trusted=False)


# -- tools ------------------------------------------------------------------------------------------------------------
def test_the_command_line_takes_python_files(folder, cli):
    write(folder / "shop.py", PYTHON)
    write(folder / "schema.sql", TABLE + ";")
    write(folder / "shop.case", TABLE + ";\nINSERT INTO shop.user_07 VALUES (1, 'jo@x.io', 'eu', 4, 1.50, NULL);\n"
          "-> insert dw.user (id=1, email='j***@x.io', region='eu', points=5, price=1.50, day=NULL, shard='user_07', total=3.00)\n")
    done = cli("rule", "test", "shop.py")
    assert done.returncode == 0 and done.stdout.endswith("1 cases passed\n"), done.stdout + done.stderr
    done = cli("rule", "schema", "shop.py", "--schema", "schema.sql")
    assert "total decimal(12,2)" in done.stdout, done.stdout + done.stderr
    done = cli("rule", "replay", "shop.py", "--from", "shop.case", "--json")
    assert json.loads(done.stdout)["tables"]["dw.user"]["same"] == 2, done.stdout + done.stderr
    report = check("shop.py", schema="schema.sql")
    assert report.ok and [plan for plan in report.plans() if "map in Python, pure" in plan], (report.findings, list(report.plans()))
    write(folder / "shop.lua", LUA)
    with pytest.raises(errors.ConfigError, match="both shop.lua and shop.py"):
        cases.run("shop.case")
    assert cli("rule", "test", "shop.case", "--rules", "shop.lua").returncode == 0


# -- jobs -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("how", ["functions", "file"])
def test_a_job_runs_rules_in_python(folder, shop, how):
    text = ("import tailrace as tr\n@tr.rule(tables='*.orders', to='dw.orders')\ndef orders(batch):\n"
            "    return batch.filter(batch['id'] <= 100).set('kind', 'py', type='varchar(8)')\n")
    write(folder / "shop.py", text)
    space = {}
    exec(text, space)
    given = {"functions": space["orders"], "file": "shop.py"}[how]
    source = tr.source(shop.url, password=tr.env("SHOP_PW"))
    with tr.Migration("job.db", source=source, sink=tr.sink("sqlite://./copy.db"), tables=[f"{shop.database}.orders"], rules=given) as job:
        job.run(until="snapshot")
        assert job.status.rules.startswith("orders@" if how == "functions" else "shop@")
    shop.query(f"UPDATE {shop.database}.orders SET id = 3001 WHERE id = 7; UPDATE {shop.database}.orders SET name = 'x' WHERE id = 8")
    with tr.Migration("job.db", source=source, sink=tr.sink("sqlite://./copy.db"), tables=[f"{shop.database}.orders"], rules=given) as job:
        job.run(until="caught_up")
    import sqlite3

    rows = sqlite3.connect("copy.db").execute("SELECT id, name, kind FROM orders ORDER BY id").fetchall()
    assert [row[0] for row in rows] == [i for i in range(1, 101) if i != 7]
    assert rows[6] == (8, "x", "py") and {row[2] for row in rows} == {"py"}


def test_a_dead_letter_holds_the_event_that_failed_and_no_other(folder, shop, cli, caplog):
    write(folder / "shop.py", "import tailrace as tr\n@tr.rule(tables='*.orders')\ndef orders(batch):\n"
          "    if 77 in batch.column('id').to_pylist():\n        raise ValueError('no 77')\n    return batch\n")
    source = tr.source(shop.url, password=tr.env("SHOP_PW"))
    with tr.Migration("job.db", source=source, sink=tr.sink("sqlite://./copy.db"), tables=[f"{shop.database}.orders"],
                      rules={"file": "shop.py", "on_error": "dead_letter"}) as job:
        job.run(until="snapshot")
        (letter,) = job.meta.sql("SELECT id, code, key, message FROM v1_dead_letter").to_dicts()
    assert (letter["code"], letter["key"]) == ("RULE-0102", "id=77") and "shop.py:5: ValueError: no 77" in letter["message"]
    import sqlite3

    assert sqlite3.connect("copy.db").execute("SELECT count(*) FROM orders").fetchone() == (3000,)
    advice = next(line for line in caplog.text.splitlines() if "--dead-letter" in line).partition("try: tailrace ")[2]
    done = cli(*advice.split())
    assert done.returncode == 4 and "shop.py:5: ValueError: no 77" in done.stdout, done.stdout + done.stderr
    write(folder / "shop.py", "import tailrace as tr\n@tr.rule(tables='*.orders')\ndef orders(batch):\n    return batch.set('name', 'all right')\n")
    done = cli(*advice.split(), "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["events"] == 1, done.stdout + done.stderr
    done = cli("rule", "replay", "shop.py", "--job", "job.db", "--dead-letter", "99")
    assert done.returncode == 2 and "has no such letter; there are" in done.stderr


def test_a_stream_takes_functions(folder, shop):
    def only(batch):
        return batch.filter(batch["id"] == 5001)

    rules = tr.rule(tables="*.orders")(only)
    with tr.Stream(tr.source(shop.url, password=tr.env("SHOP_PW")), tables=[f"{shop.database}.orders"], rules=rules, idle="5s") as stream:
        shop.query(f"INSERT INTO {shop.database}.orders (id) VALUES (5000), (5001)")
        batch = next(batch for batch in stream)
    assert batch[f"{shop.database}.orders"].to_arrow().column("id").to_pylist() == [5001]


def test_replay_of_a_span_of_the_log(folder, shop, cli):
    write(folder / "same.lua", "return { api = 1, tables = {} }\n")

    def gtid():
        return shop.query("SELECT @@global.gtid_current_pos")[0][0]

    first = gtid()
    shop.query(f"INSERT INTO {shop.database}.orders (id) VALUES (6000); UPDATE {shop.database}.orders SET name = 'z' WHERE id = 6000")
    last = gtid()
    shop.query(f"INSERT INTO {shop.database}.orders (id) VALUES (6001)")
    words = ["rule", "replay", "same.lua", "--job", shop.url, "--set", "password=${env:SHOP_PW}", "--tables", f"{shop.database}.*", "--json"]
    done = cli(*words, "--from", f"gtid:{first}..{last}")
    assert done.returncode == 0 and json.loads(done.stdout)["events"] == 2, done.stdout + done.stderr
    done = cli(*words, "--from", f"gtid:{first}..0-1-999999999")
    assert done.returncode != 0 and "the log ended before transaction 0-1-999999999 came" in done.stderr, done.stderr
    assert "gtid:A..B expected" in cli(*words, "--from", "gtid:5").stderr


def test_a_swap_to_python_and_back(folder, shop):
    """The job file keeps the text of the rules, so the file may go."""
    write(folder / "shop.lua", "return { api = 1, tables = { ['*.orders'] = { map = function(row) row.name = 'lua' end } } }\n")
    write(folder / "next.py", "import tailrace as tr\n@tr.rule(tables='*.orders')\ndef orders(batch):\n    return batch.set('name', 'python')\n")
    with tr.Migration("job.db", source=tr.source(shop.url, password=tr.env("SHOP_PW")), sink=tr.sink("sqlite://./copy.db"),
                      tables=[f"{shop.database}.orders"], rules="shop.lua") as job:
        job.start()
        job.wait("caught_up", timeout=60)
        answer = job.swap_rules("next.py")
        assert answer.after.startswith("next@")
        shop.query(f"INSERT INTO {shop.database}.orders (id) VALUES (7000)")
        job.wait("caught_up", timeout=60)
        job.stop()
        (folder / "next.py").unlink()
        job.start()
        shop.query(f"INSERT INTO {shop.database}.orders (id) VALUES (7001)")
        job.wait("caught_up", timeout=60)
        assert job.rules_back().after == answer.before
        shop.query(f"INSERT INTO {shop.database}.orders (id) VALUES (7002)")
        job.wait("caught_up", timeout=60)
    import sqlite3

    found = sqlite3.connect("copy.db").execute("SELECT id, name FROM orders WHERE id BETWEEN 7000 AND 7002 ORDER BY id").fetchall()
    assert found == [(7000, "python"), (7001, "python"), (7002, "lua")]
