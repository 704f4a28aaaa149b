"""Rules that change under a running job: each row has the version of its transaction, whatever dies meanwhile."""
import json
import os
import re
import sqlite3
import subprocess
import threading

import pytest
from conftest import command, wait_until, write

import tailrace as tr
from tailrace import errors

SWAPS = 50


def rules(number, more=""):
    return ('return { api = 1, tables = { ["*.ledger"] = { columns = { version = { "int", value = "%d" }, %s }, '
            'map = function(row) row.amount = row.amount + 0 end } } }' % (number, more))


def cut_of(position):
    """The number of the last transaction before the cut: 0-1-42 is 42."""
    return int(re.search(r"gtid=(?:\d+-\d+-\d+,)*0-\d+-(\d+)", position)[1])


class Load:
    """One session that writes transactions of several rows until it is told to stop, and knows their numbers."""

    def __init__(self, server):
        self.database, self.stopping, self.numbers = server.database, threading.Event(), {}
        server.query(f"USE {server.database}; CREATE TABLE ledger (id INT PRIMARY KEY, t INT NOT NULL, amount INT); "
                     "INSERT INTO ledger VALUES (0, 0, 0)")
        self.client = subprocess.Popen(
            ["mariadb", "--no-defaults", "-S", server.socket, "-uroot", "-N", "-B", "--unbuffered", server.database],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.rows = {0: 0}
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self):
        t = 0
        while not self.stopping.is_set():
            t += 1
            rows = [(t * 10 + k, t, k) for k in range(1 + t % 4)]
            self.rows.update((row[0], t) for row in rows)
            old = (t // 2) * 10
            self.rows[old] = t
            self.client.stdin.write(
                f"BEGIN; INSERT INTO ledger VALUES {', '.join(map(str, rows))}; "
                f"UPDATE ledger SET t = {t}, amount = amount + 1 WHERE id = {old}; COMMIT; SELECT {t}, @@last_gtid;\n")
            self.client.stdin.flush()
            number, gtid = self.client.stdout.readline().split()
            self.numbers[int(number)] = int(gtid.rsplit("-", 1)[1])

    def stop(self):
        self.stopping.set()
        self.thread.join()
        self.client.stdin.close()
        self.client.wait()
        self.client.stdout.close()


@pytest.fixture
def load(shop):
    made = Load(shop)
    yield made
    if not made.stopping.is_set():
        made.stop()


def expected(load, cuts, t, first=0):
    """The version of transaction t by the answers."""
    version = first
    for position, number in cuts:
        if load.numbers[t] > cut_of(position):
            version = number
    return version


def migration(shop, sink, **more):
    return tr.Migration("shop.db", source=tr.source(shop.url, password=tr.env("SHOP_PW")), sink=sink,
                        tables=[f"{shop.database}.ledger"], **more)


def streams():
    """Another process has the job in its stream."""
    try:
        job = tr.attach("shop.db")
        return job.owner != "" and job.status.state == "running" and job.status.phase == "stream"
    except tr.TailraceError:
        return False


def deliver_some(job):
    """Waits until rows went through the rules in force."""
    before = job.status.rows_done
    wait_until(lambda: job.status.rows_done > before)


def test_fifty_swaps_under_load(shop, load, folder):
    write(folder / "rules.lua", rules(0))
    job = migration(shop, tr.sink("sqlite://./copy.db"), rules=folder / "rules.lua")
    cuts = []
    with job:
        job.start()
        job.wait("snapshot", timeout=60)
        for number in range(1, SWAPS + 1):
            write(folder / "rules.lua", rules(number))
            deliver_some(job)
            answer = job.swap_rules("rules.lua")
            assert answer.before != answer.after and answer.changes == ()
            cuts.append((answer.position, number))
        load.stop()
        job.wait("caught_up", timeout=60)
    assert [cut_of(position) for position, _ in cuts] == sorted(cut_of(position) for position, _ in cuts)
    found = {row[0]: row[1:] for row in sqlite3.connect("copy.db").execute("SELECT id, t, version FROM ledger")}
    assert {id_: row[0] for id_, row in found.items()} == load.rows
    wrong = {id_: row for id_, row in found.items() if row[0] and row[1] != expected(load, cuts, row[0])}
    assert not wrong
    assert len({version for _, version in found.values()}) > SWAPS // 2
    kept = job.meta.sql("SELECT version, position, by FROM v1_rule ORDER BY id").rows
    assert [row[1] for row in kept[1:]] == [position for position, _ in cuts] and kept[0][2] == "file"


def test_messages_of_one_version_each(shop, load, folder):
    write(folder / "rules.lua", rules(0))
    job = migration(shop, tr.sink("file://./out", format="default"), rules=folder / "rules.lua", phases=["stream"])
    cuts = []
    with job:
        job.start()
        deliver_some(job)
        for number in range(1, 11):
            write(folder / "rules.lua", rules(number))
            cuts.append((job.swap_rules("rules.lua").position, number))
            deliver_some(job)
        load.stop()
        job.wait("caught_up", timeout=60)
    seen = set()
    for path in sorted((folder / "out").iterdir()):
        for line in path.read_text().splitlines():
            row = json.loads(line)
            after = row["postStruct"]
            seen.add(after["version"])
            assert after["version"] == expected(load, cuts, after["t"]), line
    assert len(seen) >= 10


@pytest.mark.parametrize("sink", ["sqlite", "file"])
def test_a_killed_job_goes_on_with_the_versions_it_had(shop, load, folder, spawn, cli, sink):
    """Killed at any place, also between keeping a version and its first row."""
    write(folder / "rules.lua", rules(0))
    url = {"sqlite": "sqlite://./copy.db", "file": "file://./out"}[sink]
    write(folder / "job.toml", f"""version = 1
job = {{ phases = ["{'snapshot", "stream' if sink == 'sqlite' else 'stream'}"] }}
source = {{ url = "{shop.url}", password = "${{env:SHOP_PW}}" }}
sink = {{ url = "{url}" }}
tables = ["{shop.database}.ledger"]
rules = {{ file = "rules.lua" }}
""")
    cuts = []
    for start in range(4):
        faults = {"TAILRACE_FAULT": "kill@swap:2"} if start % 2 else {}
        words = ("run", "job.toml", "--job", "shop.db") if start == 0 else ("run", "shop.db")
        process = spawn(command(*words, "--progress", "none"), env={**os.environ, **faults})
        wait_until(streams, 60)
        for number in (start * 10 + 1, start * 10 + 2):
            write(folder / "next.lua", rules(number))
            done = cli("rule", "swap", "shop.db", "next.lua", "--json")
            if faults and number % 10 == 2:
                assert done.returncode != 0
                process.wait(30)
            else:
                assert done.returncode == 0, done.stderr
        process.kill()
        process.wait()
    load.stop()
    kept = tr.attach("shop.db").meta.sql("SELECT version, position FROM v1_rule WHERE by = 'swap' AND state = 'holds' ORDER BY id").rows
    # The process that died between the two had kept the version, without anybody hearing of it.
    cuts = [(row[1], number) for row, number in zip(kept, [1, 2, 11, 12, 21, 22, 31, 32], strict=True)]
    assert cli("run", "shop.db", "--until", "caught_up").returncode == 0
    if sink == "sqlite":
        found = {row[0]: row[1:] for row in sqlite3.connect("copy.db").execute("SELECT id, t, version FROM ledger")}
        assert {id_: row[0] for id_, row in found.items()} == load.rows
        wrong = {id_: row for id_, row in found.items() if row[0] and row[1] != expected(load, cuts, row[0])}
        assert not wrong
        return
    for path in sorted((folder / "out").iterdir()):
        for line in path.read_text().splitlines():
            row = json.loads(line)
            after = row["postStruct"]
            assert after["version"] == expected(load, cuts, after["t"]), line


def test_back_and_refusals(shop, folder, cli):
    shop.query(f"USE {shop.database}; CREATE TABLE ledger (id INT PRIMARY KEY, t INT NOT NULL, amount INT); "
               "INSERT INTO ledger VALUES (1, 1, 1)")
    write(folder / "rules.lua", rules(0))
    with migration(shop, tr.sink("sqlite://./copy.db"), rules=folder / "rules.lua") as job:
        job.start()
        job.wait("caught_up", timeout=60)
        before = job.status.rules
        write(folder / "broken.lua", "return { api = 1, tabels = {} }")
        with pytest.raises(errors.RuleError) as caught:
            job.swap_rules("broken.lua")
        assert caught.value.code == "RULE-0101" and "tables" in caught.value.detail
        write(folder / "wider.lua", rules(1, 'note = { "varchar(20)", value = "x", null = true }'))
        with pytest.raises(errors.RuleError) as caught:
            job.swap_rules("wider.lua")
        assert caught.value.code == "RULE-0111" and "ADD COLUMN `note` varchar(20)" in caught.value.detail
        assert job.status.rules == before
        done = cli("rule", "swap", "shop.db", "wider.lua")
        assert done.returncode == 6 and "RULE-0111" in done.stderr and "ADD COLUMN" in done.stderr
        answer = job.swap_rules("wider.lua", apply_ddl=True)
        assert len(answer.changes) == 1
        shop.query(f"INSERT INTO {shop.database}.ledger VALUES (2, 2, 2)")
        job.wait("caught_up", timeout=60)
        copy = sqlite3.connect("copy.db")
        assert copy.execute("SELECT id, version, note FROM ledger ORDER BY id").fetchall() == [(1, 0, None), (2, 1, "x")]
        # SQLite's tables lose no column: the job goes on with the rules it had.
        with pytest.raises(errors.RuleError) as caught:
            job.rules_back(apply_ddl=True)
        assert caught.value.code == "RULE-0111" and "SCH-0003" in caught.value.detail
        shop.query(f"INSERT INTO {shop.database}.ledger VALUES (3, 3, 3)")
        job.wait("caught_up", timeout=60)
        assert copy.execute("SELECT version, note FROM ledger WHERE id = 3").fetchall() == [(1, "x")]
        copy.close()


def test_swap_and_back_of_a_job_that_stands_still(shop, folder, cli):
    shop.query(f"USE {shop.database}; CREATE TABLE ledger (id INT PRIMARY KEY, t INT NOT NULL, amount INT)")
    write(folder / "rules.lua", rules(0))
    job = migration(shop, tr.sink("sqlite://./copy.db"), rules=folder / "rules.lua")
    job.run(timeout=60)
    write(folder / "next.lua", rules(1))
    done = cli("rule", "swap", "shop.db", "next.lua")
    assert done.returncode == 0 and "where the next run begins" in done.stdout
    os.unlink("next.lua")  # the job file has it
    shop.query(f"INSERT INTO {shop.database}.ledger VALUES (1, 1, 1)")
    job.run(timeout=60)
    assert cli("rule", "back", "shop.db").returncode == 0
    shop.query(f"INSERT INTO {shop.database}.ledger VALUES (2, 2, 2)")
    job.run(timeout=60)
    assert cli("rule", "back", "shop.db").returncode == 0
    shop.query(f"INSERT INTO {shop.database}.ledger VALUES (3, 3, 3)")
    job.run(timeout=60)
    assert sqlite3.connect("copy.db").execute("SELECT id, version FROM ledger ORDER BY id").fetchall() == [(1, 1), (2, 0), (3, 1)]




def test_swaps_during_the_first_copy(shop, load, folder):
    """Rows of a copy have the version at the time they are copied; none is lost, and each has one."""
    shop.query(f"USE {shop.database}; INSERT INTO ledger SELECT -seq, 0, 0 FROM seq_1_to_20000")
    load.rows.update((-number, 0) for number in range(1, 20001))
    write(folder / "rules.lua", rules(0))
    job = migration(shop, tr.sink("sqlite://./copy.db"), rules=folder / "rules.lua", chunk_rows=100)
    during = 0
    with job:
        job.start()
        wait_until(lambda: job.status.phase == "snapshot" and job.status.rows_done > 0)
        for number in range(1, 6):
            write(folder / "rules.lua", rules(number))
            job.swap_rules("rules.lua")
            during += not job.status.snapshot_done
        load.stop()
        job.wait("caught_up", timeout=60)
    found = {row[0]: row[1:] for row in sqlite3.connect("copy.db").execute("SELECT id, t, version FROM ledger")}
    assert {id_: row[0] for id_, row in found.items()} == load.rows
    assert {version for _, version in found.values()} <= set(range(6))
    assert during > 0


def test_a_swap_at_a_place_to_come(shop, load, folder, cli):
    write(folder / "rules.lua", rules(0))
    write(folder / "next.lua", rules(1))
    write(folder / "last.lua", rules(2))
    with migration(shop, tr.sink("sqlite://./copy.db"), rules=folder / "rules.lua") as job:
        job.start()
        job.wait("caught_up", timeout=60)
        first = dict(load.numbers)
        with pytest.raises(errors.RuleError, match="has come to") as caught:
            job.swap_rules("next.lua", at=f"gtid:0-1-{min(first.values())}")
        assert caught.value.code == "RULE-0111"
        with pytest.raises(errors.RuleError, match="no position of this source"):
            job.swap_rules("next.lua", at="gtid:nonsense")
        done = cli("rule", "swap", "shop.db", "next.lua", "--at", f"gtid:0-1-{min(first.values())}")
        assert done.returncode == 6 and "RULE-0111" in done.stderr, done.stderr
        place = max(load.numbers.values()) + 2000
        answer = job.swap_rules("next.lua", at=f"gtid:0-1-{place}")
        assert answer.position == f"gtid=0-1-{place}" and job.status.rules == answer.before
        wait_until(lambda: max(load.numbers.values()) > place + 50, 60)
        load.stop()
        job.wait("caught_up", timeout=60)
        assert job.status.rules == answer.after
    found = sqlite3.connect("copy.db").execute("SELECT id, t, version FROM ledger").fetchall()
    wrong = [row for row in found if row[1] and row[2] != (load.numbers[row[1]] > place)]
    assert not wrong and {row[2] for row in found} == {0, 1}
    with pytest.raises(errors.RuleError, match="only a running job"):
        tr.attach("shop.db").swap_rules("last.lua", at=f"gtid:0-1-{place + 10**6}")


def test_cases_are_run_before_a_swap(shop, folder, cli):
    shop.query(f"USE {shop.database}; CREATE TABLE ledger (id INT PRIMARY KEY, t INT NOT NULL, amount INT)")
    write(folder / "rules.lua", rules(0))
    migration(shop, tr.sink("sqlite://./copy.db"), rules=folder / "rules.lua").run(timeout=60)
    write(folder / "next.lua", rules(1))
    case = ("CREATE TABLE a.ledger (id INT PRIMARY KEY, t INT NOT NULL, amount INT);\nINSERT INTO a.ledger VALUES (1, 2, 3);\n"
            "-> insert a.ledger (id=1, t=2, amount=3, version=%d)\n")
    write(folder / "next.case", case % 7)
    done = cli("rule", "swap", "shop.db", "next.lua")
    assert done.returncode == 6 and "RULE-0111" in done.stderr and "next.case:2" in done.stderr and "--no-test" in done.stderr, done.stderr
    assert len(tr.attach("shop.db").meta.sql("SELECT id FROM v1_rule")) == 1
    write(folder / "next.case", case % 1)
    assert cli("rule", "swap", "shop.db", "next.lua").returncode == 0
    write(folder / "last.lua", rules(2))
    write(folder / "last.case", case % 7)
    assert cli("rule", "swap", "shop.db", "last.lua", "--no-test").returncode == 0
