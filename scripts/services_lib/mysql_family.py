"""What MariaDB and MySQL have in common: option file, users, readiness, variables."""
import os
import socket
import tempfile
import zlib
from pathlib import Path

from .folder import Server, Unavailable

MIG_PASSWORD = "mig-secret"


class MysqlFamily(Server):
    def datadir(self):
        return self.dir / "data"

    def socket_path(self):
        """Unix socket names end at 107 bytes: a deep services folder gets a short one elsewhere."""
        path = self.dir / "server.sock"
        if len(os.fsencode(path)) <= 100:
            return path
        return Path(tempfile.gettempdir()) / f"tailrace-{os.getuid()}-{zlib.crc32(os.fsencode(path)):08x}.sock"

    def common_options(self, port):
        return {
            "datadir": self.datadir(),
            "tmpdir": self.dir / "tmp",
            "socket": self.socket_path(),
            "pid-file": self.dir / "server.pid",
            "bind-address": "127.0.0.1",
            "port": port,
            "init-file": self.dir / "users.sql",
            "server-id": 1 + zlib.crc32(self.name.encode()) % 1_000_000,
            "log-bin": "binlog",
            "binlog_format": "ROW",
            "binlog_row_metadata": "FULL",
            "binlog_row_image": "FULL",
            "binlog-checksum": "CRC32",
            "character-set-server": "utf8mb4",
            "max_allowed_packet": "1G",
            "innodb_buffer_pool_size": "128M",
            # Data here is thrown away: a crash of the machine may lose it, a crash of the server not.
            "innodb_flush_log_at_trx_commit": 2,
            "sync_binlog": 0,
            "skip-name-resolve": "ON",
        }

    def own_options(self):
        raise NotImplementedError

    def user_statements(self):
        raise NotImplementedError

    def configure(self, ports, options):
        (self.dir / "tmp").mkdir(exist_ok=True)
        chosen = self.common_options(ports[0]) | self.own_options()
        dashed = {key.replace("_", "-"): key for key in chosen}
        for key, value in options.items():
            chosen.pop(dashed.get(key.replace("_", "-"), key), None)
            chosen[key] = value
        lines = ["[mysqld]"] + [f"{key}={value}" for key, value in chosen.items()]
        (self.dir / "server.cnf").write_text("\n".join(lines) + "\n")
        (self.dir / "users.sql").write_text("\n".join(self.user_statements()) + "\n")

    def run_as(self):
        return ["--user=root"] if os.geteuid() == 0 else []

    def is_ready(self):
        """The server greets only when it takes connections, which is after its init file has run."""
        try:
            with socket.create_connection(("127.0.0.1", self.port()), timeout=2) as connection:
                greeting = connection.recv(5)
        except OSError:
            return False
        if len(greeting) == 5 and greeting[4] == 0xFF:
            raise Unavailable(f"it refuses connections (log: {self.log})")
        return len(greeting) == 5

    def variables(self):
        port = self.port()
        return {
            f"{self.prefix()}_URL": f"mysql://root@127.0.0.1:{port}",
            f"{self.prefix()}_PORT": port,
            f"{self.prefix()}_SOCKET": self.socket_path(),
            f"{self.prefix()}_DATADIR": self.datadir(),
        }
