"""Configurations: interpolation, places of errors, secrets. No server is needed."""
import json
import warnings

import pytest
from conftest import wait_until, write

import tailrace as tr
from tailrace import config, errors

NOWHERE = "mysql://mig@127.0.0.1:1"
GOOD = """version = 1
job     = { name = "shop" }
source  = { url = "mysql://mig@127.0.0.1:1", password = "${env:SHOP_PW}" }
tables  = ["shop.*"]

[sink]
url = "sqlite://./copy.db"
"""


def migration(folder, text=GOOD, **changes):
    return tr.Migration.from_config(write(folder / "shop.toml", text), set=changes.get("set"))


def failure(folder, text, run=True):
    with pytest.raises(errors.ConfigError) as caught:
        job = migration(folder, text)
        if run:
            job.start()
    return caught.value


def test_unknown_key_has_line_and_nearest_name(folder):
    error = failure(folder, GOOD + 'namng = "table"\n')
    assert error.code == "CFG-0002" and "sink.namng" in error.detail and "'naming'" in error.detail
    assert error.context["file"].endswith("shop.toml:8")
    error = failure(folder, GOOD.replace("tables ", "tabels "))
    assert error.code == "CFG-0002" and "'tables'" in error.detail and error.context["file"].endswith("shop.toml:4")
    error = failure(folder, GOOD.replace('password = "${env:SHOP_PW}"', 'tsl = "off"'))
    assert "'tls'" in error.detail and error.context["file"].endswith("shop.toml:3")


def test_a_refused_configuration_leaves_no_job_behind(folder):
    failure(folder, GOOD + 'namng = "table"\n')
    job = migration(folder)  # corrected: the same job file, no JOB-0004
    job.start()
    job.stop("abort")


def test_syntax_error_has_its_line(folder):
    error = failure(folder, 'version = 1\nsource = { url = "x\n', run=False)
    assert error.code == "CFG-0001" and error.context["file"].endswith("shop.toml:2")
    with pytest.raises(errors.ConfigError) as caught:
        tr.Migration.from_config(folder / "none.toml")
    assert caught.value.code == "CFG-0001" and "none.toml" in str(caught.value)


def test_missing_variable_names_file_line_key_and_variable(folder, monkeypatch):
    monkeypatch.delenv("SHOP_PW")
    error = failure(folder, GOOD, run=False)
    assert error.code == "CFG-0007" and "SHOP_PW" in error.detail
    assert error.context == {"key": "source.password", "file": f"{folder}/shop.toml:3"}


def test_interpolation_is_after_parsing_and_in_strings_only(folder, monkeypatch):
    monkeypatch.setenv("TABLE", 'a"] # \\ ${env:HOME}')
    (folder / "pw").write_text("from file\n")
    tree = {"tables": ["${env:TABLE}", "$$x", "${env:NONE:-d}", "${env:NONE:-}", f"${{file:{folder}/pw}}"], "n": 5}
    assert config.interpolate(tree, lambda key: None) == {
        "tables": ['a"] # \\ ${env:HOME}', "$x", "d", "", "from file"], "n": 5}
    with pytest.raises(errors.ConfigError, match="neither"):
        config.interpolate({"tables": ["${HOME}"]}, lambda key: None)


def test_set_changes_the_file(folder):
    job = migration(folder, set={"sink.naming": "db__table", "pipeline.threads": 1})
    assert job._config.fields["sink"] == {"url": "sqlite://./copy.db", "naming": "db__table"}
    assert job._config.fields["pipeline"] == {"threads": 1}


def test_rules_are_beside_the_configuration(folder):
    (folder / "rules").mkdir()
    (folder / "rules/shop.lua").write_text("return { api = 1 }")
    job = migration(folder, GOOD.replace("[sink]", '[rules]\nfile = "rules/shop.lua"\n[sink]'))
    assert job._config.fields["rules"] == {"file": str(folder / "rules/shop.lua")}


def test_a_dollar_in_an_option_stays_a_dollar(folder):
    sink = tr.sink("file:///tmp/x", prefix="a${b")
    assert sink.options["prefix"] == "a$${b"  # as the engine reads it


@pytest.mark.parametrize("make", [
    lambda: tr.source("mysql://mig@127.0.0.1:1", password="hunter2-literal"),
    lambda: tr.source("mysql://mig:hunter2-literal@127.0.0.1:1"),
    lambda: tr.source("mysql://mig@127.0.0.1:1", password=tr.env("SHOP_PW")),
])
def test_passwords_are_nowhere_in_the_job_file(folder, monkeypatch, make):
    monkeypatch.setenv("SHOP_PW", "hunter2-literal")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source = make()
    assert "hunter2" not in repr(source)
    job = tr.Migration("shop.db", source=source, sink=tr.sink("sqlite://./copy.db"))
    job.start()
    wait_until(lambda: len(job.meta.sql("SELECT * FROM v1_event")) >= 2)  # it has tried to log in
    job.stop("abort")
    files = [path for path in folder.iterdir() if path.is_file()]
    assert {path.name for path in files} >= {"shop.db", "shop.db.lock"}
    for path in files:
        assert b"hunter2" not in path.read_bytes(), path.name


