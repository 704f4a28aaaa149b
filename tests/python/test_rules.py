"""Tools around rules: case files, checks, replay, captures, scaffolding. Expected rows are worked out by hand."""
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from conftest import command as words_of
from conftest import write

from tailrace import errors, testing
from tailrace.rules import arrows, cases, check, replay

REPO = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((REPO / "rules" / "examples").glob("*.case"))
SHOP = """
local mask = require("tailrace.mask")
return { api = 1, options = { region = "eu" }, tables = {
  ["shop.user_*"] = { to = "dw.user", key = { "tenant", "id" },
    columns = { email = mask.email, card = false, shard = { "varchar(64)", value = "{table}" } },
    map = function(row, _, ctx) return row.region == ctx.options.region end } } }
"""
TABLE = "CREATE TABLE shop.user_07 (tenant INT, id BIGINT, email VARCHAR(80), region CHAR(2), card TEXT, PRIMARY KEY (tenant, id));\n"
ROW = "INSERT INTO shop.user_07 VALUES (7, 9007199254740993, 'jo@x.io', 'eu', 'X1');\n"
OUT = "-> insert dw.user (tenant=7, id=9007199254740993, email='j***@x.io', region='eu', shard='user_07')\n"


def command(*words):
    """The command line in the working directory, to its end."""
    return subprocess.run(words_of(*words), capture_output=True, text=True, timeout=120, check=False)


def case(folder, text, rules=SHOP):
    write(folder / "shop.lua", rules)
    write(folder / "shop.case", text)
    return folder / "shop.case"


# -- arrows -----------------------------------------------------------------------------------------------------------
def test_arrows_compare_values_not_spelling():
    assert arrows.parse("insert a.b (x='it\\'s', `n``x`=-1.50)").accepts(arrows.parse("insert  `a`.b ( `x` = 'it''s', `n``x`= -1.50 )"))
    assert not arrows.parse("insert a.b (x=1.5)").accepts(arrows.parse("insert a.b (x=1.50)"))
    assert arrows.parse("insert a.b (x=1, ...)").accepts(arrows.parse("insert a.b (x=1, y=NULL)"))
    assert not arrows.parse("insert a.b (x=1)").accepts(arrows.parse("insert a.b (x=1, y=NULL)"))
    assert not arrows.parse("insert a.b (x=1) topic='t'").accepts(arrows.parse("insert a.b (x=1)"))
    assert not arrows.parse("insert a.b (x=1, …)").accepts(arrows.parse("insert a.b (x=2, y=3)"))


@pytest.mark.parametrize("text", ["insrt a.b (x=1)", "insert a.b (x)", "insert a.b (x=1", "insert b (x=1)", "insert a.b (x=1, x=2)",
                                  "insert a.b (x=1) tpic='t'", "record", "insert a.b (..., x=1)", ""])
def test_arrows_that_are_none_say_what_is_wrong(text):
    if text == "record":
        assert arrows.parse(text).kind == "record"
        return
    with pytest.raises(ValueError, match=r"\S"):
        arrows.parse(text)


# -- case files -------------------------------------------------------------------------------------------------------
def test_a_case_passes_and_fails_by_what_it_says(folder):
    report = cases.run(case(folder, TABLE + ROW + OUT + "UPDATE shop.user_07 SET region = 'us';\n"
                            "-> delete dw.user (tenant=7, id=9007199254740993)\nUPDATE shop.user_07 SET card = NULL;\n-> nothing\n"))
    assert (report.ok, report.passed) == (True, 3), list(report.lines())
    report = cases.run(case(folder, TABLE + ROW + OUT.replace("j***", "j**") + "-> nothing\n"))
    assert not report.ok
    text = "\n".join(report.lines())
    assert "shop.case:2  INSERT INTO shop.user_07" in text
    assert "- expected insert dw.user" in text and "+ got      insert dw.user" in text


def test_options_are_the_cases_own_and_begin_anew(folder):
    report = cases.run(case(folder, TABLE + ROW + OUT + "options {region: 'us'}\n" + TABLE + ROW + "-> nothing\n"))
    assert (report.ok, report.passed) == (True, 2), list(report.lines())


