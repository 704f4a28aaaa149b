"""The benches of scripts/bench that need a broker and more than one program: latency and debezium."""
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from harness.engine import Engine, source_config, wait_exit
from harness.servers import REPO, Unavailable, wait_for

POM = REPO / "tests/bench/debezium/pom.xml"
TABLES = 4
PREFIX = "peer"   # of Debezium's topics; its offsets are filed under it
SYSBENCH = ["sysbench", "oltp_write_only", "--db-driver=mysql", "--mysql-user=root", "--mysql-db=peer", f"--tables={TABLES}",
            "--table-size=20000", "--auto_inc=off"]
LARGE = ["--index_updates=10", "--non_index_updates=10", "--delete_inserts=10"]   # 40 row changes a transaction


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def call(command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **options)
    if done.returncode:
        raise Unavailable(f"{Path(command[0]).name} failed: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout


@contextlib.contextmanager
def broker_of(bench, name, **options):
    try:
        yield bench.services.up("kafka", name, **options)
    finally:
        bench.services.down(name, purge=True)


# -- latency ------------------------------------------------------------------------------------------


def latency(bench):
    """Commit at the source to receipt at a consumer, 1,000 single-row transactions a second, beside a bare producer at that pace."""
    seconds, warm_up, rate = (5, 2, 1000) if bench.args.quick else (20, 5, 1000)
    database = bench.database()
    database.run("CREATE DATABASE IF NOT EXISTS bench; CREATE OR REPLACE TABLE bench.latency (id BIGINT NOT NULL PRIMARY KEY, "
                 "payload VARCHAR(200) NOT NULL)")
    runs = []
    with broker_of(bench, "benchkafka") as broker:
        for number in range(bench.rounds):
            database.run("TRUNCATE TABLE bench.latency")
            topic = f"latency-{os.getpid()}-{number}"
            config = {"version": 1, "job": {"name": "latency", "phases": ["stream"]}, "source": source_config(database),
                      "tables": ["bench.latency"], "sink": {"url": f"kafka://{broker}", "topic": topic, "format": "debezium"}}
            engine = Engine(bench.scratch / f"latency-{number}.db", config, bench.program("tailrace-worker")).start("forever")
            try:
                wait_for(lambda engine=engine: engine.phase() == "stream" or not engine.alive(), "the stream")
                runs.append(json.loads(call([bench.program("bench_latency"), database.socket, broker, topic, f"{topic}-bare", rate, seconds,
                                             warm_up])))
                if not engine.alive():
                    raise Unavailable(f"the engine ended: {engine.wait()}")
            finally:
                engine.stop()
    for run in runs:
        if run["missing"] or run["bare_missing"]:
            raise Unavailable(f"messages did not arrive: {run}")
        say(f"latency: {run}")
    middle = sorted(runs, key=lambda run: run["p99_ms"])[len(runs) // 2]
    for part, aim in (("p50_ms", 3.0), ("p99_ms", 8.0)):
        bench.add({"bench": "latency", "case": f"commit to consumer, {part[:3]}", "value": middle[part], "unit": "ms",
                   "per": f"{middle['rate']:.0f}/s", "against": "aim", "against_value": aim, "ratio": round(middle[part] / aim, 3)})
        bare = middle[f"bare_{part}"]
        bench.add({"bench": "latency", "case": f"the same, {part[:3]}", "value": middle[part], "unit": "ms", "per": f"{middle['rate']:.0f}/s",
                   "against": "bare producer to consumer", "against_value": bare, "ratio": round(middle[part] / max(bare, 0.001), 3)})


# -- debezium -----------------------------------------------------------------------------------------


def connect_jars(home):
    """The class path of Kafka Connect with Debezium, from Maven Central."""
    jars = home / "jars"
    if not jars.is_dir():
        if not shutil.which("mvn") or not shutil.which("java"):
            raise Unavailable("no Maven or no Java: apt-get install maven openjdk-17-jre-headless")
        fresh = home / "jars.new"
        shutil.rmtree(fresh, ignore_errors=True)
        call(["mvn", "-q", "-B", "-f", POM, "dependency:copy-dependencies", f"-DoutputDirectory={fresh}"])
        fresh.replace(jars)
    return jars


def properties(path, settings):
    path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    return path


class Connect:
    """Debezium on a standalone Kafka Connect worker, with the producer's settings of our sink. `state` is a folder with its offsets
    and its history of schemas, from which it goes on."""

    def __init__(self, home, state, database, broker):
        self.log = home / "connect.log"
        worker = properties(home / "worker.properties", {
            "bootstrap.servers": broker, "key.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter", "key.converter.schemas.enable": "false",
            "value.converter.schemas.enable": "false", "offset.storage.file.filename": state / "offsets", "offset.flush.interval.ms": 1000,
            "listeners": "http://127.0.0.1:0", "topic.creation.enable": "true", "plugin.discovery": "only_scan",
            "producer.acks": "all", "producer.compression.type": "lz4", "producer.linger.ms": 5, "producer.batch.size": 1000000,
            "producer.buffer.memory": 33554432, "producer.max.request.size": 1048576})
        connector = properties(home / "connector.properties", {
            "name": "peer", "connector.class": "io.debezium.connector.mysql.MySqlConnector", "tasks.max": 1, "topic.prefix": PREFIX,
            "database.hostname": "127.0.0.1", "database.port": database.port, "database.user": "dbz", "database.password": "dbz-secret",
            "database.server.id": 990098, "database.include.list": "peer", "include.schema.changes": "false", "tombstones.on.delete": "false",
            "snapshot.mode": "no_data", "schema.history.internal": "io.debezium.storage.file.history.FileSchemaHistory",
            "schema.history.internal.file.filename": state / "history", "max.batch.size": 8192, "max.queue.size": 32768,
            "poll.interval.ms": 20, "topic.creation.default.replication.factor": 1, "topic.creation.default.partitions": 1})
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                ["java", "-Xms512m", "-Xmx1g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{home / 'jars'}/*",
                 "org.apache.kafka.connect.cli.ConnectStandalone", worker, connector],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def check(self):
        if self.process.poll() is not None:
            raise Unavailable(f"Kafka Connect ended: {self.log.read_text()[-1500:]}")

    def close(self):
        """Gives the CPU seconds it took."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            usage = wait_exit(self.process, 60)
        except TimeoutError:
            self.process.kill()
            usage = wait_exit(self.process, 60)
        return usage.ru_utime + usage.ru_stime


class Topics:
    """What a broker gets from now on: a topic of one partition for each table."""

    def __init__(self, broker, prefix):
        self.broker, self.names = broker, [f"{prefix}.peer.sbtest{number}" for number in range(1, TABLES + 1)]
        self.first = [self.end(name) for name in self.names]

    def end(self, name):
        done = subprocess.run(["kcat", "-Q", "-b", self.broker, "-t", f"{name}:0:-1"], capture_output=True, text=True, check=False)
        return int(done.stdout.rsplit(" ", 1)[1]) if " offset " in done.stdout else 0

    def count(self):
        """Messages so far; there are no transactions, so every offset is one."""
        return sum(self.end(name) - first for name, first in zip(self.names, self.first, strict=True))

    def seconds(self):
        """From the first message in the log to the last, by the broker's clock."""
        def appended(name, offset):
            return int(call(["kcat", "-q", "-C", "-b", self.broker, "-t", name, "-p", "0", "-o", offset, "-c", "1", "-f", "%T"]))
        return (max(appended(name, -1) for name in self.names)
                - min(appended(name, first) for name, first in zip(self.names, self.first, strict=True))) / 1000


def peer_log(bench, database, home, transactions):
    """A log that Debezium has not read yet, and where it begins; made once. Debezium learns the tables before."""
    mark, state = home / f"workload-{transactions}.json", home / f"state-{transactions}"
    if mark.exists():
        known = json.loads(mark.read_text())
        if known["file"] in {row[0] for row in database.run("SHOW BINARY LOGS")}:
            return known, state
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir()
    sysbench = [*SYSBENCH, f"--mysql-socket={database.socket}"]
    say("making the log for debezium; this happens once")
    database.run("DROP DATABASE IF EXISTS peer; CREATE DATABASE peer; CREATE USER IF NOT EXISTS dbz IDENTIFIED BY 'dbz-secret'; GRANT ALL ON *.* TO dbz")
    call([*sysbench, "prepare"])
    with broker_of(bench, "benchkafka") as broker:
        connect = Connect(home, state, database, broker)
        try:
            topics = Topics(broker, PREFIX)

            def streams():
                connect.check()
                # A change that comes through: it streams.
                database.run("UPDATE peer.sbtest1 SET k = k + 1 WHERE id = 1")
                return topics.count() > 0
            wait_for(streams, "Debezium's stream", 180, 1)
            kept = (state / "offsets").stat().st_mtime_ns if (state / "offsets").exists() else 0
            wait_for(lambda: (state / "offsets").exists() and (state / "offsets").stat().st_mtime_ns > kept, "an offset that is kept", 30)
        finally:
            connect.close()
    database.run("FLUSH BINARY LOGS")
    file = database.position()[0]
    call([*sysbench, *LARGE, "--threads=2", "--time=0", f"--events={transactions}", "run"])
    known = {"file": file}
    mark.write_text(json.dumps(known))
    return known, state


def debezium(bench):
    """The same log of MySQL 9 into the same broker, by Debezium on Kafka Connect and by the engine, in turns."""
    home = bench.home / "debezium"
    home.mkdir(exist_ok=True)
    connect_jars(home)
    database = bench.services.up("mysql9", "benchdb9", innodb_buffer_pool_size="512M")
    known, state = peer_log(bench, database, home, 1500 if bench.args.quick else 10000)
    ours, theirs, our_cpu, their_cpu = [], [], [], []
    try:
        with broker_of(bench, "benchkafka", **{"log.message.timestamp.type": "LogAppendTime"}) as broker:
            for number in range(bench.rounds):
                prefix = f"ours-{os.getpid()}-{number}"
                mine = Topics(broker, prefix)
                cpu = bench.engine("caught_up", job={"name": "bench", "phases": ["stream"]}, tables=["peer.sbtest*"],
                                   source=source_config(database, start=f"file={known['file']};offset=4"),
                                   sink={"url": f"kafka://{broker}", "format": "debezium", "flavor": "upstream", "name": prefix,
                                         "tombstones": "false", "topic": prefix + ".{db}.{table}"})[1]
                rows = mine.count()
                ours.append(rows / mine.seconds())
                our_cpu.append(rows / cpu)
                used = home / "state"
                shutil.rmtree(used, ignore_errors=True)
                shutil.copytree(state, used)
                other = Topics(broker, PREFIX)
                connect = Connect(home, used, database, broker)
                try:
                    def all_there(connect=connect, other=other, rows=rows):
                        connect.check()
                        return other.count() >= rows
                    wait_for(all_there, f"all {rows} messages of Debezium", 900, 0.5)
                finally:
                    cpu = connect.close()
                if other.count() != rows:
                    raise Unavailable(f"Debezium sent {other.count()} messages, the engine {rows}")
                theirs.append(rows / other.seconds())
                their_cpu.append(rows / cpu)
    finally:
        bench.services.down("benchdb9")
    bench.line("debezium", f"binlog to Kafka, {rows:,} rows", statistics.median(ours), "rows/s", "run", "Debezium 3.0.8", statistics.median(theirs))
    bench.line("debezium", "the same", statistics.median(our_cpu), "rows/s", "core", "Debezium 3.0.8", statistics.median(their_cpu))
