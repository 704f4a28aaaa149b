"""The tables and the writers of the kill loop. Every row of a table of our own carries `ver`, a number never used twice,
so that a change can be told from every other one."""
import itertools
import random
import shutil
import subprocess
import threading
import time

from .servers import Unavailable
from .values import Column, Table

DB = "fault"


def column(name, sql, kind=None, labels=()):
    return Column(name, sql, kind or sql.split("(")[0].split()[0], labels)


VER = column("ver", "bigint not null", "int")

SBTEST = [Table("sbtest", f"sbtest{at}", (column("id", "int not null", "int"), column("k", "int not null", "int"),
                                          column("c", "char(120) not null", "text"),
                                          column("pad", "char(60) not null", "text")), ("id",)) for at in (1, 2)]
KEYLESS = Table(DB, "keyless", (column("a", "int", "int"), column("b", "varchar(40)", "text"),
                                column("f", "float", "float"), VER))
KEYMOVE = Table(DB, "keymove", (column("id", "int not null", "int"), column("note", "varchar(60)", "text"), VER), ("id",))
TEXTKEY = Table(DB, "textkey", (column("name", "varchar(30) collate utf8mb4_general_ci not null", "text"),
                                column("n", "int", "int"), VER), ("name",))
WIDE = Table(DB, "wide", (column("id", "bigint not null", "int"), column("v", "varchar(100)", "text"),
                          column("n", "int unsigned", "int"), VER), ("id",))
SIZES = ("small", "medium", "größe")
FLAGS = ("red", "green", "blue")
TYPES = Table(DB, "types", (
    column("tenant", "smallint unsigned not null", "int"), column("id", "bigint unsigned not null", "int"),
    column("ti", "tinyint", "int"), column("tu", "tinyint unsigned", "int"), column("me", "mediumint", "int"),
    column("bi", "bigint", "int"), column("de", "decimal(30,10)"), column("du", "decimal(5,0)"),
    column("fl", "float", "float"), column("db", "double", "double"), column("bt", "bit(17)", "bit"),
    column("da", "date"), column("t3", "time(3)"), column("d0", "datetime", "datetime"),
    column("d6", "datetime(6)"), column("ts", "timestamp(6) null", "timestamp"), column("ye", "year"),
    column("ch", "char(12)", "text"), column("tx", "text"), column("l1", "varchar(20) character set latin1", "text"),
    column("bn", "varbinary(40)", "bytes"), column("bl", "blob", "bytes"),
    column("en", "enum('" + "','".join(SIZES) + "')", "enum", SIZES),
    column("se", "set('" + "','".join(FLAGS) + "')", "set", FLAGS), column("js", "json"), VER), ("tenant", "id"))

OWN = [KEYLESS, KEYMOVE, TEXTKEY, WIDE, TYPES]
ALL = OWN + SBTEST

WORDS = ["plain", "", "it''s", "ümläut ß", "日本語", "emoji 🚀", "tab\\tin", "line\\nbreak", '"quoted"', "NULL", "0", " lead"]


def quote_hex(data):
    return f"x'{data.hex()}'" if data else "''"


