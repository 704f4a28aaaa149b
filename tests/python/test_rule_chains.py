"""Chains of rule files, and lookups, where people meet them: configurations, tools, jobs."""
import json
import re
import sqlite3
from pathlib import Path

import pytest
from conftest import write

import tailrace as tr
from tailrace import config, errors, testing
from tailrace.rules import cases, check, replay

REPO = Path(__file__).resolve().parents[2]
TABLE = "CREATE TABLE shop.user (id BIGINT PRIMARY KEY, email VARCHAR(80), card TEXT)"
MASK = """local mask = require("tailrace.mask")
return { api = 1, tables = { ["shop.user"] = { to = "safe.user", columns = { email = mask.email, card = false } } } }
"""
ROUTE = """return { api = 1, options = { suffix = "!" }, tables = { ["safe.user"] = { to = "dw.user", columns = { email = "mail" },
  map = function(row, _, ctx) row.email = row.email .. ctx.options.suffix end } } }
"""


@pytest.fixture
def files(folder):
    write(folder / "mask.lua", MASK)
    write(folder / "route.lua", ROUTE)
    return [folder / "mask.lua", folder / "route.lua"]


def words(*given):
    return [str(word) for word in given]


# -- at the desk --------------------------------------------------------------------------------------------------------
def test_a_list_of_files_is_a_chain(files):
    rule = testing.Rule(files, options={"suffix": "?"})
    (out,) = rule.table(TABLE).insert(id=1, email="jo@x.io", card="X")
    assert (out.table, out.after) == ("dw.user", {"id": 1, "mail": "j***@x.io?"})
    assert re.fullmatch(r"mask\+route@[0-9a-f]{6}", rule.version)


def test_rules_in_python_may_be_one_of_them(files):
    @tr.rule(tables="safe.user", rows=True)
    def shout(row):
        return {**row, "email": row["email"].upper()}

    (out,) = testing.Rule([files[0], shout, files[1]]).table(TABLE).insert(id=1, email="jo@x.io", card="X")
    assert out.after == {"id": 1, "mail": "J***@X.IO!"}


def test_what_is_no_list_of_files_is_told(files):
    for wrong in ([], [files[0], 7], [files[0], ""]):
        with pytest.raises(errors.ConfigError, match="rules: "):
            config.rules_fields(wrong, files[0].parent)
    with pytest.raises(errors.ConfigError, match=r"none\.lua"):
        config.rules_fields([files[0], "none.lua"], files[0].parent)
    with pytest.raises(errors.RuleError, match="sufix.*did you mean `suffix`"):
        testing.Rule(files, options={"sufix": "?"})
    fields = config.rules_fields({"file": ["mask.lua", "route.lua"], "options": {"suffix": "?"}}, files[0].parent)
    assert fields == {"file": words(*files), "options": {"suffix": "?"}}
    assert config.rules_fields(files, files[0].parent) == {"file": words(*files)}


def test_the_tools_take_several_files(files, cli):
    folder = files[0].parent
    write(folder / "ddl.sql", TABLE + ";")
    done = cli("rule", "check", *words(*files), "--schema", "ddl.sql")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mask.lua: shop.user  shop.user -> safe.user" in done.stdout and "route.lua: safe.user  safe.user -> dw.user" in done.stdout
    done = cli("rule", "schema", *words(*files), "--schema", "ddl.sql")
    assert "CREATE TABLE dw.user" in done.stdout and "safe.user (" not in done.stdout, done.stdout + done.stderr
    write(files[1], ROUTE.replace("row.email .. ctx", "row.mail .. ctx"))
    report = check(files, schema=folder / "ddl.sql")
    assert [(found.file, found.line) for found in report.findings if found.is_error] == [("route.lua", 2)], report.findings
    write(files[1], "return { api = 2 }")
    (found,) = check(files).findings
    assert found.file == "route.lua" and "api = 2" in found.text


def test_a_target_that_rows_decide_is_told(folder, cli):
    write(folder / "a.lua", 'return { api = 1, tables = { ["shop.user"] = { to = "dw.user", row = function(ev) '
                            'if ev.email then ev.to = "dw.known" end end } } }')
    write(folder / "ddl.sql", TABLE + ";")
    done = cli("rule", "schema", "a.lua", "--schema", "ddl.sql")
    assert "-- from shop.user, decides; the table is decided per row" in done.stdout, done.stdout + done.stderr
    assert "dw.user (decided per row)" in cli("rule", "check", "a.lua", "--schema", "ddl.sql").stdout


