#!/usr/bin/env python3
"""The binary logs of Debian's package mariadb-test-data, and what the engine has to make of each: std_data.tsv.

  tests/wire/std_data.py             compare the engine with the table
  tests/wire/std_data.py --write     print the table anew; rows and hashes come from mariadb-binlog (mysqlbinlog where
                                     the column `by` says so), never from the engine. Read the difference before it is kept.
"""
import argparse
import csv
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness.engine import Engine
from harness.servers import Unavailable
from wire.binlog_text import changes_of, digest

HERE = Path(__file__).resolve().parent
TABLE = HERE / "std_data.tsv"
PACKAGE = "mariadb-test-data"
INSTALLED = Path("/usr/share/mysql/mysql-test")
# file      below /usr/share/mysql/mysql-test; read: how it is read, where that is not from its start and with all tables
# rows,hash changes of rows that are complete before `end`, and a hash over their values in order, by `by`
# end       offset behind the last complete transaction; error: code@offset, - when the file is read to its end
FIELDS = ["file", "read", "rows", "hash", "by", "end", "error", "argument"]


def cache_dir():
    return Path(os.environ.get("TAILRACE_CACHE_DIR") or Path.home() / ".cache" / "tailrace")


def std_data_root():
    """Where the package's files are: installed, or unpacked into the cache without installing it."""
    if (INSTALLED / "std_data").is_dir():
        return INSTALLED
    home = cache_dir() / PACKAGE
    home.mkdir(parents=True, exist_ok=True)
    with open(home / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "root").is_dir():
            unpack(home)
    return home / "root" / INSTALLED.relative_to("/")


def unpack(home):
    for program in ("apt-get", "dpkg-deb", "tar"):
        if not shutil.which(program):
            raise Unavailable(f"{PACKAGE} comes from Debian, and there is no {program} here")
    with tempfile.TemporaryDirectory(dir=home) as folder:
        done = subprocess.run(["apt-get", "-qq", "-oAPT::Sandbox::User=root", "download", PACKAGE], cwd=folder, check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        packages = list(Path(folder).glob("*.deb"))
        if done.returncode or not packages:
            raise Unavailable(f"{PACKAGE} cannot be downloaded: {(done.stdout.strip().splitlines() or ['no output'])[-1]}")
        fresh = Path(folder) / "root"
        fresh.mkdir()
        tar = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", packages[0]], stdout=subprocess.PIPE)
        subprocess.run(["tar", "-x", "-C", fresh, "--wildcards", "*/std_data/*"], stdin=tar.stdout, check=True)
        if tar.wait():
            raise Unavailable(f"{packages[0].name} cannot be unpacked")
        fresh.replace(home / "root")


def log_files(root):
    """Path below the root, for everything that begins like a binary log, plain or encrypted."""
    found = []
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder) / name
            if "std_data" in path.parts and path.open("rb").read(4) in (b"\xfebin", b"\xfdbin"):
                found.append(str(path.relative_to(root)))
    return sorted(found)


class Entry(dict):
    """A line of the table. `read` is "-" or a list like start=157,table=test.t1,schema=ndb.sql."""

    def option(self, name):
        return dict(word.split("=", 1) for word in self["read"].split(",") if "=" in word).get(name)

    def name(self):
        return self["file"] + ("" if self["read"] == "-" else " " + self["read"])

    def tool(self):
        if self["by"] == "mysqlbinlog":
            return shutil.which("mysqlbinlog", path=f"{cache_dir() / 'mysql9' / 'bin'}")
        return shutil.which(self["by"])

    def by_tool(self, root):
        """(changes, what the tool said) up to the place where the engine is to end."""
        stop = None if self["error"] == "-" else int(self["end"])
        return changes_of(self.tool(), root / self["file"], self.option("start"), stop, self.option("table"))


def read_table():
    with open(TABLE, newline="") as file:
        return [Entry(row) for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]


