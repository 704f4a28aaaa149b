"""One MariaDB for the session, and jobs that run in a folder of their own."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness.engine import Engine, find_worker, source_config
from harness.servers import Services, Unavailable


@pytest.fixture(scope="session")
def services():
    with Services() as running:
        yield running


def start_or_skip(services, kind, name, **options):
    try:
        find_worker()
        return services.up(kind, name, **options)
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def main_database(services):
    return start_or_skip(services, "mariadb", "e2edb")


@pytest.fixture
def database(main_database):
    """With a fresh database `shop`: a table with 100 rows."""
    fill(main_database)
    return main_database


def fill(database, rows=100):
    database.run("DROP DATABASE IF EXISTS shop; CREATE DATABASE shop; "
                 "CREATE TABLE shop.items (id INT NOT NULL PRIMARY KEY, name VARCHAR(50), n INT); "
                 f"INSERT INTO shop.items SELECT seq, CONCAT('item ', seq), seq FROM shop.seq_1_to_{rows}")


@pytest.fixture
def broker(services):
    return start_or_skip(services, "kafka", "e2ekafka")


@pytest.fixture
def secure(services):
    """A broker with TLS, logins and rights."""
    return start_or_skip(services, "kafka_secure", "e2esecure")


class Jobs:
    """Makes engines whose files are in one folder."""

    def __init__(self, folder, request):
        self.folder, self.made = folder, []
        request.addfinalizer(self.end)

    def __call__(self, source, name="job", sink=None, rules=None, tables=("shop.*",), **more):
        config = {"version": 1, "job": {"name": name}, "tables": list(tables),
                  "source": source if isinstance(source, dict) else source_config(source),
                  "sink": sink or {"url": f"sqlite://{self.copy}"}, **more}
        if isinstance(rules, dict):
            config["rules"] = rules
        elif rules:
            path = self.folder / "rules.lua"
            path.write_text(rules)
            config["rules"] = {"file": str(path)}
        engine = Engine(self.folder / f"{name}.db", config)
        self.made.append(engine)
        return engine

    @property
    def copy(self):
        return self.folder / "copy.db"

    def end(self):
        for engine in self.made:
            if engine.process:
                engine.kill()


@pytest.fixture
def jobs(tmp_path, request):
    return Jobs(tmp_path, request)
