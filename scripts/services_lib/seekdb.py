"""seekdb (OceanBase's single-node server, MySQL protocol) from the wheel on PyPI.

It has no binary log: a source to copy from, not to follow. It cannot be told where to listen, so it is told
to refuse every client but this machine's.
"""
import fcntl
import os
import shutil
import subprocess
import sys
import zipfile

from .folder import Server, Unavailable, cache_dir, run_step
from .mysql_family import MIG_PASSWORD

VERSION = "1.4.0.post1"
# The smallest its start accepts; the default takes a share of the disk.
SIZES = {"datafile_size": "64M", "log_disk_size": "2G", "syslog_level": "WARN"}
STATEMENTS = [
    "SET GLOBAL ob_tcp_invited_nodes='127.0.0.1'",
    f"CREATE USER IF NOT EXISTS mig@'%' IDENTIFIED BY '{MIG_PASSWORD}'",
    "GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO mig@'%'",
]


class Seekdb(Server):
    kind = "seekdb"

    def home(self):
        return cache_dir() / "seekdb" / VERSION

    def program(self):
        return self.home() / "pylibseekdb" / "seekdb"

    def base(self):
        return self.dir / "data"

    def prepare(self):
        if not shutil.which("mariadb"):
            raise Unavailable("program 'mariadb' not found (Debian package mariadb-client-core)")
        home = self.home()
        home.parent.mkdir(parents=True, exist_ok=True)
        with open(home.parent / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not home.is_dir():
                self.unpack(home)

    def unpack(self, home):
        fresh = home.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        run_step([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                  "--only-binary=:all:", "--python-version=3.11", "--platform=manylinux_2_28_x86_64", f"--dest={fresh}",
                  f"pylibseekdb=={VERSION}"], "downloading the wheel failed")
        for wheel in fresh.glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(fresh)
            wheel.unlink()
        if not (fresh / "pylibseekdb" / "seekdb").exists():
            raise Unavailable("the wheel holds no server where it is expected")
        os.chmod(fresh / "pylibseekdb" / "seekdb", 0o755)
        fresh.replace(home)

    def configure(self, ports, options):
        self.base().mkdir(exist_ok=True)
        self.parameters = SIZES | options

    def command(self):
        parameters = [word for key, value in self.parameters.items() for word in ("--parameter", f"{key}={value}")]
        return ["env", "TELEMETRY_ENABLED=false", self.program(), "--nodaemon", f"--base-dir={self.base()}",
                f"--port={self.port()}", *parameters]

    def socket_path(self):
        return self.base() / "run" / "sql.sock"

    def is_ready(self):
        """It greets before its catalogue is there; only an answer counts."""
        done = subprocess.run(["mariadb", "--no-defaults", "-uroot", f"--socket={self.socket_path()}",
                               "-e", "; ".join(STATEMENTS)],
                              check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return done.returncode == 0

    def variables(self):
        port = self.port()
        return {
            f"{self.prefix()}_URL": f"mysql://root@127.0.0.1:{port}",
            f"{self.prefix()}_PORT": port,
            f"{self.prefix()}_SOCKET": self.socket_path(),
            f"{self.prefix()}_DATADIR": self.base(),
        }
