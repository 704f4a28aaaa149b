"""The shop database of the quickstart: its tables, its first rows, and a writer that keeps changing them."""
import itertools
import random
import subprocess
import threading

SHARDS = [f"orders_{number:02}" for number in range(4)]
ORDER_COLUMNS = """id BIGINT UNSIGNED NOT NULL PRIMARY KEY, user_id INT UNSIGNED NOT NULL, total DECIMAL(18,4) NOT NULL,
  status ENUM('new','paid','sent','zurück') NOT NULL, note TEXT, placed_at DATETIME(6) NOT NULL, paid_at TIMESTAMP(3) NULL"""
TABLES = {
    "users": """id INT UNSIGNED NOT NULL PRIMARY KEY, name VARCHAR(80) NOT NULL, email VARCHAR(120),
        password_hash BINARY(8) NOT NULL, born DATE, flags SET('staff','vip','blocked') NOT NULL DEFAULT '',
        seen_at TIMESTAMP NULL""",
    "products": """sku VARCHAR(24) NOT NULL PRIMARY KEY, title VARCHAR(120) NOT NULL, price DECIMAL(12,2),
        stock BIGINT UNSIGNED NOT NULL, weight DOUBLE, prep TIME(3), attributes JSON, picture BLOB, year YEAR, bits BIT(9)""",
    **{shard: ORDER_COLUMNS for shard in SHARDS},
    "audit_log": "id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, who VARCHAR(40), what TEXT",
    "events": "at DATETIME(3) NOT NULL, kind VARCHAR(20) NOT NULL, payload VARCHAR(200)",     # no key
}
ROWS = {"users": 8000, "products": 2000, "orders": 8000, "audit_log": 2000, "events": 6000}
NAMES = ["Jo", "Zoë", "Łukasz", "Ñandú", "李雷", "O''Hara", "Анна", "😀 Smile", "Müller-Lüdenscheidt", "tab\\there"]
EMAILS = ["jo@x.io", "z@example.org", "two@at@signs.example", "no address", "", "ü.nicode@bücher.example", "@nobody"]


