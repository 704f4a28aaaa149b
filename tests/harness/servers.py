"""Servers of a run, started through scripts/services in a folder of their own, and a client made of the mariadb program."""
import os
import shlex
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
MIG = ("mig", "mig-secret")


class Unavailable(Exception):
    """A server or program is not to be had here; the text says why."""


class Services:
    """Named servers in one folder; `close` stops them and removes their data."""

    def __init__(self, folder=None):
        self._temporary = folder is None
        self.folder = Path(folder or tempfile.mkdtemp(prefix="tailrace-servers-"))
        self.environment = {**os.environ, "TAILRACE_SERVICES_DIR": str(self.folder)}

    def _call(self, *words):
        done = subprocess.run([REPO / "scripts/services", *map(str, words)], env=self.environment, text=True,
                              capture_output=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise Unavailable(done.stderr.strip() or done.stdout.strip())
        return done.stdout

    def up(self, kind, name, **options):
        settings = [word for key, value in options.items() for word in ("--set", f"{kind}:{key}={value}")]
        self._call("up", "--name", name, *settings, kind)
        lines = [shlex.split(line)[1] for line in self._call("env", name).splitlines() if line.startswith("export ")]
        values = dict(line.split("=", 1) for line in lines)
        prefix = f"TAILRACE_{name.upper()}"
        if kind == "kafka":
            return values[prefix]
        if kind == "kafka_secure":
            return {key.removeprefix(prefix).lstrip("_").lower() or "broker": value for key, value in values.items()}
        return Database(kind, int(values[f"{prefix}_PORT"]), values[f"{prefix}_SOCKET"],
                        Path(values[f"{prefix}_DATADIR"]), values.get(f"{prefix}_BIN") or values.get("TAILRACE_MYSQL9_BIN"))

    def down(self, *names, purge=False):
        """Stops them; with `purge` their data goes, too."""
        self._call("down", *(["--purge"] if purge else []), *names)

    def close(self):
        subprocess.run([REPO / "scripts/services", "down", "--purge"], env=self.environment, check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Database:
    """One running server. Root has no password; `mig` has what replication needs."""

    def __init__(self, kind, port, socket, datadir, tools=None):
        self.kind, self.port, self.socket, self.datadir, self.tools = kind, port, socket, datadir, tools

    def url(self, user=MIG[0]):
        return f"mysql://{user}@127.0.0.1:{self.port}"

    def command(self, *words):
        return ["mariadb", "--no-defaults", "-uroot", f"--socket={self.socket}", "--batch", "--skip-column-names",
                "--default-character-set=utf8mb4", *words]

    def run(self, sql):
        """Run statements; the rows of the last results as lists of texts (tab separated: use HEX for free text)."""
        done = subprocess.run(self.command(), input=sql.encode(), capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{done.stderr.decode().strip()}\n  in: {sql[:300]}")
        return [line.split("\t") for line in done.stdout.decode().splitlines()]

    def stream(self, sql):
        """Rows of one SELECT, read as they come."""
        process = subprocess.Popen(self.command("--quick", "-e", sql), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for line in process.stdout:
            yield line.rstrip(b"\n").decode().split("\t")
        if process.wait():
            raise RuntimeError(process.stderr.read().decode())

    def position(self):
        """(file, offset) of the end of the binary log."""
        status = "SHOW MASTER STATUS" if self.kind.startswith("mariadb") else "SHOW BINARY LOG STATUS"
        row = self.run(status)[0]
        return row[0], int(row[1])

    def binlog_files(self, first=None):
        names = [row[0] for row in self.run("SHOW BINARY LOGS")]
        return [self.datadir / name for name in names if first is None or name >= first]

    def binlog_tool(self):
        if self.kind.startswith("mariadb"):
            return shutil.which("mariadb-binlog")
        return shutil.which("mysqlbinlog", path=self.tools or "")

    def session(self):
        return Session(self)


class Session:
    """A connection that takes statements without waiting for them; failed ones are counted and passed over."""

    def __init__(self, database):
        self.process = subprocess.Popen(database.command("--unbuffered", "--force"), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        self.errors = []
        self._reader = threading.Thread(target=self._read_errors, daemon=True)
        self._reader.start()
        self._marks = 0

    def _read_errors(self):
        for line in self.process.stderr:
            self.errors.append(line.decode(errors="replace").strip())

    def send(self, sql):
        data = memoryview((sql.rstrip().rstrip(";") + ";\n").encode())
        while data:
            data = data[self.process.stdin.write(data):]

    def sync(self):
        """Wait until everything sent has run."""
        self._marks += 1
        self.send(f"SELECT 'mark-{self._marks}'")
        for line in self.process.stdout:
            if line.strip() == f"mark-{self._marks}".encode():
                return
        raise RuntimeError("the client ended: " + "; ".join(self.errors[-3:]))

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)


def wait_for(condition, what, seconds=60, pause=0.02):
    """The first true value of condition(); an error naming `what` when the time is over."""
    limit = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > limit:
            raise TimeoutError(f"{what} did not happen within {seconds} s")
        time.sleep(pause)
