"""Random transactions over tables of several shapes, for jobs that read a log written under unusual options: columns with
defaults that INSERTs leave out, keys that change, tables without a primary key, JSON documents changed in place."""
from .values import Column, Table

DB = "opts"


def column(name, sql, kind=None, labels=()):
    return Column(name, sql, kind or sql.split("(")[0].split()[0], labels)


def tables(kind):
    """A MariaDB knows JSON as text, and logs virtual columns in full images only; newer ones all generated columns."""
    mysql = kind == "mysql9"
    stored = [column("g", "int as (n + 1) stored", "int")] if kind != "mariadb_new" else []
    virtual = [column("vi", "int as (n * 2) virtual", "int"), column("vt", "text as (concat(v, '!')) virtual", "text")] if mysql else []
    keyed = Table(DB, "keyed", (
        column("id", "int not null", "int"), column("n", "int not null default 5", "int"),
        column("v", "varchar(40) default 'd''d \\\\ é'", "text"), column("tx", "text"),
        column("de", "decimal(12,4) default 1.5"), column("dt", "datetime(3) default '2020-01-01 00:00:00.123'"),
        column("ts", "timestamp(2) null default '2021-02-03 04:05:06.78'", "timestamp"), column("ti", "time default '-10:00:01'"),
        column("bl", "blob", "bytes"), column("en", "enum('a','b','c') not null default 'b'", "enum"),
        column("st", "set('x','y','z') default 'x,z'", "set"), column("bi", "bit(9) default b'101'", "bit"),
        column("made", "timestamp(6) default current_timestamp(6)", "timestamp"), *stored,
        column("u", "bigint unsigned default 18446744073709551615", "int"), column("f", "float default 0.25", "float"),
        column("ye", "year default 2001"), *virtual, column("j", "json"), column("j2", "json")), ("id",))
    uniq = Table(DB, "uniq", (column("code", "varchar(20) not null", "text"), column("k", "smallint unsigned not null", "int"),
                              column("tx", "text"), column("n", "bigint default -7", "int")), extra="UNIQUE KEY u (code, k)")
    keyless = Table(DB, "keyless", (column("a", "int"), column("b", "varchar(20) default 'x'", "text"), column("tx", "text"),
                                    column("j", "json")))
    pair = Table(DB, "pair", (column("a", "int not null", "int"), column("b", "int not null", "int"),
                              column("v", "varchar(30)", "text"), column("tx", "text")), ("a", "b"))
    return [keyed, uniq, keyless, pair]


def prepare(database, kind):
    database.run(f"SET sql_mode=''; DROP DATABASE IF EXISTS {DB}; CREATE DATABASE {DB}; "
                 + "; ".join(table.create() for table in tables(kind)))


WORDS = ["plain", "", "it''s", "ümläut ß", "日本語", "emoji 🚀", "NULL", "0", "trailing "]
PATHS = ["$.a", "$.b[0]", "$.b[1]", "$.b[9]", "$.b", "$.c.x", "$.c.y", "$.c.new", "$.n1", "$.longer_name", '$."k é"', "$.s", "$.d[0][0]"]