def test_case_files_of_a_chain(files, cli):
    folder = files[0].parent
    text = TABLE + ";\nINSERT INTO shop.user VALUES (1, 'jo@x.io', 'X');\n-> insert dw.user (id=1, mail='j***@x.io!')\n"
    write(folder / "mask+route.case", text)
    assert cases.run(folder / "mask+route.case").passed == 1
    write(folder / "other.case", text)
    done = cli("rule", "test", "other.case", "--rules", "mask.lua", "--rules", "route.lua")
    assert done.returncode == 0, done.stdout + done.stderr
    assert cases.cases_beside(files) == [folder / "mask+route.case"]
    write(folder / "mask+rout.case", text)
    with pytest.raises(errors.ConfigError, match=r"no rout\.lua"):
        cases.run(folder / "mask+rout.case")


def test_a_chain_is_compared_with_one_file(files, cli):
    folder = files[0].parent
    write(folder / "one.lua", """local mask = require("tailrace.mask")
return { api = 1, tables = { ["shop.user"] = { to = "dw.user", columns = { card = false, email = { "varchar(83)", name = "mail" } },
  map = function(row) row.email = mask.email(row.email) .. "!" end } } }""")
    write(folder / "users.case", "capture\n" + TABLE + ";\n" + "".join(
        f"INSERT INTO shop.user VALUES ({i}, 'user{i}@x.io', 'X');\n" for i in range(50)))
    result = replay(files, on=folder / "users.case", against=folder / "one.lua")
    assert result.ok and result.total("same") == 51 and result.hash == result.old_hash, list(result.lines())
    done = cli("rule", "replay", *words(*files), "--against", "one.lua", "--from", "users.case")
    assert done.returncode == 0, done.stdout + done.stderr


# -- jobs ---------------------------------------------------------------------------------------------------------------
def migration(shop, rules, **more):
    return tr.Migration("shop.db", source=tr.source(shop.url, password=tr.env("SHOP_PW")), sink=tr.sink("sqlite://./copy.db"),
                        tables=[f"{shop.database}.client"], rules=rules, **more)


def chain_of(shop, folder, words_="x"):
    write(folder / "a.lua", 'return { api = 1, tables = { ["%s.client"] = { to = "mid.client", columns = { secret = false } } } }' % shop.database)
    write(folder / "b.lua", 'return { api = 1, tables = { ["mid.client"] = { to = "dw.person", '
                            'map = function(row) if row.name == "bad" then error("bad") end row.name = row.name .. "%s" end } } }' % words_)
    return [folder / "a.lua", folder / "b.lua"]


def rows():
    with sqlite3.connect("file:copy.db?mode=ro", uri=True) as copy:
        return [list(row) for row in copy.execute("SELECT * FROM person ORDER BY id")]


def test_a_job_has_a_chain_and_keeps_it(shop, folder):
    shop.query(f"USE {shop.database}; CREATE TABLE client (id INT PRIMARY KEY, name VARCHAR(20), secret TEXT); "
               "INSERT INTO client VALUES (1, 'one', 's')")
    files = chain_of(shop, folder)
    with migration(shop, {"file": files, "on_error": "dead_letter"}) as job:
        job.run(until="caught_up", timeout=60)
        assert rows() == [[1, "onex"]]
        shop.query(f"INSERT INTO {shop.database}.client VALUES (2, 'bad', 'kept'), (3, 'three', 's')")
        job.run(until="caught_up", timeout=60)
        assert rows() == [[1, "onex"], [3, "threex"]]
        (letter,) = job.meta.sql('SELECT "table", message, payload FROM v1_dead_letter').to_dicts()
        assert letter["table"].endswith("client") and "b.lua" in letter["message"] and '"secret":"kept"' in letter["payload"], letter
        version = job.status.rules
        assert version.startswith("a+b@")
    # A new column goes through both.
    with tr.attach("shop.db") as job:
        shop.query(f"ALTER TABLE {shop.database}.client ADD COLUMN note VARCHAR(9); INSERT INTO {shop.database}.client VALUES (4, 'four', 's', 'n')")
        job.run(until="caught_up", timeout=60)
        assert rows()[-1] == [4, "fourx", "n"]
        assert job.status.rules == version


def test_other_files_take_over_and_go_back(shop, folder):
    shop.query(f"USE {shop.database}; CREATE TABLE client (id INT PRIMARY KEY, name VARCHAR(20), secret TEXT)")
    files = chain_of(shop, folder)
    with migration(shop, files) as job:
        job.run(until="caught_up", timeout=60)
        first = job.status.rules
        write(files[1], files[1].read_text().replace('"x"', '"y"'))
        answer = job.swap_rules(files)
        assert answer.before == first and answer.after.startswith("a+b@") and answer.after != first
        shop.query(f"INSERT INTO {shop.database}.client VALUES (1, 'one', 's')")
        job.run(until="caught_up", timeout=60)
        assert rows() == [[1, "oney"]]
        # The files as they were are in the job file.
        for file in files:
            file.unlink()
        job.rules_back()
        shop.query(f"INSERT INTO {shop.database}.client VALUES (2, 'two', 's')")
        job.run(until="caught_up", timeout=60)
        assert rows() == [[1, "oney"], [2, "twox"]]
        assert job.status.rules == first


