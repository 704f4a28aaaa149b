"""One table whose schema is in trouble: the job stops, or the table is set aside and the others go on."""
import sqlite3

import pytest
from checks import assert_error, copied


@pytest.fixture(autouse=True)
def metadata(database):
    """As the shared server was started: other tests need names in its log."""
    yield
    database.run("SET GLOBAL binlog_row_metadata='FULL'")


def make_trouble(database):
    """Rows of a table that neither the log nor the server tells of."""
    database.run("SET GLOBAL binlog_row_metadata='NO_LOG'; SET sql_log_bin=0; CREATE TABLE shop.ghost (a INT, b INT)")
    database.run("INSERT INTO shop.ghost VALUES (1, 2); INSERT INTO shop.items VALUES (1001, 'between', 1); "
                 "INSERT INTO shop.ghost VALUES (3, 4)")
    database.run("SET sql_log_bin=0; DROP TABLE shop.ghost")
    database.run("SET GLOBAL binlog_row_metadata='FULL'; INSERT INTO shop.items VALUES (1002, 'behind', 2)")


def test_schema_trouble_stops_the_job(database, jobs):
    engine = jobs(database)
    assert engine.run().code == 0
    make_trouble(database)
    assert_error(engine.run(seconds=30), "SCH-0002", "shop.ghost")


def test_schema_trouble_quarantines_the_table(database, jobs):
    engine = jobs(database, pipeline={"on_schema_error": "quarantine"})
    assert engine.run().code == 0
    make_trouble(database)
    assert engine.run(seconds=30).code == 0
    rows = copied(jobs.copy)
    assert rows[1001][1] == "between" and rows[1002][1] == "behind"
    assert engine.look("""SELECT state, dropped FROM v1_table WHERE "table"='ghost'""") == [("quarantined", 2)]
    letters = engine.look('SELECT code, position, database, "table", message FROM v1_dead_letter')
    assert len(letters) == 1
    assert letters[0][0] == "SCH-0002" and letters[0][2:4] == ("shop", "ghost") and "offset=" in letters[0][1]
    assert engine.look("SELECT count(*) FROM v1_event WHERE level='warn' AND code='SCH-0002'") == [(1,)]

    # It stays set aside: what was passed over is missing, whatever the table looks like later.
    database.run("CREATE TABLE shop.ghost (a INT, b INT); INSERT INTO shop.ghost VALUES (5, 6); INSERT INTO shop.items VALUES (1003, 'later', 3)")
    assert engine.run(seconds=30).code == 0
    assert copied(jobs.copy)[1003][1] == "later"
    assert engine.look("""SELECT state, dropped FROM v1_table WHERE "table"='ghost'""") == [("quarantined", 3)]
    assert engine.look("SELECT count(*) FROM v1_dead_letter") == [(1,)]


def test_hidden_hash_columns_without_names_in_the_log(database, jobs):
    """MariaDB logs a hash behind the columns of a table with a UNIQUE key over a BLOB; without names it has none."""
    engine = jobs(database)
    assert engine.run().code == 0
    database.run("SET GLOBAL binlog_row_metadata='NO_LOG'; CREATE TABLE shop.hashed (id INT PRIMARY KEY, b BLOB, c TEXT, g LINESTRING, "
                 "UNIQUE (b), UNIQUE (c, id), UNIQUE (g, id)); "
                 "INSERT INTO shop.hashed (id, b, c) VALUES (1, 'x', 'y'), (2, NULL, 'z'); SET GLOBAL binlog_row_metadata='FULL'")
    assert engine.run(seconds=30).code == 0
    connection = sqlite3.connect(jobs.copy)
    assert connection.execute("SELECT id, b, c FROM hashed ORDER BY id").fetchall() == [(1, b"x", "y"), (2, None, "z")]
    connection.close()