class Changes:
    def __init__(self, rng, kind, moves=True):
        self.rng, self.mysql, self.moves = rng, kind == "mysql9", moves

    def word(self):
        return f"'{self.rng.choice(WORDS)}{self.rng.randint(0, 99)}'"

    def text(self):
        return self.rng.choice(["NULL", self.word(), f"REPEAT({self.word()}, {self.rng.randint(1, 200)})"])

    def json_value(self):
        return self.rng.choice([lambda: str(self.rng.randint(-10**6, 10**10)), self.word, lambda: "1.25", lambda: "NULL",
                                lambda: "JSON_ARRAY(1, 'z', NULL)", lambda: "JSON_OBJECT('q', 1, 'pp', JSON_ARRAY())",
                                lambda: f"REPEAT('{self.rng.choice('abc')}', {self.rng.randint(1, 300)})", lambda: "true"])()

    def document(self):
        if self.rng.random() < 0.1:
            return "NULL"
        return (f"JSON_OBJECT('a', {self.rng.randint(0, 99)}, 'b', JSON_ARRAY(1, 'two', {self.json_value()}), 'c', "
                f"JSON_OBJECT('x', {self.json_value()}, 'y', JSON_ARRAY()), 's', REPEAT('pad', {self.rng.randint(20, 120)}), "
                f"'d', JSON_ARRAY(JSON_ARRAY(JSON_OBJECT('in', 1))))")

    def in_place(self, name):
        """A change of a document; MySQL logs JSON_SET, JSON_REPLACE and JSON_REMOVE as differences."""
        function = self.rng.choice(["JSON_SET", "JSON_SET", "JSON_REPLACE", "JSON_REMOVE", "JSON_ARRAY_APPEND", "JSON_INSERT"])
        words = []
        for path in self.rng.sample(PATHS, self.rng.randint(1, 3)):
            words += [f"'{path}'"] + ([self.json_value()] if function != "JSON_REMOVE" else [])
        return f"{name}={function}({name}, {', '.join(words)})"

    def transaction(self):
        return [statement for _ in range(self.rng.randint(1, 4))
                for statement in [self.rng.choice([self.keyed, self.keyed, self.keyed, self.uniq, self.keyless, self.pair])()]]

    def keyed(self):
        rng, id = self.rng, self.rng.randint(1, 80)
        verb = rng.random()
        if verb < 0.15:   # defaults for what is not named
            names = rng.sample(["n", "v", "tx", "de", "dt", "bl", "en", "j"], rng.randint(0, 3))
            values = {"n": str(rng.randint(0, 9)), "v": self.word(), "tx": self.text(), "de": "-2.25", "dt": "'1999-12-31 23:59:59.5'",
                      "bl": "x'00ff'", "en": "'c'", "j": self.document()}
            return (f"INSERT IGNORE INTO {DB}.keyed ({', '.join(['id', *names])}) "
                    f"VALUES ({', '.join([str(id), *(values[name] for name in names)])})")
        if verb < 0.3:
            return (f"REPLACE INTO {DB}.keyed (id, n, v, tx, j, j2) VALUES ({id}, {rng.randint(0, 99)}, {self.word()}, {self.text()}, "
                    f"{self.document()}, {self.document()})")
        if verb < 0.4:
            return f"DELETE FROM {DB}.keyed WHERE id={id}"
        if verb < 0.5 and self.moves:
            return f"UPDATE IGNORE {DB}.keyed SET id={rng.randint(1, 80)}{rng.choice(['', ', n=n+1', ', tx=' + self.text()])} WHERE id={id}"
        if verb < 0.8:
            both = rng.random() < 0.3
            more = rng.choice(["", ", n=n+1"])
            return (f"UPDATE {DB}.keyed SET {self.in_place('j')}{', ' + self.in_place('j2') if both else ''}{more} "
                    f"WHERE id BETWEEN {id} AND {id + rng.randint(0, 5)}")
        what = rng.choice([f"n={rng.randint(0, 99)}", f"tx={self.text()}", "v=NULL, de=de+1", f"en='{rng.choice('abc')}', st='y'",
                           "bl=x'0102', ti='838:59:59'", f"j2={self.document()}", "ts=NULL, u=1, f=f+1"])
        return f"UPDATE {DB}.keyed SET {what} WHERE id BETWEEN {id} AND {id + rng.randint(0, 3)}"

    def uniq(self):
        rng = self.rng
        code, k = f"'c{rng.randint(0, 9)}'", rng.randint(0, 3)
        verb = rng.random()
        if verb < 0.4:
            return f"INSERT INTO {DB}.uniq (code, k, tx) VALUES ({code}, {k}, {self.text()}) ON DUPLICATE KEY UPDATE tx={self.text()}"
        if verb < 0.5:
            return f"INSERT IGNORE INTO {DB}.uniq (code, k) VALUES ({code}, {k})"
        if verb < 0.6:
            return f"DELETE FROM {DB}.uniq WHERE code={code} AND k={k}"
        if verb < 0.75 and self.moves:
            return f"UPDATE IGNORE {DB}.uniq SET k={rng.randint(0, 3)} WHERE code={code} AND k={k}"
        return f"UPDATE {DB}.uniq SET {rng.choice(['n=n+1', 'tx=' + self.text()])} WHERE code={code}"

    def keyless(self):
        rng, a = self.rng, self.rng.randint(0, 12)
        verb = rng.random()
        if verb < 0.35:
            return f"INSERT INTO {DB}.keyless VALUES ({a}, {self.word()}, {self.text()}, {self.document()})"
        if verb < 0.45:
            return f"INSERT INTO {DB}.keyless (a) VALUES ({a}), ({a})"
        if verb < 0.6:
            return f"DELETE FROM {DB}.keyless WHERE a={a} LIMIT 2"
        if verb < 0.8:
            return f"UPDATE {DB}.keyless SET {self.in_place('j')} WHERE a={a}"
        return f"UPDATE {DB}.keyless SET {rng.choice(['a=a+1', 'tx=' + self.text(), 'b=NULL'])} WHERE a={a} LIMIT 3"

    def pair(self):
        rng = self.rng
        a, b = rng.randint(0, 6), rng.randint(0, 6)
        verb = rng.random()
        if verb < 0.4:
            return f"INSERT IGNORE INTO {DB}.pair VALUES ({a}, {b}, {self.word()}, {self.text()})"
        if verb < 0.5:
            return f"DELETE FROM {DB}.pair WHERE a={a} AND b={b}"
        if verb < 0.75 and self.moves:
            return f"UPDATE IGNORE {DB}.pair SET {rng.choice(['a', 'b'])}={rng.randint(0, 6)} WHERE a={a}"
        return f"UPDATE {DB}.pair SET {rng.choice(['v=' + self.word(), 'tx=' + self.text()])} WHERE a={a}"

    def script(self, transactions, prelude):
        """Statements of one session; a failing one does not end it."""
        lines = ["SET sql_mode='', time_zone='+00:00'", *prelude]
        for at in range(transactions):
            lines += ["BEGIN", *self.transaction(), *(self.many_rows() if at % 40 == 20 else []), "COMMIT"]
        return lines

    def many_rows(self):
        """Far more than a small batch holds."""
        word = self.word()
        return [f"UPDATE {DB}.keyed SET tx=REPEAT({word}, 90), n=n+1", f"UPDATE {DB}.keyed SET j=JSON_SET(j, '$.a', {word})",
                f"INSERT INTO {DB}.keyless (a, tx) SELECT 20, REPEAT({word}, 60) FROM {DB}.keyed LIMIT 40",
                f"UPDATE {DB}.keyless SET a=21 WHERE a=20 LIMIT 20", f"DELETE FROM {DB}.keyless WHERE a=20 LIMIT 30"]
