"""MariaDB from Debian's mariadb-server-core, run without a system daemon."""
import os
import shutil

from .folder import Unavailable, run_step
from .mysql_family import MIG_PASSWORD, MysqlFamily


def find_program(name):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if not path:
        raise Unavailable(f"program '{name}' not found (Debian package mariadb-server-core)")
    return path


def user_statements():
    return [
        "SET sql_log_bin=0;",
        "CREATE USER IF NOT EXISTS root@'127.0.0.1';",
        "GRANT ALL PRIVILEGES ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;",
        f"CREATE USER IF NOT EXISTS mig@'%' IDENTIFIED BY '{MIG_PASSWORD}';",
        "GRANT REPLICATION SLAVE, BINLOG MONITOR, SELECT, RELOAD, LOCK TABLES ON *.* TO mig@'%';",
    ]


class MariaDb(MysqlFamily):
    kind = "mariadb"

    def prepare(self):
        self.program = find_program("mariadbd")
        if (self.datadir() / "mysql").is_dir():
            return
        # Made aside and renamed, so an interrupted `up` does not leave half a data folder behind.
        fresh = self.dir / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        run_step([find_program("mariadb-install-db"), "--no-defaults", "--auth-root-authentication-method=normal",
                  "--skip-test-db", "--skip-name-resolve", f"--datadir={fresh}", *self.run_as()],
                 "creating the data folder failed")
        fresh.replace(self.datadir())

    def own_options(self):
        return {"collation-server": "utf8mb4_general_ci"}

    def user_statements(self):
        return user_statements()

    def command(self):
        return [self.program, f"--defaults-file={self.dir / 'server.cnf'}", *self.run_as()]
