"""The services folder, and what all servers share: record, ports, process, start and stop.

One sub-folder per instance with `instance.json`:
{name, kind, ports, options, pid, ticks, failure}. The pid counts only together with the start
time (`ticks`) of the process, so a reused pid is never signalled.
"""
import contextlib
import fcntl
import json
import os
import random
import re
import shlex
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path


class Unavailable(Exception):
    """This server cannot be had here; the text is the reason shown to the user."""


class Conflict(Exception):
    """The call contradicts an instance that exists; that instance is left as it is."""


def cache_dir():
    return Path(os.environ.get("TAILRACE_CACHE_DIR") or Path.home() / ".cache" / "tailrace")


def run_step(command, reason, cwd=None):
    """Run a preparing command; on failure raise Unavailable with `reason` and what it said: its first error or last line."""
    try:
        done = subprocess.run([str(part) for part in command], cwd=cwd, text=True, errors="replace", check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except FileNotFoundError:
        raise Unavailable(f"{reason}: program '{command[0]}' not found") from None
    if done.returncode != 0:
        plain = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)  # Maven colours its output even in a pipe
        lines = [line.strip() for line in plain.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith(("E: ", "[ERROR] "))]
        raise Unavailable(f"{reason}: {[*errors, *lines[-1:], 'no output'][0]}")
    return done.stdout


def process_ticks(pid):
    """Start time of a live process in clock ticks, None if it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def port_is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Folder:
    def __init__(self, path):
        self.path = path

    @contextlib.contextmanager
    def locked(self):
        """One `up` or `down` at a time per folder; others wait for it."""
        self.path.mkdir(parents=True, exist_ok=True)
        with open(self.path / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def records(self):
        return [json.loads(file.read_text()) for file in sorted(self.path.glob("*/instance.json"))]

    def choose_port(self):
        """A free port below the range the kernel gives to outgoing connections."""
        taken = {port for record in self.records() for port in record["ports"]}
        for port in random.sample(range(20000, 32000), 2000):
            if port not in taken and port_is_free(port):
                return port
        raise Unavailable("no free port on 127.0.0.1 between 20000 and 32000")


class Server:
    kind = ""
    port_count = 1

    def __init__(self, folder, name):
        self.folder = folder
        self.name = name
        self.dir = (folder.path / name).absolute()
        self.log = self.dir / "server.log"

    # -- given by each kind ---------------------------------------------------------------------
    def prepare(self):
        """Bring programs and data folder into being; raises Unavailable."""
        raise NotImplementedError

    def configure(self, ports, options):
        """Write the configuration; called before every start."""
        raise NotImplementedError

    def command(self):
        raise NotImplementedError

    def is_ready(self):
        raise NotImplementedError

    def variables(self):
        raise NotImplementedError

    # -- record ---------------------------------------------------------------------------------
    def record(self):
        empty = {"name": self.name, "kind": self.kind, "ports": [], "options": {}, "pid": 0, "ticks": 0, "failure": ""}
        try:
            return empty | json.loads((self.dir / "instance.json").read_text())
        except FileNotFoundError:
            return empty

    def save(self, **changes):
        self.dir.mkdir(parents=True, exist_ok=True)
        temporary = self.dir / "instance.json.new"
        temporary.write_text(json.dumps(self.record() | changes, indent=1))
        temporary.replace(self.dir / "instance.json")

    def record_failure(self, reason):
        self.stop_process()
        self.save(failure=reason)

    def port(self, index=0):
        return self.record()["ports"][index]

    def address(self):
        return f"127.0.0.1:{self.port()}"

    def is_running(self):
        record = self.record()
        return record["pid"] > 0 and process_ticks(record["pid"]) == record["ticks"]

    def describe(self):
        record = self.record()
        if self.is_running():
            return f"running at {self.address()}, pid {record['pid']}"
        return f"cannot be had: {record['failure']}" if record["failure"] else "down"

    def env_lines(self):
        upper = self.name.upper().replace("-", "_")
        if self.is_running():
            return [f"unset TAILRACE_SKIP_{upper}"] + [
                f"export {key}={shlex.quote(str(value))}" for key, value in self.variables().items()]
        reason = self.record()["failure"] or f"not started (scripts/services up {self.name})"
        return [f"export TAILRACE_SKIP_{upper}={shlex.quote(reason)}"]

    def prefix(self):
        return "TAILRACE_" + self.name.upper().replace("-", "_")

    # -- start and stop -------------------------------------------------------------------------
    def up(self, options):
        """True if started now (wait_ready comes next), False if it was running with these options."""
        record = self.record()
        if record["kind"] != self.kind:
            raise Conflict(f"{self.name} exists and is a {record['kind']}; run `scripts/services down --purge "
                           f"{self.name}` first")
        if self.is_running():
            if options and options != record["options"]:
                raise Conflict(f"{self.name} runs with other --set options; run `scripts/services down "
                               f"{self.name}` first")
            return False
        self.dir.mkdir(parents=True, exist_ok=True)
        ports = record["ports"]
        if len(ports) != self.port_count or not all(map(port_is_free, ports)):
            ports = []
            for _ in range(self.port_count):
                ports.append(self.folder.choose_port())
                self.save(ports=ports)
        self.save(options=options, failure="", pid=0)
        self.prepare()
        self.configure(ports, options)
        with open(self.log, "a") as log:
            self.process = subprocess.Popen([str(part) for part in self.command()], cwd=self.dir,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True)
        self.started = time.monotonic()
        self.save(pid=self.process.pid, ticks=process_ticks(self.process.pid) or 0)
        return True

    def wait_ready(self, timeout):
        while time.monotonic() - self.started < timeout:
            if self.process.poll() is not None:
                raise Unavailable(f"it ended with code {self.process.returncode}: {self.last_error()} "
                                  f"(log: {self.log})")
            if self.is_ready():
                return
            time.sleep(0.05)
        raise Unavailable(f"no answer within {timeout:.0f} s (log: {self.log})")

    def last_error(self):
        lines = self.log.read_text(errors="replace").splitlines() or ["empty log"]
        return next((line for line in reversed(lines) if "ERROR" in line and "Aborting" not in line), lines[-1]).strip()

    def stop_process(self):
        """True if it was running. Asks first; kills after 30 s."""
        if not self.is_running():
            return False
        pid = self.record()["pid"]
        for number, patience in ((signal.SIGTERM, 30), (signal.SIGKILL, 30)):
            if self.is_running():
                os.kill(pid, number)
            deadline = time.monotonic() + patience
            while self.is_running() and time.monotonic() < deadline:
                time.sleep(0.02)
        return True

    def down(self, purge):
        was_running = self.stop_process()
        if purge:
            shutil.rmtree(self.dir, ignore_errors=True)
        elif self.dir.exists():
            self.save(pid=0, ticks=0)
        return was_running
