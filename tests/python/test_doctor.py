"""`tailrace doctor` on configurations: it finds what a run would stumble over, and writes nothing."""
import json
import sqlite3

import pytest

import tailrace as tr

RULES = """return { api = 1, tables = { ["%s.orders"] = { columns = { %s = false } }, ["%s.ordres"] = false } }"""


def config_of(shop, **changes):
    url = f"mysql://mig@127.0.0.1:{shop.port}"
    parts = {"source": f'{{ url = "{url}", password = "mig-secret" }}', "sink": '"sqlite://./copy.db"',
             "tables": f'["{shop.database}.*"]', **changes}
    return "\n".join(f"{key} = {value}" for key, value in parts.items())


def items(cli, *words):
    done = cli("doctor", *words, "--json")
    report = json.loads(done.stdout)
    return done.returncode, {item["name"]: item for item in report["items"]}


def test_everything_of_a_run(cli, folder, shop):
    (folder / "rules.lua").write_text(RULES % (shop.database, "day", shop.database))
    (folder / "shop.toml").write_text(config_of(shop, rules='{ file = "rules.lua" }',
                                                tables=f'["{shop.database}.*", "{shop.database}_old.*"]'))
    code, found = items(cli, "shop.toml")
    assert code == 0, found
    assert {"configuration", "log", "tables", "sink", "rules"} <= found.keys()
    assert not any(item["error"] for item in found.values())
    doubtful = {name for name, item in found.items() if item["warning"]}
    assert doubtful == {f'tables "{shop.database}_old.*"', f'rules tables["{shop.database}.ordres"]'}
    assert not list(folder.glob("copy.db*")), "the sink was written"
    text = cli("doctor", "shop.toml").stdout
    assert "⚠" in text and "misspelt" in text and "✗" not in text


@pytest.mark.parametrize(("changes", "name", "code", "says"), [
    ({"sink": '"sqlite:///no/such/folder/copy.db"'}, "sink", "SINK-0001", "no such folder"),
    ({"sink": '{ url = "kafka://127.0.0.1:1", format = "default" }'}, "broker", "SINK-0002", "127.0.0.1:1"),
    ({"sink": '{ url = "sqlite://./copy.db", namng = "table" }'}, "sink", "CFG-0002", "naming"),
    ({"rules": '{ file = "bad.lua" }'}, "rules", "RULE-0101", "bad.lua"),
    ({"tables": '["nodot"]'}, "tables", "CFG-0003", "nodot"),
    ({"source": '"mysql://a@b@127.0.0.1"'}, "configuration", "CFG-0006", "%40"),
    ({"source": '"mysql://mig@127.0.0.1/shop"'}, "configuration", "CFG-0006", 'tables = ["shop.*"]'),
    ({"source": '{ url = "mysql://127.0.0.1", user = "mig" }'}, "configuration", "CFG-0002", "mysql://NAME@host"),
    ({"source": '{ url = "mysql://mig@127.0.0.1", tls = "verify", tls_ca = "/no/ca.pem" }'}, "configuration", "CFG-0003", "/no/ca.pem cannot be read"),
    ({"source": '{ url = "mysql://mig@127.0.0.1", tls = "required", tls_ca = "/etc/hostname" }'}, "configuration", "CFG-0003", "verify"),
    ({"source": '{ url = "binlog:///etc/hostname", schema = "bad.sql" }'}, "configuration", "CFG-0001", "did you mean TABLE?"),
    ({"source": '{ url = "binlog:///etc/hostname", schema = "none.sql" }'}, "configuration", "CFG-0001", "no CREATE TABLE"),
])
def test_what_blocks_is_named(cli, folder, shop, changes, name, code, says):
    (folder / "shop.toml").write_text(config_of(shop, **changes))
    (folder / "bad.sql").write_text("CREATE TABLE a (id INT); CREATE TABEL b (id INT);")
    (folder / "bad.lua").write_text("return { api = 1, tabels = {} }")
    (folder / "none.sql").write_text("-- nothing here\n")
    exit_code, found = items(cli, "shop.toml")
    assert exit_code == 3
    error = found[name]["error"]
    assert error["code"] == code and says in error["detail"] + str(error.get("context"))


def test_rules_that_do_not_fit_a_table(cli, folder, shop):
    (folder / "rules.lua").write_text(RULES % (shop.database, "nosuch", shop.database))
    (folder / "shop.toml").write_text(config_of(shop, rules='{ file = "rules.lua" }'))
    code, found = items(cli, "shop.toml")
    assert code == 3
    assert found[f"rules for {shop.database}.orders"]["error"]["code"].startswith("RULE-")


