"""scripts/services: idempotent `up`, honest `down`, and failures that carry the server's name."""
import json
import os
import shlex
import socket
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "services"


class Services:
    def __init__(self, folder):
        self.folder = folder
        self.environment = {**os.environ, "TAILRACE_SERVICES_DIR": str(folder)}

    def __call__(self, *arguments, **environment):
        return subprocess.run([SCRIPT, *arguments], env={**self.environment, **environment}, text=True,
                              capture_output=True, timeout=180, check=False)

    def variables(self, *names):
        printed = self("env", *names).stdout
        words = [shlex.split(line) for line in printed.splitlines()]
        return dict(word[1].split("=", 1) for word in words if word[0] == "export")

    def record(self, name):
        return json.loads((self.folder / name / "instance.json").read_text())


@pytest.fixture
def services(tmp_path):
    script = Services(tmp_path / "sv")
    yield script
    script("down", "--purge")


def greets(port):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        return len(connection.recv(5)) == 5


def refuses(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def is_alive(pid):
    """A process that nobody has waited for yet has no command line any more."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except FileNotFoundError:
        return False


def test_up_twice_then_down_then_up_keeps_port_and_data(services):
    assert services("up", "mariadb").returncode == 0
    first = services.record("mariadb")
    port = int(services.variables("mariadb")["TAILRACE_MARIADB_PORT"])
    assert greets(port)

    again = services("up", "mariadb")
    assert again.returncode == 0 and "already running" in again.stdout
    assert services.record("mariadb")["pid"] == first["pid"]

    marker = services.folder / "mariadb" / "data" / "marker"
    marker.write_text("kept")
    assert "mariadb: stopped" in services("down").stdout
    assert refuses(port)
    assert not is_alive(first["pid"])
    assert services("status").returncode == 1
    assert "not started" in services.variables("mariadb")["TAILRACE_SKIP_MARIADB"]
    assert "was not running" in services("down").stdout

    assert services("up", "mariadb").returncode == 0
    assert services.record("mariadb")["ports"] == [port]
    assert marker.read_text() == "kept"


def test_users_and_binlog_settings(services):
    assert services("up", "mariadb").returncode == 0
    port = services.variables("mariadb")["TAILRACE_MARIADB_PORT"]

    def query(text, *login):
        done = subprocess.run(["mariadb", "--no-defaults", "-h127.0.0.1", f"-P{port}", "-N", "-e", text, *login],
                              text=True, capture_output=True, timeout=60, check=False)
        return done.returncode, done.stdout.split()

    assert query("select @@log_bin, @@binlog_format, @@binlog_row_metadata, @@binlog_checksum", "-uroot") == (
        0, ["1", "ROW", "FULL", "CRC32"])
    code, events = query("show binlog events in 'binlog.000001'", "-umig", "-pmig-secret")
    assert code == 0 and "CREATE" not in events  # setting up the users leaves no trace in the binlog
    assert query("create database d", "-umig", "-pmig-secret")[0] != 0
    assert query("select 1", "-umig", "-pwrong")[0] != 0


def test_named_instance_with_options_beside_the_default_one(services):
    assert services("up", "mariadb").returncode == 0
    done = services("up", "--name", "stmt", "--set", "mariadb:binlog_format=STATEMENT", "mariadb")
    assert done.returncode == 0, done.stderr
    assert "binlog_format=STATEMENT" in (services.folder / "stmt" / "server.cnf").read_text()
    ports = {services.variables(name)[f"TAILRACE_{name.upper()}_PORT"] for name in ("mariadb", "stmt")}
    assert len(ports) == 2

    conflict = services("up", "--name", "stmt", "--set", "mariadb:binlog_format=MIXED", "mariadb")
    assert conflict.returncode == 1 and "stmt runs with other --set options" in conflict.stderr
    assert greets(int(services.variables("stmt")["TAILRACE_STMT_PORT"]))

    assert services("down", "stmt").stdout == "stmt: stopped\n"
    assert greets(int(services.variables("mariadb")["TAILRACE_MARIADB_PORT"]))


def test_a_reused_pid_is_not_signalled(services):
    bystander = subprocess.Popen(["sleep", "600"])
    try:
        folder = services.folder / "mariadb"
        folder.mkdir(parents=True)
        (folder / "instance.json").write_text(json.dumps(
            {"name": "mariadb", "kind": "mariadb", "ports": [20000], "pid": bystander.pid, "ticks": 1}))
        assert services("down").stdout == "mariadb: was not running\n"
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_server_that_cannot_start_is_named_with_its_reason(services):
    done = services("up", "--set", "mariadb:no_such_option=1", "mariadb")
    assert done.returncode == 1
    assert "services: mariadb cannot be had" in done.stderr and "no_such_option" in done.stderr
    assert "no_such_option" in services.variables("mariadb")["TAILRACE_SKIP_MARIADB"]
    assert "TAILRACE_MARIADB_URL" not in services.variables("mariadb")


def test_missing_program_is_named_and_fails_only_when_asked_for(services, tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for folder in ("/usr/bin", "/usr/sbin"):
        for program in Path(folder).iterdir():
            if program.name not in ("java", "mvn") and not (tools / program.name).is_symlink():
                (tools / program.name).symlink_to(program)
    without_java = {"PATH": str(tools), "TAILRACE_CACHE_DIR": str(tmp_path / "cache")}

    asked = services("up", "kafka", **without_java)
    assert asked.returncode == 1
    assert "services: kafka cannot be had: program 'java' not found" in asked.stderr
    assert "java" in services.variables("kafka")["TAILRACE_SKIP_KAFKA"]

    unasked = services("up", **without_java)
    assert unasked.returncode == 0
    assert "mariadb: started" in unasked.stdout and "services: kafka cannot be had" in unasked.stderr

    (tools / "java").symlink_to("/bin/false")
    asked = services("up", "kafka", **without_java)
    assert asked.returncode == 1 and "'mvn' not found" in asked.stderr

    maven = tools / "mvn"
    maven.write_text("#!/bin/sh\nprintf '\\033[0m[ERROR] no such host\\n[ERROR] see the manual\\n'\nexit 1\n")
    maven.chmod(0o755)
    asked = services("up", "kafka", **without_java)
    assert "3.9.1 failed: [ERROR] no such host; " in asked.stderr
    assert not list((tmp_path / "cache" / "kafka").glob("3.9.1"))


@pytest.mark.parametrize("kind", ["mariadb_new", "seekdb"])
def test_optional_server_answers_or_is_named_with_its_reason(services, kind):
    done = services("up", kind)
    values = services.variables(kind)
    if done.returncode:
        assert f"services: {kind} cannot be had: " in done.stderr
        assert values[f"TAILRACE_SKIP_{kind.upper()}"]
        pytest.skip(values[f"TAILRACE_SKIP_{kind.upper()}"])
    port = values[f"TAILRACE_{kind.upper()}_PORT"]
    login = ["mariadb", "--no-defaults", "-h127.0.0.1", f"-P{port}", "-N", "-umig", "-pmig-secret"]
    answer = subprocess.run([*login, "-e", "SELECT 1"], text=True, capture_output=True, check=False)
    assert answer.stdout == "1\n", answer.stderr
    if kind == "seekdb":   # it listens everywhere
        answer = subprocess.run([*login, "-e", "SHOW VARIABLES LIKE 'ob_tcp_invited_nodes'"], text=True,
                                capture_output=True, check=False)
        assert answer.stdout.split()[1] == "127.0.0.1"