class Writers:
    """Writes to all tables from several sessions until `stop`."""

    def __init__(self, database, seed, wide_rows=30000, rate=250, duplicates=False):
        self.database, self.seed, self.wide_rows, self.rate, self.duplicates = database, seed, wide_rows, rate, duplicates
        self._versions = itertools.count(1)
        self._stop = threading.Event()
        self._threads = []
        self._sysbench = None
        self.failure = None
        self.written = 0

    def ver(self):
        return next(self._versions)

    # -- contents at the start ------------------------------------------------------------------
    def prepare(self):
        if not shutil.which("sysbench"):
            raise Unavailable("program 'sysbench' not found")
        self.database.run(f"SET sql_mode=''; DROP DATABASE IF EXISTS {DB}; CREATE DATABASE {DB}; "
                          "DROP DATABASE IF EXISTS sbtest; CREATE DATABASE sbtest; "
                          + "; ".join(table.create() for table in OWN))
        self._sysbench_call("prepare")
        rng = random.Random(self.seed)
        session = self.database.session()
        session.send("SET sql_mode='', time_zone='+00:00'")
        for first in range(0, self.wide_rows, 1000):
            rows = ",".join(f"({id},'row {id}',{id % 4294967296},{self.ver()})" for id in range(first, first + 1000))
            session.send(f"INSERT INTO {DB}.wide VALUES {rows}")
        for at in range(600):
            session.send(f"INSERT INTO {DB}.types VALUES {self.types_row(rng, at)}")
            session.send(f"INSERT INTO {DB}.keymove VALUES ({at * 10},'start {at}',{self.ver()})")
            session.send(f"INSERT IGNORE INTO {DB}.textkey VALUES ('{self.text_key(rng)}',{at},{self.ver()})")
            session.send(f"INSERT INTO {DB}.keyless VALUES {self.keyless_row(rng)}")
        session.sync()
        session.close()
        if session.errors:
            raise RuntimeError(f"preparing the tables failed: {session.errors[:3]}")

    def _sysbench_command(self, *words):
        return ["sysbench", "oltp_write_only", "--db-driver=mysql", f"--mysql-socket={self.database.socket}",
                "--mysql-user=root", "--mysql-db=sbtest", "--tables=2", "--table-size=4000", "--auto_inc=off", *words]

    def _sysbench_call(self, verb):
        done = subprocess.run(self._sysbench_command(verb), capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"sysbench {verb} failed: {done.stdout}{done.stderr}")

    # -- statements ------------------------------------------------------------------------------
    @staticmethod
    def text_key(rng):
        word = "".join(rng.choice("abcdé") for _ in range(rng.randint(1, 4)))
        return word.upper() if rng.random() < 0.3 else word

    def keyless_row(self, rng):
        if self.duplicates and rng.random() < 0.4:   # rows alike in every column
            return f"({rng.randint(1, 5)},'same',{rng.randint(0, 2)}.5,0)"
        return f"({rng.randint(1, 50)},{self.word(rng)},{rng.choice(['NULL', '0.1', '-2.5', '1e10'])},{self.ver()})"

    @staticmethod
    def word(rng):
        return "NULL" if rng.random() < 0.1 else f"'{rng.choice(WORDS)}'"

    def types_row(self, rng, id):
        """Values of one row of `types`; edges often."""
        def pick(*values):
            return "NULL" if rng.random() < 0.08 else str(rng.choice(values))
        day = f"{rng.randint(1000, 9999)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
        clock = f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02}"
        micro = f"{rng.randint(0, 999999):06}"
        key = rng.choice([id, id, id, (1 << 64) - 1 - id, (1 << 63) + id])
        values = [
            rng.randint(0, 3), key, pick(-128, 127, 0, rng.randint(-128, 127)), pick(0, 255, rng.randint(0, 255)),
            pick(-8388608, 8388607, rng.randint(-9999, 9999)),
            pick(-(1 << 63), (1 << 63) - 1, rng.randint(-10**12, 10**12)),
            pick("99999999999999999999.9999999999", "-0.0000000001", "0", "1.5", f"{rng.randint(-10**15, 10**15)}.25"),
            pick(99999, -99999, 0), pick("0", "1.1", "-3.4e38", "1e-30", f"{rng.randint(-10**6, 10**6)}.5"),
            pick("0", "0.1", "1.7976931348623157e308", "-2.2250738585072014e-308", repr(rng.uniform(-1e9, 1e9))),
            pick(0, 1, 131071, rng.randint(0, 131071)),
            pick("'0000-00-00'", "'2024-02-29'", f"'{day}'", "'2024-00-00'"),
            pick("'-838:59:59'", "'838:59:59'", "'00:00:00.001'", f"'-{clock}.5'", f"'{clock}.{micro[:3]}'"),
            pick("'0000-00-00 00:00:00'", f"'{day} {clock}'"), pick(f"'{day} {clock}.{micro}'", "'9999-12-31 23:59:59.999999'"),
            pick(f"'2001-02-03 {clock}.{micro}'", "'1970-01-01 00:00:01'", "'2038-01-19 03:14:07.999999'",
                 "'0000-00-00 00:00:00'"),
            pick(1901, 2155, 2024, 0), self.word(rng), self.word(rng), pick("'caf\u00e9'", "''", "'x'"),
            pick("x'00ff00'", "''", quote_hex(rng.randbytes(rng.randint(0, 40)))),
            pick("''", quote_hex(rng.randbytes(rng.randint(0, 300)))),
            pick(*(f"'{size}'" for size in SIZES)), pick("''", "'red'", "'red,blue'", "'red,green,blue'"),
            pick("'{}'", "'[1, 2.5, null]'", "'{\"a\": \"ü\", \"b\": [true, {\"c\": -1}]}'", "'\"text\"'"), self.ver(),
        ]
        return "(" + ",".join(str(value) for value in values) + ")"

    def write_keyless(self, rng):
        yield f"INSERT INTO {DB}.keyless VALUES {self.keyless_row(rng)},{self.keyless_row(rng)}"
        verb = rng.random()
        if verb < 0.4:
            yield f"UPDATE {DB}.keyless SET b={self.word(rng)}, ver={self.ver()} WHERE a={rng.randint(1, 50)} LIMIT 1"
        elif verb < 0.7:
            yield f"DELETE FROM {DB}.keyless WHERE a={rng.randint(1, 50)} LIMIT {rng.randint(1, 2)}"

    def write_keymove(self, rng):
        a, b = (rng.randrange(0, 6000, 10) for _ in range(2))
        verb = rng.random()
        if verb < 0.3:      # swap, through a key nobody else uses
            yield "BEGIN"
            yield f"UPDATE {DB}.keymove SET id=-1, ver={self.ver()} WHERE id={a}"
            yield f"UPDATE {DB}.keymove SET id={a}, ver={self.ver()} WHERE id={b}"
            yield f"UPDATE {DB}.keymove SET id={b}, ver={self.ver()} WHERE id=-1"
            yield "COMMIT"
        elif verb < 0.5:    # chain in one statement: each row takes the key its neighbour has just left
            yield (f"UPDATE IGNORE {DB}.keymove SET id=id+10, ver={self.ver()}*1000+id%1000 "
                   f"WHERE id BETWEEN {a} AND {a + 40} AND id%10=0 ORDER BY id DESC")
        elif verb < 0.65:
            yield f"DELETE FROM {DB}.keymove WHERE id={a}"
        elif verb < 0.85:
            yield f"INSERT IGNORE INTO {DB}.keymove VALUES ({a},{self.word(rng)},{self.ver()})"
        else:
            yield f"UPDATE {DB}.keymove SET note={self.word(rng)}, ver={self.ver()} WHERE id={b}"

    def write_textkey(self, rng):
        key = self.text_key(rng)
        verb = rng.random()
        if verb < 0.4:      # the same key in another case is a change of the key's bytes
            yield f"UPDATE IGNORE {DB}.textkey SET name='{key}', ver={self.ver()} WHERE name='{key.swapcase()}'"
        elif verb < 0.6:
            yield f"DELETE FROM {DB}.textkey WHERE name='{key}'"
        else:
            yield f"REPLACE INTO {DB}.textkey VALUES ('{key}',{rng.randint(0, 99)},{self.ver()})"

    def write_wide(self, rng):
        for _ in range(3):
            id = rng.randrange(self.wide_rows)
            verb = rng.random()
            if verb < 0.15:
                yield f"DELETE FROM {DB}.wide WHERE id={id}"
            elif verb < 0.35:
                yield f"INSERT IGNORE INTO {DB}.wide VALUES ({id},{self.word(rng)},NULL,{self.ver()})"
            else:
                yield f"UPDATE {DB}.wide SET v={self.word(rng)}, n=4294967295, ver={self.ver()} WHERE id={id}"

    def write_types(self, rng):
        row = self.types_row(rng, rng.randrange(2000))
        yield f"REPLACE INTO {DB}.types VALUES {row}" if rng.random() < 0.7 else \
            f"DELETE FROM {DB}.types WHERE ver%7={rng.randrange(7)} LIMIT 1"

    # -- running -----------------------------------------------------------------------------------
    def start(self):
        jobs = [[self.write_keyless, self.write_types], [self.write_keymove, self.write_textkey], [self.write_wide]]
        for number, kinds in enumerate(jobs):
            thread = threading.Thread(target=self._write, args=(kinds, self.seed * 31 + number), daemon=True)
            thread.start()
            self._threads.append(thread)
        self._sysbench = subprocess.Popen(
            self._sysbench_command("--threads=2", "--time=0", "--events=0", f"--rate={max(1, self.rate // 4)}",
                                   "--mysql-ignore-errors=all", "run"),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _write(self, kinds, seed):
        rng = random.Random(seed)
        try:
            session = self.database.session()
            session.send("SET sql_mode='', time_zone='+00:00', innodb_lock_wait_timeout=2")
            while not self._stop.is_set():
                started = time.monotonic()
                for _ in range(max(1, self.rate // 50)):
                    for statement in rng.choice(kinds)(rng):
                        session.send(statement)
                        self.written += 1
                session.sync()
                self._stop.wait(max(0.0, 0.05 - (time.monotonic() - started)))
            session.close()
            real = [line for line in session.errors if line.startswith("ERROR")
                    and not any(word in line for word in ("Duplicate entry", "Deadlock", "Lock wait timeout"))]
            if real:
                raise RuntimeError(f"{len(real)} statements failed: {real[:3]}")
        except Exception as error:   # reported by stop(), which runs in the main thread
            self.failure = error

    def stop(self):
        self._stop.set()
        if self._sysbench:
            if self._sysbench.poll() is not None:
                self.failure = self.failure or RuntimeError(f"sysbench ended with {self._sysbench.returncode}")
            self._sysbench.terminate()
            self._sysbench.wait()
            self._sysbench = None
        for thread in self._threads:
            thread.join(timeout=60)
        if self.failure:
            raise self.failure