def test_the_command_line_runs_a_configuration_with_a_chain(shop, folder, cli):
    shop.query(f"USE {shop.database}; CREATE TABLE client (id INT PRIMARY KEY, name VARCHAR(20), secret TEXT); "
               "INSERT INTO client VALUES (1, 'one', 's')")
    chain_of(shop, folder)
    write(folder / "job.toml", f'source = {{ url = "{shop.url}", password = "${{env:SHOP_PW}}" }}\nsink = {{ url = "sqlite://./copy.db" }}\n'
                               f'tables = ["{shop.database}.client"]\nrules = ["a.lua", "b.lua"]\n')
    done = cli("run", "job.toml", "--until", "caught_up")
    assert done.returncode == 0, done.stdout + done.stderr
    assert rows() == [[1, "onex"]]


# -- lookups ------------------------------------------------------------------------------------------------------------
def example(heading):
    """The first Lua text of a part of the manual."""
    part = (REPO / "docs/rules.md").read_text().split(f"\n## {heading}\n", 1)[1]
    return part.split("```lua\n", 1)[1].split("```", 1)[0]


def test_the_example_of_the_manual(folder):
    write(folder / "shop.lua", example("Lookups"))
    write(folder / "country.csv", "code,name,vat\nDE,Germany,19.0\n")
    with sqlite3.connect(folder / "ref.db") as made:
        made.execute("CREATE TABLE fx (code TEXT PRIMARY KEY, rate INTEGER)")
        made.execute("INSERT INTO fx VALUES ('EUR', 2)")
    orders = testing.Rule(folder / "shop.lua").table(
        "CREATE TABLE shop.orders (id INT PRIMARY KEY, country CHAR(2), currency CHAR(3), amount DECIMAL(10,2))")
    outs = [orders.insert(id=i, country=country, currency="EUR", amount="1.25")[0].after for i, country in enumerate(["DE", "ZZ", None])]
    assert [(out["country_name"], str(out["amount"])) for out in outs] == [("Germany", "2.50"), (None, "2.50"), (None, "2.50")]
    with pytest.raises(errors.RuleError, match="no row with code = USD") as caught:
        orders.insert(id=9, country="DE", currency="USD", amount="1")
    assert caught.value.code == "RULE-0102" and "ref.db" in str(caught.value)


def test_an_edited_lookup_is_another_version_that_a_swap_takes_over(shop, folder):
    shop.query(f"USE {shop.database}; CREATE TABLE client (id INT PRIMARY KEY, name VARCHAR(20), country CHAR(2)); "
               "INSERT INTO client VALUES (1, 'one', 'DE')")
    write(folder / "country.csv", "code,name\nDE,Germany\n")
    write(folder / "a.lua", 'return { api = 1, lookups = { country = { csv = "country.csv", key = "code" } }, tables = { ["*.client"] = { '
                            'to = "dw.person", map = function(row, _, ctx) row.name = ctx.lookup.country:must(row.country).name end } } }')
    with migration(shop, folder / "a.lua") as job:
        job.run(until="caught_up", timeout=60)
        first = job.status.rules
        write(folder / "country.csv", "code,name\nDE,Deutschland\n")
        answer = job.swap_rules(folder / "a.lua")
        assert answer.before == first and answer.after != first
        shop.query(f"INSERT INTO {shop.database}.client VALUES (2, 'two', 'DE')")
        job.run(until="caught_up", timeout=60)
        (folder / "country.csv").unlink()
        job.rules_back()
        shop.query(f"INSERT INTO {shop.database}.client VALUES (3, 'three', 'DE')")
        job.run(until="caught_up", timeout=60)
        assert rows() == [[1, "Germany", "DE"], [2, "Deutschland", "DE"], [3, "Germany", "DE"]]
        assert job.status.rules == first


def test_check_tells_of_a_lookup_that_is_none(folder, cli):
    write(folder / "a.lua", 'return { api = 1, lookups = { country = { csv = "country.csv", key = "code" } } }')
    write(folder / "country.csv", "code,name\nDE,Germany\nDE,again\n")
    done = cli("rule", "check", "a.lua", "--json")
    assert done.returncode == 4
    (found,) = json.loads(done.stdout)["findings"]
    assert (found["code"], found["file"], found["line"]) == ("RULE-0101", "country.csv", 3), found