def test_an_expected_error_has_code_and_words(folder):
    rules = SHOP.replace("return row.region == ctx.options.region", "row.region = row.region .. 'x'")
    assert cases.run(case(folder, TABLE + ROW + "-> error RULE-0104 region\n", rules)).ok
    for wrong in ("-> error RULE-0104 email\n", "-> error RULE-0105\n", "-> nothing\n"):
        report = cases.run(case(folder, TABLE + ROW + wrong, rules))
        assert not report.ok, wrong
        assert "+ got      error RULE-0104 region" in "\n".join(report.lines())
    failed = cases.run(case(folder, TABLE + ROW, rules))  # without an arrow it must not fail
    assert "RULE-0104" in failed.failed[0].failure and "shop.lua:6" in failed.failed[0].failure


def test_accept_rewrites_arrows_and_nothing_else(folder):
    path = case(folder, "-- kept\n" + TABLE + ROW + "-> nothing\n\n-- kept, too\nUPDATE shop.user_07 SET region = 'us';\n")
    done = command("rule", "test", str(path), "--accept")
    assert done.returncode == 0, done.stderr + done.stdout
    assert path.read_text() == ("-- kept\n" + TABLE + ROW + OUT + "\n-- kept, too\nUPDATE shop.user_07 SET region = 'us';\n"
                                "-> delete dw.user (tenant=7, id=9007199254740993)\n")
    before = path.read_text()
    assert command("rule", "test", str(path), "--accept").returncode == 0
    assert path.read_text() == before


@pytest.mark.parametrize(("text", "says"), [
    ("-> nothing\n", "without a statement"), (TABLE + ROW + "-> insert dw.user (x)\n", "shop.case:3: column=literal expected"),
    ("options {x}\n", "shop.case:1: name: value expected"), ("INSERT INTO t VALUES ('x\n", "no end"),
])
def test_a_case_file_that_is_none_names_the_line(folder, text, says):
    done = command("rule", "test", str(case(folder, text)))
    assert done.returncode == 6 and says in done.stderr and "RULE-0120" in done.stderr, done.stderr


def test_the_command_ends_with_4_and_says_where(folder):
    path = case(folder, TABLE + ROW + "-> nothing\n")
    done = command("rule", "test", str(folder))
    assert done.returncode == 4 and "1 cases, 1 failed" in done.stdout and "shop.case:2" in done.stdout
    found = json.loads(command("rule", "test", str(path), "--json").stdout)
    assert found["failed"] == 1 and found["files"][0]["failed"][0]["expected"] == ["nothing"]
    assert command("rule", "test", str(folder / "none")).returncode == 2


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples(path):
    report = cases.run(path)
    assert report.ok, "\n".join(report.lines())
    assert report.passed > 2


# -- check, schema, types, new ----------------------------------------------------------------------------------------
def test_check_finds_what_can_be_known(folder):
    write(folder / "shop.lua", """local mask = require("tailrace.mask")
return { api = 1, options = { region = "eu", unused = 1 }, tables = {
  ["shop.user"] = {
    columns = { email = mask.email, never = { "int" } },
    map = function(row, _, ctx)
      if row.amount > 100 then row.note = row.email .. ctx.options.region end
      local seen = {}
      seen[row.amount] = true
    end },
  ["shop.typo_*"] = { to = "dw.x" },
} }
""")
    write(folder / "ddl.sql", "USE shop; CREATE TABLE user (id INT PRIMARY KEY, email VARCHAR(40), amount DECIMAL(8,2), note VARCHAR(9));"
          "CREATE TABLE other (id INT PRIMARY KEY);")
    report = check(folder / "shop.lua", schema=folder / "ddl.sql")
    found = {(finding.code, finding.line) for finding in report.findings}
    assert ("unused-option", 2) in found
    assert ("never-filled", 4) in found
    assert ("edge-value", 6) in found
    assert ("unmatched", 10) in found
    assert ("exact-key", 8) in found
    assert report.ok
    assert list(report.plans()) == ["(no pattern)  shop.other -> shop.other, as it is, pure", "shop.user  shop.user -> shop.user, map, pure"]
    done = command("rule", "check", str(folder / "shop.lua"), "--schema", str(folder / "ddl.sql"))
    assert done.returncode == 0 and "shop.lua:6  warn   edge-value" in done.stdout and "amount=NULL" in done.stdout