class Reading:
    """One file read by the engine into JSON lines: its changes, where it ended, and with which error."""

    def __init__(self, path, entry, folder):
        schema, charset, start, table = (entry.option(name) for name in ("schema", "charset", "start", "table"))
        source = {"url": f"binlog://{path}"}
        if schema:
            source["schema"] = str(HERE / "schemas" / schema)
        if charset:
            source["charset"] = charset
        if start:
            source["start"] = f"file={path.name};offset={start}"
        engine = Engine(Path(folder) / "job.db", {
            "version": 1, "job": {"name": "std_data", "phases": ["stream"]}, "source": source,
            "sink": {"url": f"file://{folder}/out", "format": "default"}, "tables": [table or "*.*"]})
        self.ended = engine.run()
        self.columns = {}
        for database, name, schema_json in engine.look('SELECT database, "table", schema FROM schema_history WHERE schema IS NOT NULL'):
            self.columns.setdefault(f"{database}.{name}", [column["name"] for column in json.loads(schema_json)["columns"]])
        self.changes = []
        for segment in sorted(Path(folder).glob("out/*.jsonl")):
            for line in segment.read_text().splitlines():
                self.add(json.loads(line))
        position = re.search(r"offset=(\d+)", self.ended.status.get("position", ""))
        self.end = int(position[1]) if position else 4
        # Of a failed run: "CODE … [… position=file:offset …]".
        error = self.ended.status.get("error", "")
        place = re.search(r"position=\S*?:(\d+)", error)
        self.error = f"{error.split(' ')[0]}@{place[1] if place else '-'}" if error else "-"

    def add(self, message):
        kinds = {"INSERT": "insert", "UPDATE": "update", "DELETE": "delete"}
        if message["recordType"] not in kinds:
            return
        table = f"{message['allMetaData']['db']}.{message['allMetaData']['table_name']}"
        images = [self.image(table, message[name]) for name in ("prevStruct", "postStruct")]
        self.changes.append([kinds[message["recordType"]], table, *images])

    def image(self, table, struct):
        names = self.columns.get(table, [])
        return [[names.index(name) + 1, None if value is None else str(value)] for name, value in (struct or {}).items()]


def differences(entry, root, folder):
    """What of the entry the engine does not fulfil, as lines of text."""
    reading = Reading(root / entry["file"], entry, folder)
    have = {"rows": str(len(reading.changes)), "hash": digest(reading.changes) if reading.changes else "-",
            "end": str(reading.end), "error": reading.error}
    found = [f"{field}: {have[field]} instead of {entry[field]}" for field in have if have[field] != entry[field]]
    return [*found, str(reading.ended)] if found else []


def write(root):
    """The table with rows and hashes from the tools; where the engine ended decides how far they are asked to go."""
    table = read_table() if TABLE.exists() else []
    known = {entry["file"] for entry in table}
    table += [Entry(file=file, read="-", rows="?", hash="?", by="mariadb-binlog", argument="?") for file in log_files(root) if file not in known]
    print("\t".join(FIELDS))
    for entry in sorted(table, key=Entry.name):
        if not (root / entry["file"]).exists():
            continue
        with tempfile.TemporaryDirectory() as folder:
            reading = Reading(root / entry["file"], entry, folder)
        entry["end"], entry["error"] = str(reading.end), reading.error
        if entry.tool():
            changes, _ = entry.by_tool(root)
            entry["rows"], entry["hash"] = str(len(changes)), digest(changes) if changes else "-"
        print("\t".join(entry[field] for field in FIELDS))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    root = std_data_root()
    if args.write:
        write(root)
        return 0
    bad = 0
    for entry in read_table():
        with tempfile.TemporaryDirectory() as folder:
            found = differences(entry, root, folder)
        bad += bool(found)
        print(f"{'FAILED' if found else 'ok':<7}{entry.name()}", *found, sep="\n       " if found else "")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
