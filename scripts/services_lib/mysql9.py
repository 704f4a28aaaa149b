"""MySQL 9 from Debian sid."""
import shutil

from .folder import run_step
from .mysql_family import MIG_PASSWORD
from .sid import SidServer


class Mysql9(SidServer):
    kind = "mysql9"
    packages = ("mysql-server-core", "mysql-client-core")
    server = "usr/sbin/mysqld"
    clients = ("mysql", "mysqldump", "mysqlbinlog")

    def prepare(self):
        self.unpack()
        if (self.datadir() / "mysql.ibd").exists():
            return
        fresh = self.dir / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        run_step([*self.program(self.server), "--no-defaults", "--initialize-insecure", f"--datadir={fresh}",
                  f"--lc-messages-dir={self.root()}/usr/share/mysql", *self.run_as()],
                 "creating the data folder failed")
        fresh.replace(self.datadir())

    def own_options(self):
        root = self.root()
        return {
            "gtid_mode": "ON",
            "enforce_gtid_consistency": "ON",
            "lc-messages-dir": root / "usr/share/mysql",
            "character-sets-dir": root / "usr/share/mysql/charsets",
            "plugin-dir": root / "usr/lib/mysql/plugin",
            "secure-file-priv": "",
            "mysqlx": "OFF",
            "performance-schema": "OFF",
        }

    def common_options(self, port):
        # MySQL 9 knows rows only and takes the option with a warning; without it the log stays clean.
        return {key: value for key, value in super().common_options(port).items() if key != "binlog_format"}

    def user_statements(self):
        return [
            "SET sql_log_bin=0;",
            "CREATE USER IF NOT EXISTS root@'127.0.0.1' IDENTIFIED WITH caching_sha2_password BY '';",
            "GRANT ALL PRIVILEGES ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;",
            f"CREATE USER IF NOT EXISTS mig@'%' IDENTIFIED WITH caching_sha2_password BY '{MIG_PASSWORD}';",
            "GRANT REPLICATION SLAVE, REPLICATION CLIENT, SELECT, RELOAD, LOCK TABLES ON *.* TO mig@'%';",
        ]
