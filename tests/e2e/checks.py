"""What the tests of bad input look at."""
import sqlite3


def assert_error(ended, code, *texts, exit_code=6):
    """The engine ended with this code, and said what, why, what to do, and where."""
    assert ended.code == exit_code, str(ended)
    assert code in ended.err, str(ended)
    lines = ended.err.splitlines()
    for word in ("cause:", "solution:"):
        assert any(line.strip().startswith(word) and line.split(":", 1)[1].strip() for line in lines), str(ended)
    for text in texts:
        assert text in ended.err, f"{text!r} is not in: {ended}"


def told(engine):
    """All that the engine left behind: output, job file and its companions, but for the configuration that the test wrote."""
    return b"".join(path.read_bytes() for path in engine.job.parent.iterdir() if path.is_file() and path != engine.config)


def copied(path, table="items", columns="id, name, n"):
    """Rows of a table of the SQLite sink, {} when it is not there."""
    if not path.exists():
        return {}
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    try:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name=?", (table,)).fetchone():
            return {}
        return {row[0]: row for row in connection.execute(f'SELECT {columns} FROM "{table}"')}
    finally:
        connection.close()


def at_source(database, sql="SELECT id, name, n FROM shop.items"):
    """For tables with an integer, a text and an integer."""
    rows = database.run(sql)
    return {int(row[0]): (int(row[0]), None if row[1] == "NULL" else row[1], None if row[2] == "NULL" else int(row[2]))
            for row in rows}
