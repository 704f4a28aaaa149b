"""The engine as a process: started over one job file, observed through the job file's views, killed."""
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from .servers import MIG, REPO, Unavailable


def find_worker():
    """The C++ worker: $TAILRACE_WORKER, or the newest of the build folders, or one built now."""
    given = os.environ.get("TAILRACE_WORKER")
    if given:
        return Path(given)

    def built():
        return [path for path in REPO.glob("build/*/**/tailrace-worker") if path.is_file() and os.access(path, os.X_OK)]

    if not built():
        print("building tailrace-worker", file=sys.stderr, flush=True)
        for command in (["cmake", "--preset", "release", "--log-level=WARNING"],
                        ["cmake", "--build", "--preset", "release", "--target", "tailrace-worker"]):
            done = subprocess.run(command, cwd=REPO, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if done.returncode:
                raise Unavailable(f"tailrace-worker cannot be built: {done.stdout[-1500:]}")
    return max(built(), key=lambda path: path.stat().st_mtime)


def find_tool(name):
    """A program of the C++ tests: the newest of the build folders, or one built now."""
    def built():
        return [path for path in REPO.glob(f"build/*/tests/**/{name}") if path.is_file() and os.access(path, os.X_OK)]

    if not built():
        for command in (["cmake", "--preset", "release", "--log-level=WARNING"], ["cmake", "--build", "--preset", "release", "--target", name]):
            done = subprocess.run(command, cwd=REPO, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if done.returncode:
                raise Unavailable(f"{name} cannot be built: {done.stdout[-1500:]}")
    return max(built(), key=lambda path: path.stat().st_mtime)


def source_config(database, **options):
    return {"url": database.url(), "password": MIG[1], **options}


class Ended:
    """How an engine process ended."""

    def __init__(self, process, out, err):
        self.code, self.out, self.err = process.returncode, out, err
        self.status = {}
        for line in reversed(out.splitlines()):
            if line.startswith("{"):
                self.status = json.loads(line)
                break

    def __str__(self):
        return f"exit {self.code}\n{self.out[-2000:]}\n{self.err[-4000:]}"


class Engine:
    """One job. Every start is a new process; output goes to files beside the job file."""

    def __init__(self, job, config, worker=None):
        self.job = Path(job)
        self.config = self.job.with_suffix(".json")
        self.config.write_text(json.dumps(config, indent=1))
        self.worker = worker or find_worker()
        self.process = None
        self.starts = 0

    def start(self, until="forever", resume=False, **environment):
        self.starts += 1
        command = [str(self.worker), str(self.job), *([] if resume else [str(self.config)]), "--until", until]
        self.out, self.err = (self.job.with_suffix(f".{self.starts}.{end}") for end in ("out", "err"))
        with open(self.out, "w") as out, open(self.err, "w") as err:
            self.process = subprocess.Popen(command, stdout=out, stderr=err, stdin=subprocess.DEVNULL,
                                            env={**os.environ, **environment})
        return self

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def wait(self, seconds=120):
        self.process.wait(timeout=seconds)
        return Ended(self.process, self.out.read_text(), self.err.read_text(errors="replace"))

    def run(self, until="caught_up", seconds=120, **options):
        self.start(until, **options)
        try:
            return self.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self):
        if self.alive():
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds=30):
        if self.alive():
            self.process.terminate()
        return self.wait(seconds)

    def look(self, sql):
        """Rows of a view of the job file; [] while there is no such file yet."""
        if not self.job.exists():
            return []
        try:
            connection = sqlite3.connect(f"file:{self.job}?mode=ro", uri=True, timeout=2)
            try:
                return connection.execute(sql).fetchall()
            finally:
                connection.close()
        except sqlite3.OperationalError:
            return []

    def checkpoint(self):
        """(position, snapshot state, rows), or None. The sink's own one may be ahead of it."""
        found = self.look("SELECT position, snapshot_state, rows FROM v1_checkpoint")
        return found[0] if found else None

    def phase(self):
        found = self.look("SELECT phase FROM v1_job")
        return found[0][0] if found else None


def memory_peak_mib(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise Unavailable(f"no VmHWM for process {pid}")


def cpu_seconds(pid):
    """User and system time of a running process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_exit(process, seconds):
    """Wait for a child and give its own resource usage."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return usage
        time.sleep(0.01)
    raise TimeoutError(f"process {process.pid} did not end within {seconds} s")
