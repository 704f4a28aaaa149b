"""A server from the environment (scripts/services), databases of a test's own, and the command line as a process."""
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest


class Server:
    """The MariaDB of TAILRACE_MARIADB_URL, spoken to by its own client."""

    def __init__(self, environment):
        self.port = int(environment["TAILRACE_MARIADB_PORT"])
        self.socket = environment["TAILRACE_MARIADB_SOCKET"]
        self.url = f"mysql://mig@127.0.0.1:{self.port}"

    def query(self, sql):
        """Rows as lists of text; NULL is the text NULL."""
        done = subprocess.run(["mariadb", "--no-defaults", "-S", self.socket, "-uroot", "-N", "-B", "--raw",
                               "--default-character-set=utf8mb4", "-e", "SET time_zone='+00:00'; " + sql],
                              check=True, capture_output=True, text=True)
        return [line.split("\t") for line in done.stdout.splitlines()]


@pytest.fixture(scope="session")
def server():
    if "TAILRACE_MARIADB_URL" not in os.environ:
        pytest.skip(os.environ.get("TAILRACE_SKIP_MARIADB", "no MariaDB: TAILRACE_MARIADB_URL is not set"))
    return Server(os.environ)


@pytest.fixture
def shop(server, request):
    """A fresh database with 3000 orders, a table without key, and the password in SHOP_PW."""
    server.database = "py_" + "".join(c if c.isalnum() else "_" for c in request.node.name)[:40]
    server.query(f"DROP DATABASE IF EXISTS {server.database}; CREATE DATABASE {server.database} CHARACTER SET utf8mb4; "
                 f"USE {server.database}; "
                 "CREATE TABLE orders (id BIGINT UNSIGNED PRIMARY KEY, name VARCHAR(60), price DECIMAL(12,2), "
                 "made DATETIME(6), day DATE); "
                 "INSERT INTO orders SELECT seq, CONCAT('näme ', seq), seq / 7, "
                 "TIMESTAMPADD(MICROSECOND, seq, '2024-02-29 23:59:58'), IF(seq % 10, '2024-02-29', NULL) "
                 "FROM seq_1_to_3000; "
                 "INSERT INTO orders VALUES (18446744073709551615, 'last', -1.5, NULL, '1000-01-01'); "
                 "CREATE TABLE notes (a INT, b VARCHAR(20)); INSERT INTO notes VALUES (1, 'x'), (1, 'x'), (2, NULL)")
    yield server
    server.query(f"DROP DATABASE {server.database}")


@pytest.fixture(autouse=True)
def password(monkeypatch):
    monkeypatch.setenv("SHOP_PW", "mig-secret")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def command(*words):
    return [sys.executable, "-m", "tailrace", *map(str, words)]


@pytest.fixture
def cli(folder):
    """Runs the command line to its end."""
    def run(*words, **options):
        return subprocess.run(command(*words), capture_output=True, text=True, timeout=60, check=False, **options)
    return run


@pytest.fixture
def spawn(folder):
    """Starts processes that are killed at the end of the test."""
    started = []

    def start(words, **options):
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_until(condition, limit=30.0):
    """True as soon as the condition is; fails the test after `limit` seconds."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    pytest.fail(f"{condition} did not become true within {limit} s")


def write(path, text):
    Path(path).write_text(text, encoding="utf-8")
    return Path(path)


def source_rows(server, table="orders"):
    return server.query(f"SELECT * FROM {server.database}.{table} ORDER BY id")


def sqlite_rows(path, table="orders"):
    """The copy as the server's client prints it."""
    import sqlite3

    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        found = connection.execute(f"SELECT * FROM {table}").fetchall()
    finally:
        connection.close()
    rows = [["NULL" if cell is None else str(cell) for cell in row] for row in found]
    return sorted(rows, key=lambda row: int(row[0]))
