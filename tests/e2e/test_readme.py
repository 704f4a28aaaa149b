"""What the README shows runs as it stands there; only the address is another one."""
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[2] / "README.md"


def snippet(name):
    found = re.search(rf"<!-- run by tests/e2e: {re.escape(name)} -->\n```\w+\n(.*?)```", README.read_text(), re.S)
    assert found, f"the README has no snippet {name}"
    return found[1]


def fill_shop(database):
    database.run("DROP DATABASE shop; CREATE DATABASE shop; "
                 "CREATE TABLE shop.users (id INT PRIMARY KEY, email VARCHAR(50), id_card VARCHAR(20)); "
                 "INSERT INTO shop.users VALUES (1, 'jo@x.io', 'secret'); "
                 "CREATE TABLE shop.orders_00 (id INT PRIMARY KEY, n INT); INSERT INTO shop.orders_00 VALUES (1, 10); "
                 "CREATE TABLE shop.orders_01 (id INT PRIMARY KEY, n INT); INSERT INTO shop.orders_01 VALUES (1, 20); "
                 "CREATE TABLE shop.tmp_x (id INT PRIMARY KEY); INSERT INTO shop.tmp_x VALUES (1)")


def test_the_job_into_kafka(database, broker, tmp_path):
    pytest.importorskip("tailrace")
    fill_shop(database)
    (tmp_path / "rules.lua").write_text(snippet("readme.lua"))
    job = snippet("readme_kafka.toml")
    assert ":3306" in job and "127.0.0.1:9092" in job and '"shop.{table}"' in job
    prefix = f"readme{os.getpid()}"
    job = job.replace(":3306", f":{database.port}").replace("127.0.0.1:9092", str(broker)).replace("shop.{table}", f"{prefix}.{{table}}")
    (tmp_path / "shop.toml").write_text(job)
    command = [sys.executable, "-m", "tailrace", "run", "shop.toml", "--job", "shop.db", "--until", "caught_up"]
    done = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True, timeout=120,
                          env={**os.environ, "SHOP_PW": "mig-secret"}, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {}
    for table in ("users", "orders"):
        text = subprocess.run(["kcat", "-b", str(broker), "-C", "-t", f"{prefix}.{table}", "-o", "beginning", "-e", "-q",
                               "-X", "isolation.level=read_committed"], text=True, capture_output=True, check=True, timeout=60).stdout
        found[table] = [json.loads(line) for line in text.splitlines()]
    assert [row["data"][0]["email"] for row in found["users"]] == ["j***@x.io"]
    assert sorted((row["data"][0]["shard"], row["data"][0]["n"]) for row in found["orders"]) == [("orders_00", 10), ("orders_01", 20)]


def test_the_rule_and_the_script(database, tmp_path):
    pytest.importorskip("tailrace")
    fill_shop(database)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/shop.lua").write_text(snippet("readme.lua"))
    script = snippet("readme.py")
    assert ":3306" in script
    (tmp_path / "readme.py").write_text(script.replace(":3306", f":{database.port}"))
    for _ in range(2):      # "Run it again and it goes on where it was"
        done = subprocess.run([sys.executable, "readme.py"], cwd=tmp_path, text=True, capture_output=True, timeout=120,
                              env={**os.environ, "SHOP_PW": "mig-secret"}, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    found = subprocess.run(["sqlite3", "shop_copy.db", "SELECT * FROM users; SELECT shard, id, n FROM orders ORDER BY shard; "
                            "SELECT name FROM sqlite_master WHERE name LIKE 'tmp%'"], cwd=tmp_path, text=True,
                           capture_output=True, check=True).stdout
    assert found.split() == ["1|j***@x.io", "orders_00|1|10", "orders_01|1|20"]
