"""The quickstart itself; started by scripts/quickstart with the interpreter that has tailrace."""
import argparse
import os
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import check
from shop import Writer

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
SERVER = "shopdb"


def say(text):
    print(f"quickstart: {text}", flush=True)


def services(environment, *words):
    done = subprocess.run([sys.executable, REPO / "scripts/services", *words], env=environment, text=True,
                          stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise SystemExit(f"quickstart: scripts/services {' '.join(words)} failed")
    return done.stdout


def arrived(copy):
    """True once the writer's last row is in the copy."""
    try:
        connection = sqlite3.connect(f"file:{copy}?mode=ro", uri=True, timeout=5)
        try:
            return connection.execute("SELECT 1 FROM events WHERE kind='last'").fetchone() is not None
        finally:
            connection.close()
    except sqlite3.OperationalError:
        return False


def run(args, folder, environment):
    say("starting a throw-away MariaDB")
    services(environment, "up", "--name", SERVER, "mariadb")
    for line in services(environment, "env", SERVER).splitlines():
        name, _, value = shlex.split(line)[1].partition("=")
        environment[name] = value
    socket = environment[f"TAILRACE_{SERVER.upper()}_SOCKET"]
    copy, job = folder / "copy.db", folder / "shop.db"
    environment |= {"SHOP_PORT": environment[f"TAILRACE_{SERVER.upper()}_PORT"], "SHOP_PASSWORD": "mig-secret",
                    "SHOP_COPY": str(copy)}
    writer = Writer(socket, args.seed)
    runner = None
    try:
        writer.create()
        tables = [name for sources, *_ in check.EXPECTED.values() for name in sources]
        rows = sum(int(check.query(socket, f"SELECT COUNT(*) FROM shop.{name}")[0][0]) for name in tables)
        say(f"the shop has {rows:,} rows in {len(tables)} tables; a writer changes them for {args.seconds:g} s")
        writer.start()
        command = [Path(sys.executable).with_name("tailrace"), "run", HERE / "shop.toml", "--job", job]
        say("tailrace run examples/quickstart/shop.toml --job shop.db")
        started = time.monotonic()
        runner = subprocess.Popen(command, env=environment, start_new_session=True)
        while time.monotonic() - started < args.seconds and runner.poll() is None:
            time.sleep(0.1)
        writer.stop()
        stopped = time.monotonic()
        while not arrived(copy) and runner.poll() is None and time.monotonic() - stopped < args.patience:
            time.sleep(0.02)
        lag = time.monotonic() - stopped
        if runner.poll() is not None:
            say(f"tailrace ended early with exit code {runner.returncode}")
            return False
        runner.terminate()  # not SIGINT: a shell's background job inherits that as ignored
        code = runner.wait(timeout=30)
        if code not in (0, 130):
            say(f"tailrace ended with exit code {code}")
            return False
        if lag >= args.patience:
            say(f"the last change did not arrive within {args.patience} s")
        handled = sqlite3.connect(f"file:{job}?mode=ro", uri=True).execute("SELECT rows FROM v1_checkpoint").fetchone()[0]
        say(f"{writer.changes:,} transactions written; comparing every value")
        return check.report(socket, copy, lag, handled / (stopped + lag - started)) and lag < args.patience
    finally:
        if runner and runner.poll() is None:
            runner.kill()
            runner.wait()
        writer.close()


def main():
    parser = argparse.ArgumentParser(prog="scripts/quickstart", description="A live MariaDB into SQLite, compared.")
    parser.add_argument("--seconds", type=float, default=12, help="how long the writer runs (default 12)")
    parser.add_argument("--patience", type=float, default=60, help="how long the last change may take (default 60)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="keep the job file and the copy")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="tailrace-quickstart-"))
    environment = {**os.environ, "TAILRACE_SERVICES_DIR": str(folder / "servers")}
    started = time.monotonic()
    equal = False
    try:
        equal = run(args, folder, environment)
    finally:
        subprocess.run([sys.executable, REPO / "scripts/services", "down", "--purge"], env=environment, check=False,
                       stdout=subprocess.DEVNULL)
        if args.keep:
            say(f"job file and copy are in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    say(f"{'all equal' if equal else 'NOT EQUAL'}, {time.monotonic() - started:.0f} s")
    return 0 if equal else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