def test_each_host(cli, folder, shop):
    hosts = f"127.0.0.1:{shop.port},127.0.0.1:1"
    (folder / "shop.toml").write_text(config_of(
        shop, source=f'{{ url = "mysql://mig@{hosts}", password = "mig-secret", connect_timeout = "2s" }}'))
    code, found = items(cli, "shop.toml")
    assert code == 3
    assert found[f"log of 127.0.0.1:{shop.port}"]["error"] is None
    assert found["log of 127.0.0.1:1"]["error"]["code"] == "SRC-0001"


def test_files_of_a_log_and_a_job_file(cli, folder, shop):
    log = shop.query("SHOW BINARY LOGS")[0][0]
    folder_of_log = shop.query("SELECT @@datadir")[0][0]
    (folder / "log.toml").write_text("\n".join([
        f'source = "binlog://{folder_of_log}{log}"', 'sink = "sqlite://./copy.db"', 'job = { phases = ["stream"] }']))
    code, found = items(cli, "log.toml")
    assert code == 0 and found["tables"]["detail"] == "known from the log as it is read", found
    assert cli("doctor", f"binlog://{folder_of_log}{log}").returncode == 0
    (folder / "shop.toml").write_text(config_of(shop))
    assert cli("run", "shop.toml", "--until", "caught_up").returncode == 0
    before = sqlite3.connect("copy.db").execute("SELECT count(*) FROM sqlite_master").fetchone()
    code, found = items(cli, "shop.toml")
    assert code == 0 and "can be written" in found["sink"]["detail"]
    assert sqlite3.connect("copy.db").execute("SELECT count(*) FROM sqlite_master").fetchone() == before


def test_a_misspelt_pattern_is_a_warning_of_run_and_status(cli, folder, shop):
    (folder / "rules.lua").write_text(RULES % (shop.database, "day", shop.database))
    (folder / "shop.toml").write_text(config_of(shop, rules='{ file = "rules.lua" }'))
    done = cli("run", "shop.toml", "--until", "caught_up")
    assert done.returncode == 0 and f'tables["{shop.database}.ordres"] matched no table' in done.stderr
    assert "matched no table" in cli("status", "shop.db").stdout
    rows = cli("sql", "shop.db", "SELECT level, text FROM v1_event WHERE code = 'unmatched'", "--json").stdout.splitlines()
    assert [json.loads(row)["level"] for row in rows] == ["warn"]
    rows = cli("sql", "shop.db", 'SELECT "table", target FROM v1_table ORDER BY 1', "--json").stdout.splitlines()
    assert {"table": "orders", "target": f"{shop.database}.orders"} in [json.loads(row) for row in rows]


def test_a_foreign_key_that_changes_rows_without_the_log(cli, folder, shop):
    shop.query(f"USE {shop.database}; CREATE TABLE order_lines (id INT PRIMARY KEY, item BIGINT UNSIGNED, "
               "CONSTRAINT of_order FOREIGN KEY (item) REFERENCES orders (id) ON DELETE SET NULL)")
    (folder / "shop.toml").write_text(config_of(shop))
    code, found = items(cli, "shop.toml")
    item = found[f"foreign key of_order of {shop.database}.order_lines"]
    assert code == 0 and item["warning"] and "ON DELETE SET NULL" in item["detail"]
    (folder / "shop.toml").write_text(config_of(shop, tables=f'["{shop.database}.orders"]'))
    code, found = items(cli, "shop.toml")
    assert code == 0 and not [name for name in found if name.startswith("foreign key")]
    (folder / "shop.toml").write_text(config_of(shop))
    assert "of_order" in cli("run", "shop.toml", "--until", "caught_up").stderr
    assert "of_order" in cli("status", "shop.db").stdout


def test_what_is_no_source():
    with pytest.raises(tr.errors.ConfigError, match="tailrace.source"):
        tr.Stream("mysql://mig@127.0.0.1")  # type: ignore[arg-type]


def test_rules_that_are_not_there(cli, folder):
    (folder / "rules.lua").write_text("return { api = 1 }")
    (folder / "shop.toml").write_text('source = "mysql://mig@127.0.0.1"\nsink = "sqlite://./copy.db"\nrules = { file = "rule.lua" }\n')
    done = cli("run", "shop.toml")
    assert done.returncode == 2 and "shop.toml:3" in done.stderr
    assert "rules.file: there is no file rule.lua in" in done.stderr and "did you mean rules.lua?" in done.stderr


def test_a_configuration_that_is_not_there(cli, folder):
    (folder / "shop.toml").write_text("")
    done = cli("run", "shp.toml")
    assert done.returncode == 2 and "there is no file shp.toml" in done.stderr and "did you mean shop.toml?" in done.stderr
