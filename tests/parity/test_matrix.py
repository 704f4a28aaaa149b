"""Every type with its edge values has one form from every side."""
import catalog
import matrix
import pytest
import report
import sides
import specials


def ways_of(kind):
    return [side for side, way in matrix.WAYS.items() if kind in catalog.LOGGED or way[0] == ["snapshot"]]


@pytest.mark.parametrize("kind", catalog.EVERYWHERE)
def test_one_value_one_form(server, tmp_path, kind):
    database = server(kind)
    grid = matrix.Matrix(database, tmp_path)
    grid.create()
    grid.write()
    outcome = grid.compare(ways_of(kind))
    assert not outcome.problems, f"{len(outcome.problems)} differences\n" + "\n".join(outcome.problems[:60])
    assert set(outcome.compared) == {(one.family, side) for one in catalog.types_of(kind) for side in ways_of(kind)}
    report.compared.setdefault(kind, {}).update(outcome.compared)


@pytest.mark.parametrize("kind", catalog.LOGGED)
def test_generated_invisible_and_hidden_columns(server, tmp_path, kind):
    database = server(kind)
    specials.create(database)
    start = matrix.start_text(database)
    specials.write(database)
    truth, outcome = specials.truth(database), matrix.Outcome()
    for number, (side, way) in enumerate(matrix.WAYS.items()):
        path, ended = matrix.copy(database, tmp_path, f"special{number}", way, specials.SCHEMA, start if way[0] == ["stream"] else None)
        assert ended.code == 0, str(ended)
        for special in specials.of(kind):
            outcome.add(side, *sides.differences(special.table, truth[special.name], sides.of_copy(path, special.table), side))
    assert not outcome.problems, "\n".join(outcome.problems)
    report.compared.setdefault(kind, {}).update(outcome.compared)


def refused(database, folder, way, setup, change, code, *texts):
    """A job over the one table that `setup` makes ends with this error."""
    database.run(f"SET NAMES utf8mb4; SET sql_mode=''; DROP DATABASE IF EXISTS refused; CREATE DATABASE refused; USE refused; {setup}")
    start = matrix.start_text(database) if database.kind != "seekdb" else None
    database.run(f"SET NAMES utf8mb4; SET sql_mode=''; USE refused; {change}")
    _, ended = matrix.copy(database, folder, "refused", way, "refused", start if way[0] == ["stream"] else None)
    assert ended.code == 6, str(ended)
    for text in (code, *texts):
        assert text in ended.err, f"{text!r} is not in: {ended}"


@pytest.mark.parametrize("kind", catalog.LOGGED)
def test_label_beyond_the_catalogue_is_named_by_a_copy_and_right_from_the_log(server, tmp_path, kind):
    database = server(kind)
    setup = "CREATE TABLE t (id int primary key, e enum('😀','x','?'), s set('a','🏳'))"
    change = "INSERT INTO t VALUES (1, '😀', 'a,🏳'), (2, 'x', 'a'), (3, '?', '')"
    refused(database, tmp_path, matrix.WAYS["SELECT"], setup, change, "SCH-0004", "table=refused.t", "U+FFFF")
    database.run("DELETE FROM refused.t WHERE id = 1")
    path, ended = matrix.copy(database, tmp_path, "plain", matrix.WAYS["SELECT"], "refused")
    assert ended.code == 0, str(ended)
    assert report.rows_of(path, "t") == [{"id": 2, "e": "x", "s": "a"}, {"id": 3, "e": "?", "s": ""}]
    database.run("SET NAMES utf8mb4; TRUNCATE TABLE refused.t")
    begin = matrix.start_text(database)
    database.run(f"SET NAMES utf8mb4; USE refused; {change}")
    path, ended = matrix.copy(database, tmp_path, "logged", matrix.WAYS["log"], "refused", begin)
    assert ended.code == 0, str(ended)
    assert report.rows_of(path, "t")[0] == {"id": 1, "e": "😀", "s": "a,🏳"}


@pytest.mark.parametrize("kind", catalog.MARIA)
def test_system_versioned_table_is_refused(server, tmp_path, kind):
    refused(server(kind), tmp_path, matrix.WAYS["SELECT"], "CREATE TABLE t (id int primary key) WITH SYSTEM VERSIONING",
            "INSERT INTO t VALUES (1)", "SRC-0011", "table=refused.t")


@pytest.mark.parametrize("kind", catalog.MARIA)
@pytest.mark.parametrize("column", ["time(3)", "datetime(6)", "timestamp(2) null"])
def test_old_times_with_fractions_are_refused_from_the_log(server, tmp_path, kind, column):
    setup = ("SET @kept = @@global.mysql56_temporal_format; SET GLOBAL mysql56_temporal_format = OFF; "
             f"CREATE TABLE t (id int primary key, c {column}); SET GLOBAL mysql56_temporal_format = @kept")
    refused(server(kind), tmp_path, matrix.WAYS["log"], setup, "INSERT INTO t VALUES (1, '2024-02-03 04:05:06.78')", "SCH-0001",
            "table=refused.t", "before MySQL 5.6")


def test_update_of_a_generated_column_that_is_not_logged_is_named(server, tmp_path):
    refused(server(catalog.MARIADB_NEW), tmp_path, matrix.WAYS["log"],
            "CREATE TABLE t (id int primary key, a int, v int AS (a * 2) VIRTUAL); INSERT INTO t (id, a) VALUES (1, 1)",
            "UPDATE t SET a = 5", "SRC-0022", "table=refused.t", "column=v")


def test_a_server_without_a_log_is_named_when_it_is_to_be_followed(server, tmp_path):
    refused(server(catalog.SEEKDB), tmp_path, (["snapshot", "stream"], 1, None), "CREATE TABLE t (id int primary key)", "SELECT 1",
            "SRC-0005", 'phases = ["snapshot"]')


def test_label_with_a_quote_in_a_catalogue_that_does_not_escape_it(server, tmp_path):
    refused(server(catalog.SEEKDB), tmp_path, matrix.WAYS["SELECT"], "CREATE TABLE t (id int primary key, e enum('it''s','x'))", "SELECT 1",
            "SCH-0004", "table=refused.t")