@pytest.mark.parametrize(("rules", "line", "says"), [
    ("return { api = 1,\n  tabels = {} }", 0, "did you mean `tables`"),
    ("return { api = 1, tables = {\n  ['shop.user'] = { columns = {\n    emial = false } } } }", 3, "did you mean `email`"),
    ("return { api = 1, tables = {\n  ['shop.user'] = {\n map = function(row)\n row.x = 1 end } } }", 4, "no column `x`"),
    ("return {\n  api = ", 2, ""),
])
def test_check_errors_have_a_place_and_exit_code_4(folder, rules, line, says):
    write(folder / "shop.lua", rules)
    write(folder / "ddl.sql", "CREATE TABLE shop.user (id INT PRIMARY KEY, email VARCHAR(40));")
    done = command("rule", "check", str(folder / "shop.lua"), "--schema", str(folder / "ddl.sql"))
    assert done.returncode == 4, done.stdout + done.stderr
    first = done.stdout.splitlines()[0]
    assert "error" in first and says in first
    if line:
        assert first.startswith(f"shop.lua:{line} "), first


def test_schema_prints_what_the_target_gets(folder):
    write(folder / "shop.lua", SHOP)
    write(folder / "ddl.sql", "".join(TABLE.replace("_07", f"_{i:02}") for i in range(3)))
    done = command("rule", "schema", str(folder / "shop.lua"), "--schema", str(folder / "ddl.sql"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == ("-- from shop.user_00 and 2 more, pure\nCREATE TABLE dw.user (tenant int NOT NULL, id bigint NOT NULL, "
                           "email varchar(83), region char(2), shard varchar(64) NOT NULL, PRIMARY KEY (tenant, id));\n")
    assert command("rule", "schema", str(folder / "shop.lua")).returncode == 2


def test_schema_and_plan_name_further_outputs(folder):
    write(folder / "r.lua", """return { api = 1,
  outputs = { ["dw.part"] = { key = { "id", "n" }, columns = { "id bigint not null", "n int not null" } } },
  tables = { ["s.t"] = { map = function(row, out) out:add("dw.part", { id = row.id, n = 1 }) end } } }""")
    write(folder / "ddl.sql", "CREATE TABLE s.t (id BIGINT PRIMARY KEY);")
    text = command("rule", "schema", "r.lua", "--schema", "ddl.sql").stdout
    assert "CREATE TABLE dw.part (id bigint NOT NULL, n int NOT NULL, PRIMARY KEY (id, n));" in text
    plans = list(check(folder / "r.lua", schema=folder / "ddl.sql").plans())
    assert plans == ["dw.part  (outputs) -> dw.part, rows that map and row add", "s.t  s.t -> s.t, map, pure"]


def test_new_makes_files_whose_cases_pass(folder):
    done = command("rule", "new", "rules/orders.lua")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (folder / "rules").iterdir()} == {"orders.lua", "orders.case", ".luarc.json", ".stylua.toml", ".tailrace"}
    assert {"tailrace.d.lua", "tailrace/mask.lua", "tailrace/time.lua"} <= {
        str(path.relative_to(folder / "rules/.tailrace")) for path in (folder / "rules/.tailrace").rglob("*.lua")}
    assert json.loads((folder / "rules/.luarc.json").read_text())["runtime.version"] == "LuaJIT"
    assert command("rule", "test", "rules").stdout.endswith("3 cases passed\n")
    again = command("rule", "new", "rules/orders.lua")
    assert again.returncode == 2 and "exists" in again.stderr


def test_types_are_lua_that_parses(folder):
    write(folder / "ddl.sql", "CREATE TABLE shop.`or-der` (id BIGINT PRIMARY KEY, n INT, d DECIMAL(5,2) NOT NULL, `a b` TEXT);")
    assert command("rule", "types", "--schema", "ddl.sql").returncode == 0
    text = (folder / ".tailrace/tables.d.lua").read_text()
    assert "---@class shop.or_der: tailrace.Row\n---@field id bigint bigint\n---@field n number? int\n---@field d decimal decimal(5,2)\n" in text
    assert '---@field ["a b"] string? text' in text
    subprocess.run(["luajit", "-bl", ".tailrace/tables.d.lua"], check=True, stdout=subprocess.DEVNULL)


# -- replay -----------------------------------------------------------------------------------------------------------
def test_replay_of_a_generated_capture_is_the_same_twice(folder):
    capture = folder / "big.capture"
    subprocess.run([REPO / "tests/bench/make_capture.py", capture, "--events", "20000", "--tables", "7"], check=True)
    write(folder / "old.lua", 'return { api = 1, tables = { ["shop.*"] = { columns = { note = false } } } }')
    write(folder / "new.lua", """local mask = require("tailrace.mask")
return { api = 1, tables = { ["shop.*"] = { columns = { note = false, phone = mask.phone },
  map = function(row) return row.amount >= 0 end } } }""")
    words = ("rule", "replay", "new.lua", "--against", "old.lua", "--from", "big.capture")
    first, second = command(*words), command(*words)
    assert first.returncode == 4 and first.stdout == second.stdout and first.stdout
    found = replay(folder / "new.lua", on=capture, against=folder / "old.lua")
    text = capture.read_text()
    assert found.events == sum(text.count(word) for word in ("INSERT INTO", "UPDATE shop", "DELETE FROM", "CREATE TABLE"))
    # Rows below zero are not made any more: inserts of them at least are dropped.
    below = sum(1 for line in text.splitlines() if line.startswith("INSERT") and line.split(", ")[3].startswith("-"))
    assert found.total("dropped") >= below > 0
    assert found.total("errors") == found.total("added") == 0
    assert {column for table in found.tables.values() for column in table["columns"]} <= {"phone", "(operation)"}
    same = replay(folder / "old.lua", on=capture, against=folder / "old.lua")
    assert same.ok and same.hash == same.old_hash == found.old_hash
    assert command("rule", "replay", "old.lua", "--from", "big.capture", "--expect", same.hash).returncode == 0
    assert command("rule", "replay", "old.lua", "--from", "big.capture", "--expect", "00").returncode == 4


def test_replay_counts_failures_of_single_events(folder):
    write(folder / "c.case", "capture\nCREATE TABLE s.t (id INT PRIMARY KEY, n TINYINT);\n" +
          "".join(f"INSERT INTO s.t VALUES ({i}, {i});\n" for i in range(100)))
    write(folder / "r.lua", 'return { api = 1, tables = { ["s.t"] = { map = function(row) row.n = row.n * 2 end } } }')
    found = replay(folder / "r.lua", on=folder / "c.case")
    assert found.tables["s.t"]["errors"] == 100 - 64  # 64 * 2 does not fit
    assert found.examples[0]["kind"] == "error" and "RULE-0104" in found.examples[0]["after"] and found.examples[0]["key"] == "id=64"


def test_profile_counts_per_table(folder):
    write(folder / "c.case", "capture\n" + "".join(
        f"CREATE TABLE s.{name} (id INT PRIMARY KEY, n TINYINT);\n" + "".join(f"INSERT INTO s.{name} VALUES ({i}, {i});\n" for i in range(100))
        for name in "abc"))
    write(folder / "r.lua", 'return { api = 1, tables = { ["s.a"] = { to = "dw.a" }, ["s.b"] = false, '
          '["s.c"] = { map = function(row) if row.n > 90 then row.n = 1000 end return row.n < 10 end } } }')
    done = command("rule", "profile", "r.lua", "--from", "c.case", "--json")
    assert done.returncode == 4, done.stderr
    tables = json.loads(done.stdout)["tables"]
    assert {name: (table["target"], table["in"], table["out"], table["errors"]) for name, table in tables.items()} == {
        "s.a": ("dw.a", 100, 100, 0), "s.b": ("", 100, 0, 0), "s.c": ("s.c", 100, 10, 9)}
    assert tables["s.a"]["ns"] > 0
    assert "out/in" in command("rule", "profile", "r.lua", "--from", "c.case").stdout


# -- capture ----------------------------------------------------------------------------------------------------------
def test_a_live_capture_replays_and_holds_no_masked_value(server, folder):
    server.query("DROP DATABASE IF EXISTS cap; CREATE DATABASE cap CHARACTER SET utf8mb4; "
                 "CREATE TABLE cap.u (id BIGINT UNSIGNED PRIMARY KEY, email VARCHAR(60), d DECIMAL(20,10), b VARBINARY(9), at DATETIME(6), e ENUM('a','b'))")
    start = server.query("SELECT @@gtid_binlog_pos")[0][0]
    server.query("INSERT INTO cap.u VALUES (18446744073709551615, 'secret.person@mail.example', -1.0000000001, x'00ff27', '2026-01-02 03:04:05.000006', 'b'), "
                 "(1, NULL, NULL, x'', '0000-00-00', NULL); UPDATE cap.u SET e = 'a' WHERE id = 1; "
                 "ALTER TABLE cap.u ADD COLUMN note VARCHAR(20); INSERT INTO cap.u (id, note) VALUES (2, 'it''s'); DELETE FROM cap.u WHERE id > 2")
    words = ["capture", server.url, "--set", "password=${env:SHOP_PW}", "--tables", "cap.*", "--start", f"gtid={start}", "--idle", "1s"]
    refused = command(*words, "--out", "c.case", "--sensitive", "email")
    assert refused.returncode == 2 and "cap.u.email is sensitive" in refused.stderr and not (folder / "c.case").exists()
    assert not list(folder.iterdir())
    done = command(*words, "--out", "c.case", "--sensitive", "email", "--mask", "email=fake")
    assert done.returncode == 0, done.stderr
    text = (folder / "c.case").read_text()
    assert "secret" not in text and "@mail" not in text and "@" in text
    assert "ALTER TABLE cap.u ADD COLUMN note VARCHAR(20)" in text
    assert "18446744073709551615" in text and "x'00ff27'" in text and "'2026-01-02 03:04:05.000006'" in text and "-1.0000000001" in text
    write(folder / "r.lua", 'return { api = 1, tables = { ["cap.*"] = { to = "dw.u" } } }')
    found = replay(folder / "r.lua", on=folder / "c.case")
    assert found.tables["dw.u"]["same"] == 3 + 1 + 1 + 2 and found.total("errors") == 0  # rows, and two DDL events
    server.query("DROP DATABASE cap")


# -- the pytest plug-in -----------------------------------------------------------------------------------------------
def test_values_are_typed(folder, tailrace_rule):
    write(folder / "r.lua", 'return { api = 1, tables = { ["s.t"] = { columns = { gone = false } } } }')
    table = tailrace_rule(folder / "r.lua").table(
        "CREATE TABLE s.t (id BIGINT UNSIGNED PRIMARY KEY, d DECIMAL(65,30), b BLOB, t TEXT, f FLOAT, at DATETIME, gone INT)")
    row = {"id": 2**64 - 1, "d": Decimal("-0.000000000000000000000000000001"), "b": b"\0\xff'", "t": "it's \\ \n näme", "f": 1.5,
           "at": "0000-00-00 00:00:00"}
    (out,) = table.insert(row)
    assert (out.op, out.table, out.before, out.after) == ("insert", "s.t", None, row)
    assert [type(value) for value in out.after.values()] == [int, Decimal, bytes, str, float, str]
    (out,) = table.update({**row, "t": testing.ABSENT}, {"t": None})
    assert out.before["t"] is testing.ABSENT and out.after["t"] is None and out.after["b"] == row["b"]
    (out,) = table.delete(id=1)
    assert (out.op, out.before["id"], out.after) == ("delete", 1, None)
    (out,) = table.read(id=2, gone=5)
    assert out.op == "read" and "gone" not in out.after
    with pytest.raises(errors.RuleError, match="RULE-0120"):
        table.insert(id=-1)
    with pytest.raises(TypeError, match="id: int"):
        table.insert(id=object())


def test_case_files_are_items(folder):
    case(folder, TABLE + ROW + OUT + "UPDATE shop.user_07 SET region = 'us';\n-> nothing\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-rA", "--rootdir", str(folder), str(folder)], capture_output=True, text=True, env=environment,
                          check=False)
    assert done.returncode == 1
    assert "1 failed, 1 passed" in done.stdout
    assert "shop.case:4  UPDATE shop.user_07" in done.stdout and "+ got      delete dw.user" in done.stdout


