"""Tables whose columns are special in more than their type: generated, invisible, hidden, of old formats."""
import catalog
import sides
from sides import Compared, Field

SCHEMA = "parity_special"


class Special:
    def __init__(self, name, family, create, columns, rows, servers, changes=()):
        self.name, self.create, self.rows, self.servers, self.changes = name, create, rows, servers, changes
        fields = [Field(column, kind, family) for column, kind in columns]
        self.table = Compared(name, tuple(fields))


GENERATED = ("CREATE TABLE {t} (id int primary key, a int, v int {as_} (a * 2) virtual, s varchar(20) {as_} (concat('<', a, '>')) stored, "
             "d decimal(12,4) {as_} (a / 3) stored, b varchar(10) {as_} (left(s2, 3)) virtual, s2 varchar(10) character set latin1)")


def specials():
    rows = ["(id, a, s2) VALUES (1, 5, 'café')", "(id, a, s2) VALUES (2, -7, NULL)", "(id, a, s2) VALUES (3, NULL, '')"]
    changes = ["UPDATE {t} SET a = 11 WHERE id = 2", "UPDATE {t} SET s2 = 'éé' WHERE id = 3", "DELETE FROM {t} WHERE id = 1"]
    columns = [("id", "int"), ("a", "int"), ("v", "int"), ("s", "text"), ("d", "decimal"), ("b", "text"), ("s2", "text")]
    generated = GENERATED.replace("{as_}", "AS")
    yield Special("computed", "generated columns, VIRTUAL and STORED", generated, columns, rows, (catalog.MARIADB, catalog.MYSQL), changes)
    yield Special("computed", "generated columns, VIRTUAL and STORED", generated, columns, rows, (catalog.MARIADB_NEW,), changes[-1:])
    yield Special("invisible", "invisible columns", "CREATE TABLE {t} (id int primary key, a int invisible default 5, b varchar(9) invisible, c int)",
                  [("id", "int"), ("a", "int"), ("b", "text"), ("c", "int")],
                  ["(id, c) VALUES (1, 2)", "(id, a, b, c) VALUES (2, 3, 'x', NULL)"], catalog.LOGGED, ["UPDATE {t} SET a = a + 1"])
    yield Special("functional", "hidden column of a functional index",
                  "CREATE TABLE {t} (id int primary key, a varchar(20), n int, index ((lower(a))), index ((n + 1)))",
                  [("id", "int"), ("a", "text"), ("n", "int")], ["VALUES (1, 'ABC', 5)", "VALUES (2, NULL, NULL)", "VALUES (3, 'É', -1)"],
                  (catalog.MYSQL,), ["UPDATE {t} SET a = 'xyz', n = 9 WHERE id = 1", "DELETE FROM {t} WHERE id = 2"])
    yield Special("multivalued", "hidden column of a multi-valued index",
                  "CREATE TABLE {t} (id int primary key, j json, index ((cast(j->'$.tags' as unsigned array))))",
                  [("id", "int"), ("j", "json")], ["VALUES (1, '{\"tags\": [1, 2]}')", "VALUES (2, '{\"tags\": []}')", "VALUES (3, NULL)"],
                  (catalog.MYSQL,), ["UPDATE {t} SET j = '{\"tags\": [7]}' WHERE id = 2"])
    yield Special("gipk", "invisible primary key made by the server",
                  "SET SESSION sql_generate_invisible_primary_key = ON; CREATE TABLE {t} (a int, b varchar(9)); "
                  "SET SESSION sql_generate_invisible_primary_key = OFF",
                  [("my_row_id", "int"), ("a", "int"), ("b", "text")], ["(a, b) VALUES (1, 'x'), (2, NULL)"], (catalog.MYSQL,),
                  ["UPDATE {t} SET b = 'y' WHERE a = 2"])
    # The log lists character sets by place among the columns that have one; which count differs between servers.
    between = "VECTOR, GEOMETRY and JSON between columns of character sets"
    create = ("CREATE TABLE {t} (id int primary key, v vector(3), a varchar(60) character set utf8mb3, g point, b longtext character set latin1, "
              "j json, c varbinary(9), e enum('é','x') character set latin1, d char(9))")
    row = "VALUES (1, {}('[1,2,3]'), 'é日', st_geomfromtext('POINT(1 2)'), 'é', '[1]', x'00ff', 'é', 'ü')"
    columns = [("id", "int"), ("v", "bytes"), ("a", "text"), ("g", "geometry"), ("b", "text"), ("j", "json"), ("c", "bytes"), ("e", "enum"), ("d", "text")]
    yield Special("places", between, create, columns, [row.format("string_to_vector")], (catalog.MYSQL,), ["UPDATE {t} SET a = 'ß', d = 'é'"])
    columns = [(name, "text" if name == "j" else kind) for name, kind in columns]
    yield Special("places", between, create, columns, [row.format("vec_fromtext")], (catalog.MARIADB_NEW,), ["UPDATE {t} SET a = 'ß', d = 'é'"])
    yield Special("longunique", "hidden column of a long unique key (DB_ROW_HASH)",
                  "CREATE TABLE {t} (id int primary key, a text, b blob, unique (a), unique (a, b))",
                  [("id", "int"), ("a", "text"), ("b", "bytes")], ["VALUES (1, repeat('é', 5000), x'00ff')", "VALUES (2, NULL, NULL)", "VALUES (3, '', '')"],
                  catalog.MARIA, ["UPDATE {t} SET a = 'new', b = x'01' WHERE id = 1", "DELETE FROM {t} WHERE id = 3"])
    old = ("SET @kept = @@global.mysql56_temporal_format; SET GLOBAL mysql56_temporal_format = OFF; "
           "CREATE TABLE {t} (id int primary key, t time, d datetime, s timestamp null); SET GLOBAL mysql56_temporal_format = @kept")
    yield Special("oldtimes", "TIME, DATETIME and TIMESTAMP in the format before MySQL 5.6", old,
                  [("id", "int"), ("t", "time"), ("d", "datetime"), ("s", "timestamp")],
                  ["VALUES (1, '838:59:59', '9999-12-31 23:59:59', '2038-01-19 03:14:07')", "VALUES (2, '-838:59:59', '0000-00-00 00:00:00', '0000-00-00 00:00:00')",
                   "VALUES (3, '-00:00:01', '2024-00-00 01:02:03', '2024-03-31 01:59:59')", "VALUES (4, NULL, NULL, NULL)"],
                  catalog.MARIA, ["UPDATE {t} SET t = '12:34:56', d = '1000-01-01 00:00:00' WHERE id = 4"])
    yield Special("defaults", "generated key, defaults and ON UPDATE",
                  "CREATE TABLE {t} (id bigint unsigned primary key auto_increment, a int default 7, b varchar(9) default 'dflt', "
                  "t timestamp(3) null default current_timestamp(3) on update current_timestamp(3))",
                  [("id", "int"), ("a", "int"), ("b", "text"), ("t", "timestamp")], ["() VALUES ()", "(id) VALUES (18446744073709551614)"], catalog.LOGGED,
                  ["UPDATE {t} SET a = 8"])


def of(server):
    return [special for special in specials() if server in special.servers]


def create(database):
    script = [f"SET NAMES utf8mb4; SET sql_mode=''; DROP DATABASE IF EXISTS {SCHEMA}; CREATE DATABASE {SCHEMA}; USE {SCHEMA}"]
    script += [special.create.replace("{t}", special.name) for special in of(database.kind)]
    database.run(";\n".join(script))


def write(database):
    script = [f"SET NAMES utf8mb4; SET sql_mode=''; USE {SCHEMA}"]
    for special in of(database.kind):
        script += [f"INSERT INTO {special.name} {row}" for row in special.rows]
        script += [change.replace("{t}", special.name) for change in special.changes]
    database.run(";\n".join(script))


def truth(database):
    return sides.of_server(database, SCHEMA, [special.table for special in of(database.kind)])