RULES = 'return { api = 1, options = { region = "eu", pepper = secret }, tables = { ["shop.*"] = { columns = {' \
        ' email = (require "tailrace.hash").hmac { key = "pepper" } } } } }'


def held_by(folder):
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file() and path.suffix not in (".toml", ".lua"))


def test_a_secret_of_the_rules_is_kept_as_a_reference_only(folder, monkeypatch):
    monkeypatch.setenv("PEPPER", "hunter2-literal")
    write(folder / "shop.lua", RULES)
    with_rules = GOOD.replace("[sink]", '[rules]\nfile = "shop.lua"\noptions = { pepper = "%s" }\n[sink]')
    for literal in ("hunter2-literal", "x${env:PEPPER}", "${env:NONE:-hunter2-literal}"):
        with pytest.raises(errors.RuleError) as caught:
            migration(folder, with_rules % literal).start()
        assert caught.value.code == "RULE-0101" and 'pepper = "${env:NAME}"' in caught.value.detail
        assert "hunter2" not in str(caught.value)
    job = migration(folder, with_rules % "${env:PEPPER}")
    job.start()
    wait_until(lambda: len(job.meta.sql("SELECT * FROM v1_event")) >= 2)
    job.stop("abort")
    assert b"${env:PEPPER}" in held_by(folder) and b"hunter2" not in held_by(folder)
    with pytest.raises(errors.JobExists) as changed:  # a literal in its place is not shown either
        migration(folder, with_rules % "hunter2-literal").start()
    assert "(a literal value)" in changed.value.detail and b"hunter2" not in held_by(folder)
    with pytest.raises(errors.RuleError, match="is a secret"):
        tr.attach("shop.db").swap_rules("shop.lua", {"pepper": "hunter2-literal"})
    other = tr.attach("shop.db")  # a command to its process would stand in the job file
    other.start()
    with pytest.raises(errors.RuleError, match="is a secret"):
        tr.attach("shop.db").swap_rules("shop.lua", {"pepper": "hunter2-literal"})
    other.stop("abort")
    assert b"hunter2" not in held_by(folder)


def test_options_of_the_rules_may_be_references(folder, monkeypatch):
    monkeypatch.setenv("PEPPER", "p")
    write(folder / "shop.lua", RULES)
    job = tr.Migration("shop.db", source=tr.source(NOWHERE), sink=tr.sink("sqlite://./copy.db"),
                       rules={"file": "shop.lua", "options": {"pepper": tr.env("PEPPER"), "region": "us"}})
    assert job._config.fields["rules"]["options"] == {"pepper": "${env:PEPPER}", "region": "us"}
    job.start().stop("abort")


def test_policies_and_limits_may_change_between_runs(folder):
    changed = GOOD + 'commit_every = "20ms"\n[pipeline]\nmemory = "32MiB"\n[rules]\non_error = "dead_letter"\n'
    for text in (GOOD, changed, GOOD):
        migration(folder, text).start().stop("abort")
    told = [row["text"] for row in tr.attach("shop.db").meta.sql("SELECT text FROM v1_event WHERE level = 'warn'").to_dicts()]
    assert [text for text in told if "on_error" in text and "commit_every" in text and "memory" in text]
    for line, why in (('naming = "db__table"', "another target or form is another job"), ('[job]\nphases = ["stream"]', "what the job has copied")):
        text = GOOD.replace('job     = { name = "shop" }\n', "") if "[job]" in line else GOOD
        with pytest.raises(errors.JobExists) as caught:
            migration(folder, text + line + "\n").start()
        assert caught.value.code == "JOB-0004" and why in caught.value.detail and "on_error" not in caught.value.detail


def test_password_in_a_url_is_warned_about():
    with pytest.warns(UserWarning, match="password inside a URL") as caught:
        source = tr.source("mysql://mig:pa%40ss@127.0.0.1:1/x?tls=off")
    assert caught[0].filename == __file__
    assert source.url == "mysql://mig@127.0.0.1:1/x?tls=off" and source.secrets == {"password": "pa@ss"}


def test_other_secret_options_must_be_references():
    with pytest.raises(errors.ConfigError, match="reference"):
        tr.Migration("x.db", source=tr.source(NOWHERE), sink=tr.sink("kafka://127.0.0.1:1", properties="a=b"))


def test_same_configuration_resumes_and_another_does_not(folder):
    def make(url=NOWHERE, tables=("shop.*",)):
        return tr.Migration("shop.db", source=tr.source(url), sink=tr.sink("sqlite://./copy.db"), tables=tables)

    for _ in range(2):
        make().start().stop("abort")
    with pytest.raises(errors.JobExists) as caught:
        make(tables=["other.*"]).start()
    assert caught.value.code == "JOB-0004"
    assert "shop.*" in caught.value.detail and "other.*" in caught.value.detail
    # The source may have moved; that it is the same history is checked once it is there.
    make("mysql://mig@127.0.0.1:2").start().stop("abort")
    with pytest.raises(errors.JobExists):
        make("binlog:///logs/binlog.000001").start()


