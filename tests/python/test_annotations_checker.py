"""The editor's annotations under a checker of annotations: no complaint about the examples, and one about each mistake."""
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tailrace.rules import scaffold

REPO = Path(__file__).resolve().parents[2]
EXAMPLES = sorted([*(REPO / "rules/examples").glob("*.lua"), *(REPO / "examples/rules").glob("*.lua")])
CHECKERS = {
    "emmylua_check": lambda folder: ["--severity", "warn", "--warnings-as-errors", folder],
    "lua-language-server": lambda folder: ["--check", folder, "--checklevel=Warning", f"--logpath={folder.parent / 'log'}"],
}
MISTAKES = {
    "a function that a module has not": ("undefined-field", 'return { api = 1, tables = { ["a.b"] = { columns = { x = mask.emial } } } }'),
    "a value that a key has not": ("assign-type-mismatch", 'return { api = 1, default = "kep" }'),
    "a name that rules do not see": ("undefined-global", "return { api = 1, tables = {}, start = function() nix() end }"),
}


def check(folder, rules):
    """(exit code, what the checker said) about rule files beside the editor's files that `tailrace rule new` makes."""
    program = next((found for name in CHECKERS if (found := shutil.which(name))), None)
    if not program:
        pytest.skip(f"no {' or '.join(CHECKERS)} on PATH (cargo install emmylua_check)")
    folder = folder / "rules"
    scaffold.new(folder / "new.lua")
    for name, text in {"new": (folder / "new.lua").read_text(), **rules}.items():
        typed = re.sub(r"(?m)^return \{", "---@type tailrace.Rules\nlocal rules = {", text)
        assert typed != text, f"{name} returns no table"
        (folder / f"{name}.lua").write_text(f"{typed}\nreturn rules\n")
    done = subprocess.run([program, *CHECKERS[Path(program).name](folder)], capture_output=True, text=True, timeout=300, check=False)
    reports = "".join(path.read_text() for path in folder.parent.glob("log/check.json"))
    return done.returncode, done.stdout + done.stderr + reports


def test_examples_have_no_complaint(tmp_path):
    code, text = check(tmp_path, {f"{path.parent.name}_{path.stem}": path.read_text() for path in EXAMPLES})
    assert code == 0, text


@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_a_mistake_has_one(tmp_path, mistake):
    code, rule = MISTAKES[mistake]
    exit_code, text = check(tmp_path, {"wrong": f'local mask = require("tailrace.mask")\n{rule}\n'})
    assert exit_code != 0 and code in text and "wrong.lua" in text, text