def test_check_says_which_tables_remember(tmp_path):
    (tmp_path / "t.sql").write_text("CREATE TABLE s.a (id BIGINT PRIMARY KEY); CREATE TABLE s.b (id BIGINT PRIMARY KEY); "
                                    "CREATE TABLE s.c (id BIGINT PRIMARY KEY); CREATE TABLE s.d (id BIGINT PRIMARY KEY);")
    (tmp_path / "r.lua").write_text("""return { api = 1, mode = "ordered", state = { last = { key = "bigint", value = "text" } }, tables = {
  ["s.a"] = { row = function(ev, ctx) local last = ctx.state.last
    if last[ev.id] then return false end
    last[ev.id] = "x" ctx.state.last[ev.id] = "y" end },
  ["s.b"] = { columns = { ts = { "bigint", value = meta.ts_us } } },
  ["s.c"] = { map = function(row) row.id = row.id end } } }""")
    report = check(tmp_path / "r.lua", schema=tmp_path / "t.sql")
    assert {table["source"]: table["purity"] for table in report.tables} == {"s.a": "ordered", "s.b": "decides", "s.c": "pure", "s.d": "pure"}
    assert not [finding for finding in report.findings if finding.code == "exact-key"]
    assert "s.a  s.a -> s.a, row, ordered" in list(report.plans())
