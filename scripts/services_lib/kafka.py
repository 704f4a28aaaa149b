"""A one-node Apache Kafka (KRaft) whose jars Maven brings."""
import base64
import fcntl
import shutil
import socket
import struct
import uuid

from .folder import Server, Unavailable, cache_dir, run_step

VERSIONS = ["3.9.1", "4.1.2"]
POM = """<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>tailrace</groupId><artifactId>kafka-for-tests</artifactId><version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{version}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
"""


def fetch_jars():
    """Folder with the jars of the first version that can be had; fetched once."""
    home = cache_dir() / "kafka"
    home.mkdir(parents=True, exist_ok=True)
    with open(home / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for version in VERSIONS:
            if (home / version).is_dir():
                return home / version
        reasons = []
        for version in VERSIONS:
            fresh = home / f"{version}.new"
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir()
            (fresh / "pom.xml").write_text(POM.format(version=version))
            try:
                run_step(["mvn", "-q", "-B", "-U", "dependency:copy-dependencies", "-DoutputDirectory=."],
                         f"fetching the jars of version {version} failed", cwd=fresh)
                fresh.replace(home / version)
                return home / version
            except Unavailable as reason:
                reasons.append(str(reason))
        raise Unavailable("; ".join(reasons))


class Kafka(Server):
    kind = "kafka"
    port_count = 2

    def java(self, *arguments):
        return ["java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{self.jars}/*", *arguments]

    def prepare(self):
        if not shutil.which("java"):
            raise Unavailable("program 'java' not found (a Java 17 runtime)")
        self.jars = fetch_jars()

    def configure(self, ports, options):
        broker, controller = (f"127.0.0.1:{port}" for port in ports)
        chosen = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@{controller}",
            "listeners": f"PLAINTEXT://{broker},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{broker}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": self.dir / "data",
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 1,
            "group.initial.rebalance.delay.ms": 0,
            # Whoever writes to a topic has to create it, as on most production clusters.
            "auto.create.topics.enable": "false",
        } | options
        config = self.dir / "server.properties"
        config.write_text("".join(f"{key}={value}\n" for key, value in chosen.items()))
        if not (self.dir / "data" / "meta.properties").exists():
            cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
            run_step(self.java("kafka.tools.StorageTool", "format", "--ignore-formatted", f"--cluster-id={cluster}",
                               f"--config={config}", *self.format_options()), "formatting the data folder failed")

    def format_options(self):
        return []

    def command(self):
        return self.java("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "kafka.Kafka", self.dir / "server.properties")

    def is_ready(self):
        """Ready when the broker answers a Metadata request and lists itself."""
        request = struct.pack(">hhih2si", 3, 1, 1, 2, b"tr", 0)
        try:
            with socket.create_connection(("127.0.0.1", self.port()), timeout=2) as connection:
                connection.sendall(struct.pack(">i", len(request)) + request)
                answer = connection.recv(12)
        except OSError:
            return False
        return len(answer) == 12 and struct.unpack(">iii", answer)[2] >= 1

    def variables(self):
        return {self.prefix(): self.address()}
