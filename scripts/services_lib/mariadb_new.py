"""The newest MariaDB, from Debian sid."""
import shutil
import subprocess

from .folder import Unavailable
from .mariadb import user_statements
from .sid import SidServer

# In this order, as mariadb-install-db gives them to a server in bootstrap mode.
SYSTEM_TABLES = ["mariadb_system_tables.sql", "mariadb_performance_tables.sql", "mariadb_system_tables_data.sql",
                 "maria_add_gis_sp_bootstrap.sql", "mariadb_sys_schema.sql"]


class MariaDbNew(SidServer):
    kind = "mariadb_new"
    packages = ("mariadb-server-core", "mariadb-client-core")
    server = "usr/sbin/mariadbd"
    clients = ("mariadb", "mariadb-dump", "mariadb-binlog")

    def prepare(self):
        self.unpack()
        if (self.datadir() / "mysql").is_dir():
            return
        # Made aside and renamed, so an interrupted `up` does not leave half a data folder behind.
        fresh = self.dir / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        (fresh / "mysql").mkdir(parents=True)
        share = self.root() / "usr/share/mariadb"
        script = "USE mysql;\n" + "".join((share / name).read_text() for name in SYSTEM_TABLES)
        command = [*self.program(self.server), "--no-defaults", "--bootstrap", f"--datadir={fresh}",
                   *self.shared_folders(), "--max_allowed_packet=8M", "--loose-enforce-storage-engine=", *self.run_as()]
        done = subprocess.run([str(word) for word in command], input=script, text=True, capture_output=True, check=False)
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if "ERROR" in line] or ["no message"]
            raise Unavailable(f"creating the data folder failed: {lines[0]}")
        fresh.replace(self.datadir())

    def shared_folders(self):
        return [f"--{key}={value}" for key, value in self.folders().items()]

    def folders(self):
        root = self.root()
        return {"lc-messages-dir": root / "usr/share/mariadb", "character-sets-dir": root / "usr/share/mariadb/charsets",
                "plugin-dir": root / "usr/lib/mysql/plugin"}

    def own_options(self):
        return {"collation-server": "utf8mb4_general_ci", **self.folders()}

    def user_statements(self):
        return user_statements()
