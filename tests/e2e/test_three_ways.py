"""One job, run from the shell, by a script and in a notebook, gives the same SQLite content; from MariaDB and MySQL 9."""
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import start_or_skip

from harness import compare, workload

RULES = """local mask = require "tailrace.mask"
return { api = 1, tables = {
  ["fault.textkey"] = { columns = { name = "label" } },
  ["fault.keymove"] = { columns = { note = mask.full } },
} }
"""

SCRIPT = """import tailrace as tr
source = tr.source("{url}", password=tr.env("MIG_PW"))
with tr.Migration("job.db", source=source, sink=tr.sink("sqlite://{copy}"), tables=["fault.*"],
                  rules="rules.lua") as m:
    m.run(until="caught_up")
"""

TOML = """version = 1
job = {{ name = "three" }}
source = {{ url = "{url}", password = "${{env:MIG_PW}}" }}
sink = {{ url = "sqlite://{copy}" }}
tables = ["fault.*"]
rules = {{ file = "rules.lua" }}
"""


def from_shell(folder, fields):
    (folder / "three.toml").write_text(TOML.format(**fields))
    return [Path(sys.executable).with_name("tailrace"), "run", "three.toml", "--job", "job.db", "--until", "caught_up"]


def from_script(folder, fields):
    (folder / "three.py").write_text(SCRIPT.format(**fields))
    return [sys.executable, "three.py"]


def from_notebook(folder, fields):
    import nbformat
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(SCRIPT.format(**fields))])
    nbformat.write(book, folder / "three.ipynb")
    (folder / "run.py").write_text("import nbformat, nbclient\n"
                                   "book = nbformat.read('three.ipynb', 4)\n"
                                   "nbclient.NotebookClient(book, timeout=120, kernel_name='python3').execute()\n")
    return [sys.executable, "run.py"]


def content(path):
    """Everything but what differs from run to run: positions of the sink's own tables."""
    tables = [table for table in workload.OWN if table.name not in ("textkey", "keymove")]
    rows = {table.name: sorted(compare.sqlite_rows(path, table), key=repr) for table in tables}
    for name, columns in (("textkey", "label, n, ver"), ("keymove", "id, note, ver")):
        done = subprocess.run(["sqlite3", "-json", path, f"SELECT {columns} FROM {name} ORDER BY 1"], text=True,
                              capture_output=True, check=True)
        rows[name] = done.stdout
    return rows


@pytest.mark.parametrize("kind", ["mariadb", "mysql9"])
def test_same_content(services, tmp_path, kind):
    for module in ("tailrace", "nbclient", "nbformat", "ipykernel"):
        pytest.importorskip(module)
    database = start_or_skip(services, kind, f"e2ethree{kind}")
    try:
        writers = workload.Writers(database, 3, wide_rows=3000)
        writers.prepare()
        found = {}
        for way in (from_shell, from_script, from_notebook):
            folder = tmp_path / way.__name__
            folder.mkdir()
            (folder / "rules.lua").write_text(RULES)
            fields = {"url": database.url(), "copy": folder / "copy.db"}
            done = subprocess.run(way(folder, fields), cwd=folder, text=True, capture_output=True, timeout=180,
                                  env={**os.environ, "MIG_PW": "mig-secret"}, check=False)
            assert done.returncode == 0, f"{way.__name__}: {done.stdout}{done.stderr}"
            found[way.__name__] = content(folder / "copy.db")
        assert found["from_shell"] == found["from_script"] == found["from_notebook"]
        assert len(found["from_shell"]["wide"]) == 3000
    finally:
        services.down(f"e2ethree{kind}")