class Writer:
    """Statements go through one `mariadb` client; `start` changes rows until `stop`."""

    def __init__(self, socket, seed=1):
        self._client = subprocess.Popen(
            ["mariadb", "--no-defaults", "-uroot", f"--socket={socket}", "--batch", "--skip-column-names", "--unbuffered",
             "--default-character-set=utf8mb4"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._random = random.Random(seed)
        self._marks = itertools.count(1)
        self._stop = threading.Event()
        self._thread = None
        self.changes = 0
        self.send("SET sql_mode='', time_zone='+00:00'")

    def send(self, sql):
        self._client.stdin.write((sql + ";\n").encode())

    def sync(self):
        """Wait until the server has run what was sent."""
        mark = f"done {next(self._marks)}".encode()
        self.send(f"SELECT '{mark.decode()}'")
        self._client.stdin.flush()
        for line in self._client.stdout:
            if line.strip() == mark:
                return
        raise RuntimeError("the mariadb client ended; its message is above")

    def insert(self, table, rows, size=500):
        rows = iter(rows)
        while chunk := list(itertools.islice(rows, size)):
            self.send(f"INSERT INTO shop.{table} VALUES {','.join(chunk)}")

    # -- rows ---------------------------------------------------------------------------------------
    def maybe(self, *values):
        return "NULL" if self._random.random() < 0.1 else str(self._random.choice(values))

    def user(self, number):
        name = self._random.choice(NAMES)
        email = self._random.choice([*EMAILS, f"user{number}@shop.example"])
        return (f"({number},'{name} {number}',{self.maybe(repr(email))},x'{self._random.randbytes(8).hex()}',"
                f"{self.maybe(f'{1940 + number % 60}-02-28', '0000-00-00', '1999-00-00')!r},"
                f"'{self._random.choice(['', 'vip', 'staff,vip', 'blocked'])}',"
                f"{self.maybe(repr('2024-03-31 01:30:00'), repr('1970-01-01 00:00:01'))})").replace("'NULL'", "NULL")

    def product(self, number):
        pick = self._random
        prep = pick.choice(["00:10:00", "-01:30:00.5", "838:59:59", "12:00:00.001"])
        return (f"('SKU-{number:05}','{pick.choice(NAMES)} № {number}',{self.maybe('19.90', '-0.01', '9999999999.99')},"
                f"{pick.choice(['0', '18446744073709551615', '9223372036854775808', str(number)])},"
                f"{self.maybe('0.1', '1e300', '-2.5', '3.141592653589793')},{self.maybe(repr(prep))},"
                + self.maybe("'{\"color\": \"grün\", \"sizes\": [1, 2.50, null]}'", "'[]'", "'{}'")
                + f",{self.maybe(f'''x'{pick.randbytes(pick.randint(1, 60)).hex()}' ''', repr(''))},"
                f"{self.maybe(1901, 2024, 2155)},{self.maybe(0, 1, 511)})")

    def order(self, number):
        pick = self._random
        return (f"({number},{pick.randrange(ROWS['users'])},{pick.choice(['0.0000', '12.3400', '-99999999999999.9999'])},"
                f"{pick.randint(1, 4)},{self.maybe(repr('gift'), repr(''), repr('line one' + chr(92) + 'n' + 'line two'))},"
                f"'2024-{pick.randint(1, 12):02}-{pick.randint(1, 28):02} 10:11:12.{pick.randint(0, 999999):06}',"
                f"{self.maybe(repr('2024-05-06 07:08:09.123'), repr('0000-00-00 00:00:00'))})").replace("\\\\n", "\\n")

    def event(self):
        pick = self._random     # few different rows: some are alike in every column
        return (f"('2024-01-01 00:00:{pick.randint(0, 59):02}.{pick.choice(['000', '500'])}',"
                f"'{pick.choice(['login', 'view', 'buy'])}',{self.maybe(repr('x'), repr('ключ'))})")

    # -- the database -------------------------------------------------------------------------------
    def create(self):
        self.send("DROP DATABASE IF EXISTS shop")
        self.send("CREATE DATABASE shop CHARACTER SET utf8mb4")
        for table, columns in TABLES.items():
            self.send(f"CREATE TABLE shop.{table} ({columns})")
        self.insert("users", (self.user(number) for number in range(ROWS["users"])))
        self.insert("products", (self.product(number) for number in range(ROWS["products"])))
        for shard in SHARDS:
            self.insert(shard, (self.order(number) for number in range(ROWS["orders"])))
        self.insert("audit_log (who, what)", (f"('admin','entry {number}')" for number in range(ROWS["audit_log"])))
        self.insert("events", (self.event() for _ in range(ROWS["events"])))
        self.sync()

    def change(self):
        """One transaction of the daily business."""
        pick = self._random
        shard = pick.choice(SHARDS)
        fresh = 100000 + self.changes
        old = pick.randrange(ROWS["orders"])
        action = pick.randrange(9)
        self.send("BEGIN")
        if action < 4:
            self.insert(shard, [self.order(fresh)])
            self.send(f"UPDATE shop.products SET stock=stock-1 WHERE sku='SKU-{pick.randrange(2000):05}' AND stock>0")
            self.insert("events", [self.event(), self.event()])
        elif action == 4:
            self.send(f"UPDATE shop.{shard} SET status='sent', note='späť', paid_at='2024-06-07 08:09:10.5' WHERE id={old}")
            self.insert("audit_log (who, what)", [f"('robot','sent {old}')"])
        elif action == 5:
            self.send(f"DELETE FROM shop.{shard} WHERE id={old}")
            self.send(f"DELETE FROM shop.events WHERE kind='view' LIMIT {pick.randint(1, 3)}")
        elif action == 6:     # the key itself changes
            number = pick.randrange(ROWS["products"])
            self.send(f"UPDATE IGNORE shop.products SET sku='NEW-{fresh}' WHERE sku='SKU-{number:05}'")
        elif action == 7:
            self.send(f"UPDATE shop.users SET email='moved{fresh}@new.example', flags='vip' WHERE id={pick.randrange(8000)}")
            self.send("UPDATE shop.events SET payload='seen' WHERE kind='login' AND payload IS NULL LIMIT 2")
        else:
            self.send(f"REPLACE INTO shop.users VALUES {self.user(pick.randrange(9000))}")
        self.send("COMMIT")
        self.changes += 1

    def start(self, pause=0.01):
        def loop():
            while not self._stop.is_set():
                for _ in range(10):
                    self.change()
                self.sync()
                self._stop.wait(pause)

        self._thread = threading.Thread(target=loop, daemon=True)
        self._thread.start()

    def stop(self):
        """End the changes; the last one is a row that nothing else looks like."""
        self._stop.set()
        if self._thread:
            self._thread.join()
        self.send("INSERT INTO shop.events VALUES ('2030-01-01 00:00:00.000','last','the end')")
        self.sync()

    def close(self):
        self._stop.set()
        self._client.kill()
        self._client.wait()
