"""`import tailrace` is light, and says what it is."""
import json
import re
import subprocess
import sys
from pathlib import Path

import tailrace

HEAVY = {"typer", "click", "rich", "IPython", "polars", "pyarrow", "pandas", "numpy"}
PROBE = """
import json, sys, time
before = time.process_time()
import tailrace
print(json.dumps([time.process_time() - before, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def test_import_loads_nothing_heavy():
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    seconds, modules = json.loads(done.stdout)
    assert not HEAVY & set(modules)
    assert seconds < 0.3, "processor time; the goal is 0.06 s on an idle machine"


def test_version_is_that_of_the_repository():
    version = (Path(__file__).parents[2] / "VERSION").read_text().split()[0]
    assert tailrace.__version__ == version
    done = subprocess.run([sys.executable, "-m", "tailrace", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"tailrace {version}"


def test_all_names_exist_and_are_documented():
    for name in tailrace.__all__:
        thing = getattr(tailrace, name)
        assert name.startswith("__") or thing.__doc__, name


def test_stub_names_what_the_extension_has():
    stub = (Path(tailrace.__file__).parent / "_core.pyi").read_text()
    declared = set(re.findall(r"^(?:def|class) (\w+)", stub, re.MULTILINE))
    present = {name for name in vars(tailrace._core) if not name.startswith("_")}
    assert declared == present
    for kind in re.findall(r"^class (\w+)", stub, re.MULTILINE):
        body = re.search(rf"^class {kind}:\n((?:    .*\n?|\n)+)", stub, re.MULTILINE)[1]
        declared = set(re.findall(r"    def (\w+)", body)) - {"__init__"}
        present = {name for name in vars(getattr(tailrace._core, kind)) if not name.startswith("_")}
        assert {name for name in declared if not name.startswith("_")} == present, kind


def test_stub_fits_what_the_extension_takes(tmp_path):
    """mypy's stubtest compares every signature; the metaclass and the constructors are pybind11's own."""
    allowed = tmp_path / "allowed"
    allowed.write_text(r"tailrace\._core\.[A-Z]\w+(\.__init__)?" + "\n")
    done = subprocess.run([sys.executable, "-m", "mypy.stubtest", "tailrace._core", "--allowlist", allowed, "--ignore-unused-allowlist"],
                          capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
