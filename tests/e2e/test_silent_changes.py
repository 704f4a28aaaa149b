"""Schema changes that move or change rows without row events: the job stops and says so."""
import pytest
from checks import assert_error, at_source, copied

CHANGES = {
    "dropped and added again": "ALTER TABLE shop.items DROP COLUMN n, ADD COLUMN n INT DEFAULT 5",
    "names changed places": "ALTER TABLE shop.items CHANGE n m INT, ADD n INT",
    "renamed and replaced": "ALTER TABLE shop.items RENAME COLUMN n TO m, ADD n INT",
    "duplicates": "ALTER IGNORE TABLE shop.items ADD UNIQUE (name(4))",
}


@pytest.mark.parametrize("sql", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_of_values_that_the_layout_does_not_show(database, jobs, sql):
    engine = jobs(database)
    assert engine.run().code == 0
    database.run(sql)
    assert_error(engine.run(seconds=30), "SCH-0003", "shop.items", "statement=ALTER")


@pytest.mark.parametrize("kind", ["VIRTUAL", "STORED"])
def test_another_expression_of_a_generated_column(database, jobs, kind):
    database.run(f"ALTER TABLE shop.items ADD COLUMN g INT AS (n * 2) {kind}")
    engine = jobs(database)
    assert engine.run().code == 0
    database.run(f"ALTER TABLE shop.items MODIFY g INT AS (n * 3) {kind}")
    assert_error(engine.run(seconds=30), "SCH-0003", "column g")


def test_columns_that_a_rule_renames_are_followed_by_their_names_at_the_source(database, jobs):
    rules = 'return { api = 1, tables = { ["shop.items"] = { columns = { n = "amount" } } } }'
    engine = jobs(database, rules=rules)
    assert engine.run().code == 0
    database.run("ALTER TABLE shop.items DROP COLUMN n, ADD COLUMN n INT")
    assert_error(engine.run(seconds=30), "SCH-0003", "column n ")


@pytest.fixture
def narrow(database):
    """The source as an account sees it that may read nothing but shop.items."""
    database.run("CREATE OR REPLACE USER narrow IDENTIFIED BY 'n4rrow'; "
                 "GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO narrow; GRANT SELECT ON shop.items TO narrow")
    yield {"url": f"mysql://narrow@127.0.0.1:{database.port}", "password": "n4rrow"}
    database.run("DROP USER narrow")


def test_a_table_that_could_not_be_read_when_the_job_began(database, jobs, narrow):
    database.run("CREATE TABLE shop.hidden (id INT PRIMARY KEY, v INT); INSERT INTO shop.hidden VALUES (1, 1)")
    engine = jobs(narrow)
    assert engine.run().code == 0
    database.run("INSERT INTO shop.hidden VALUES (2, 2)")
    assert_error(engine.run(seconds=30), "SRC-0004", "shop.hidden", "GRANT SELECT")
    database.run("GRANT SELECT ON shop.* TO narrow")   # the row of before is not in the copy even so
    assert_error(engine.run(seconds=30), "SRC-0011", "shop.hidden", "new job")


def test_a_column_that_may_not_be_read(database, jobs, narrow):
    database.run("REVOKE SELECT ON shop.items FROM narrow; GRANT SELECT (id, n) ON shop.items TO narrow")
    assert_error(jobs(narrow).run(seconds=30), "SRC-0004", "shop.items", "columns", "GRANT SELECT")


@pytest.mark.parametrize("sql", ["RENAME TABLE outside.late TO shop.late", "ALTER TABLE outside.late RENAME TO shop.late"])
def test_a_table_renamed_into_the_job_brings_rows_that_were_not_read(database, jobs, sql):
    database.run("DROP DATABASE IF EXISTS outside; CREATE DATABASE outside; CREATE TABLE outside.late LIKE shop.items; "
                 "INSERT INTO outside.late VALUES (1, 'before', 1)")
    engine = jobs(database)
    assert engine.run().code == 0
    database.run(f"INSERT INTO shop.items VALUES (900, 'in front', 9); {sql}; INSERT INTO shop.items VALUES (901, 'behind', 9)")
    for _ in range(2):   # a new start does not pass over it
        assert_error(engine.run(seconds=30), "SRC-0011", "outside.late", "shop.late", "position=")
    rows = copied(jobs.copy)
    assert rows[900] == (900, "in front", 9) and 901 not in rows


def test_a_table_that_takes_the_place_of_another_is_followed(database, jobs):
    """As tools that change tables online do; the copy has the rows of the original."""
    engine = jobs(database, tables=["shop.*", "!shop._*"], sink={"url": f"file://{jobs.folder / 'out'}"})
    assert engine.run().code == 0
    database.run("CREATE TABLE shop._items_new LIKE shop.items; INSERT INTO shop._items_new SELECT * FROM shop.items; "
                 "RENAME TABLE shop.items TO shop._items_old, shop._items_new TO shop.items; INSERT INTO shop.items VALUES (902, 'moved', 1)")
    assert engine.run(seconds=30).code == 0
    text = "".join(path.read_text() for path in sorted((jobs.folder / "out").glob("*.jsonl")))
    assert text.count("'moved'") + text.count('"moved"') == 1


def test_what_the_log_does_not_have_is_told_when_the_job_begins_and_when_it_happens(database, jobs):
    database.run("CREATE TABLE shop.parts (id INT PRIMARY KEY, item INT, label VARCHAR(20) CHARACTER SET utf8mb4, "
                 "CONSTRAINT of_item FOREIGN KEY (item) REFERENCES items (id) ON DELETE CASCADE ON UPDATE SET NULL, "
                 "CONSTRAINT harmless FOREIGN KEY (item) REFERENCES items (id)); INSERT INTO shop.parts VALUES (1, 5, 'süß →')")
    engine = jobs(database)
    assert engine.run().code == 0

    def told():
        return [text for (text,) in engine.look("SELECT text FROM v1_event WHERE code = 'unlogged' ORDER BY id")]

    assert len(told()) == 1
    for part in ("of_item", "shop.parts", "ON DELETE CASCADE ON UPDATE SET NULL of shop.items"):
        assert part in told()[0]
    database.run("SET sql_mode=''; ALTER TABLE shop.parts CONVERT TO CHARACTER SET latin1; INSERT INTO shop.parts VALUES (2, 6, 'süß')")
    for _ in range(2):
        assert engine.run(seconds=30).code == 0
    assert len(told()) == 2
    for part in ("shop.parts", "label became latin1 and was utf8mb4", "CONVERT TO CHARACTER SET latin1"):
        assert part in told()[1]
    # What the warning is about: the source has lost a character, the copy has it.
    assert database.run("SELECT label FROM shop.parts ORDER BY id") == [["süß ?"], ["süß"]]
    import sqlite3
    assert sqlite3.connect(jobs.copy).execute("SELECT label FROM parts ORDER BY id").fetchall() == [("süß →",), ("süß",)]


def test_what_leaves_the_values_as_they_are_passes(database, jobs):
    engine = jobs(database)
    assert engine.run().code == 0
    database.run("ALTER TABLE shop.items ADD INDEX n (n); ALTER TABLE shop.items DROP INDEX n, MODIFY n INT COMMENT 'drop n'; "
                 "ALTER TABLE shop.items CHANGE n n BIGINT; INSERT INTO shop.items VALUES (903, 'still', 3)")
    assert engine.run(seconds=30).code == 0
    assert copied(jobs.copy) == at_source(database)