STREAM = GOOD.replace('{ name = "shop" }', '{ name = "shop", phases = ["stream"] }')


def with_start(value):
    return STREAM.replace('password = "${env:SHOP_PW}"', f"start = {value}")


@pytest.mark.parametrize(("written", "kept"), [
    ("2026-11-25T08:00:00Z", "2026-11-25T08:00:00+00:00"),            # a time of TOML
    ('"2026-11-25T10:00:00.5+02:00"', "2026-11-25T10:00:00.5+02:00"),
    ('"earliest"', "earliest"), ('"binlog.000042:1234"', "binlog.000042:1234"), ('"gtid=0-1-42,7-2-5"', "gtid=0-1-42,7-2-5"),
])
def test_where_a_stream_starts(folder, written, kept):
    job = migration(folder, with_start(written))
    job.start().stop("abort")
    assert json.loads(job.meta.sql("SELECT config FROM v1_job").rows[0][0])["source"]["start"] == kept


@pytest.mark.parametrize(("written", "why"), [
    ("2026-11-25T08:00:00", "no time zone"), ('"2026-11-25T08:00:00"', "no time zone"), ('"yesterday"', "binlog.000042:1234"),
    ('"binlog.000042"', "binlog.000042:1234"),
])
def test_a_start_that_is_not_understood_has_its_line(folder, written, why):
    error = failure(folder, with_start(written))
    assert error.code == "CFG-0003" and "source.start" in error.detail and why in error.detail
    assert error.context["file"].endswith("shop.toml:3")


def test_a_copy_begins_now(folder):
    error = failure(folder, GOOD.replace('password = "${env:SHOP_PW}"', 'start = "earliest"'))
    assert error.code == "CFG-0003" and "source.start" in error.detail and "stream" in error.detail


@pytest.mark.parametrize(("arguments", "code"), [
    ({"tables": "shop.*"}, "CFG-0003"), ({"rules": 5}, "CFG-0003"),
])
def test_wrong_arguments(arguments, code):
    with pytest.raises(errors.ConfigError) as caught:
        tr.Migration("x.db", source=tr.source(NOWHERE), sink=tr.sink("sqlite://./copy.db"), **arguments)
    assert caught.value.code == code


def test_wrong_until(folder):
    job = tr.Migration("x.db", source=tr.source(NOWHERE), sink=tr.sink("sqlite://./copy.db"))
    with pytest.raises(errors.ConfigError, match="until"):
        job.run(until="tomorrow")
    assert job.owner == ""


@pytest.mark.parametrize(("key", "line"), [
    ("pipeline.threads", "[pipeline]\nthreads = 1979-05-27\n"),
    ("pipeline.memory", "[pipeline]\nmemory = 07:32:00\n"),
    ("rules.memory", "[rules]\nmemory = 1979-05-27T07:32:00Z\n"),
    ("rules.options.since", "[rules.options]\nsince = 1979-05-27\n"),
    ("sink.page", "page = 1979-05-27\n"),
])
def test_a_date_of_toml_is_refused_with_its_key(folder, key, line):
    error = failure(folder, GOOD + line, run=False)
    assert error.code == "CFG-0003" and error.detail.startswith(f"{key}: ") and ("1979-05-27" in error.detail or "07:32" in error.detail)
    assert error.context["file"].endswith(f"shop.toml:{8 + line.count('[')}")


def test_a_date_as_name_of_the_job_is_refused(folder):
    error = failure(folder, GOOD.replace('name = "shop"', "name = 1979-05-27"), run=False)
    assert error.code == "CFG-0003" and error.detail.startswith("job.name: ") and error.context["file"].endswith("shop.toml:2")


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e999", "99999999999999999999"])
@pytest.mark.parametrize("key", ["pipeline.threads", "pipeline.memory", "rules.batch_ms", "rules.options.limit", "sink.page", "version"])
def test_a_number_that_is_none_is_refused_with_its_key(folder, key, number):
    table, _, name = key.rpartition(".")
    text = GOOD.replace("version = 1", "") if not table else GOOD
    error = failure(folder, (f"{name} = {number}\n" + text) if not table else text + (f"[{table}]\n" if table != "sink" else "") + f"{name} = {number}\n")
    assert error.code == "CFG-0003" and error.detail.startswith(f"{key}: ") and "json" not in str(error)


def test_a_number_that_is_none_given_in_python_is_refused(folder):
    source, sink = tr.source(NOWHERE), tr.sink("sqlite://./copy.db")
    for given in ({"memory": float("nan")}, {"rules": {"options": {"limit": float("inf")}}}):
        with pytest.raises(errors.ConfigError) as caught:
            tr.Migration(folder / "job.db", source=source, sink=sink, tables=["shop.*"], **given)
        assert caught.value.code == "CFG-0003" and ("pipeline.memory" in caught.value.detail or "rules.options.limit" in caught.value.detail)
