"""Every character of every character set, and what is no character, from SELECT and from the log."""
import catalog
import charsets
import matrix
import pytest
import report
import sides
from conftest import long_form

WAYS = ("SELECT", "log, identity rule")


@pytest.mark.parametrize("kind", catalog.LOGGED)
def test_every_character_converts_as_the_server_does(server, tmp_path, kind):
    database = server(kind)
    every = charsets.Charsets(database, long_form())
    every.create()
    start = matrix.start_text(database)
    every.write()
    truth = every.truth()
    problems = []
    for number, side in enumerate(WAYS):
        way = matrix.WAYS[side]
        path, ended = matrix.copy(database, tmp_path, f"chars{number}", way, charsets.SCHEMA, start if way[0] == ["stream"] else None)
        assert ended.code == 0, str(ended)
        for table in every.tables:
            problems += sides.differences(table, truth[table.name], sides.of_copy(path, table), side)[1]
    assert not problems, f"{len(problems)} differences\n" + "\n".join(problems[:20])
    if not long_form():
        report.characters[kind] = every.counts


@pytest.fixture(scope="module")
def bad_text(server):
    """bad_text(kind): the database with a table `bad.texts` of one row, a position before it, {character set: code}. The codes are
    well formed and no characters: a client that asks the server for UTF-8 reads '?'."""
    made = {}

    def get(kind):
        if kind not in made:
            database = server(kind)
            bad = {charset: charsets.codes(database, charset)[1][0] for charset in ("gbk", "cp1256", "big5", "sjis", "ujis", "hebrew")}
            columns = ", ".join(f"{charset} varchar(20) character set {charset}" for charset in bad)
            database.run(f"SET sql_mode=''; DROP DATABASE IF EXISTS bad; CREATE DATABASE bad; CREATE TABLE bad.texts (id int primary key, {columns})")
            start = matrix.start_text(database)
            database.run("SET sql_mode=''; INSERT INTO bad.texts VALUES (1, " + ", ".join(f"x'41{code}41'" for code in bad.values()) + ")")
            stored = database.run("SELECT " + ", ".join(f"HEX({charset})" for charset in bad) + " FROM bad.texts")[0]
            assert stored == [f"41{code}41" for code in bad.values()]
            made[kind] = (database, start, bad)
        return made[kind]
    return get


@pytest.mark.parametrize("kind", catalog.LOGGED)
@pytest.mark.parametrize("side", ["SELECT", "log"])
def test_bytes_that_are_no_text_stop_the_job_by_name(bad_text, tmp_path, kind, side):
    database, start, bad = bad_text(kind)
    way = matrix.WAYS[side]
    path, ended = matrix.copy(database, tmp_path, "stop", way, "bad", start if way[0] == ["stream"] else None)
    assert ended.code == 6, str(ended)
    for text in ("SRC-0018", "table=bad.texts", "column=gbk", f"x'41{bad['gbk'].lower()}41'", "invalid_text"):
        assert text in ended.err, f"{text!r} is not in: {ended}"
    assert not path.exists() or "texts" not in report.tables_of(path) or not report.rows_of(path, "texts")


@pytest.mark.parametrize("kind", catalog.LOGGED)
@pytest.mark.parametrize("side", ["SELECT", "log", "log, identity rule"])
def test_bytes_that_are_no_text_are_replaced_when_asked_for(bad_text, tmp_path, kind, side):
    database, start, bad = bad_text(kind)
    way = matrix.WAYS[side]
    path, ended = matrix.copy(database, tmp_path, "replace", way, "bad", start if way[0] == ["stream"] else None, invalid_text="replace")
    assert ended.code == 0, str(ended)
    row = report.rows_of(path, "texts")[0]
    for charset in bad:
        assert row[charset] == "A\N{REPLACEMENT CHARACTER}A", charset
