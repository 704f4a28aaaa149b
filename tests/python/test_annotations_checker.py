"""The editor's annotations under a checker of annotations: no complaint about the examples, and one about each mistake."""
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tailrace import testing
from tailrace.rules import scaffold

REPO = Path(__file__).resolve().parents[2]
EXAMPLES = sorted([*(REPO / "rules/examples").glob("*.lua"), *(REPO / "examples/rules").glob("*.lua")])
CHECKERS = {
    "emmylua_check": lambda folder: ["--severity", "warn", "--warnings-as-errors", folder],
    "lua-language-server": lambda folder: ["--check", folder, "--checklevel=Warning", f"--logpath={folder.parent / 'log'}"],
}
# Ways to write a rule that are all right and that no example has.
SHAPES = """local name, json = require("tailrace.name"), require("tailrace.json")
local eu = require("tailrace.where")([[ region = 'eu' ]])
return {
  api = 1, options = { pepper = secret },
  on_error = function(err) if err.code == "RULE-0104" then return "skip" end end,
  txn = function(t) if t.server_id == 7 then return false end end,
  tables = {
    ["a.*"] = function(t) if #t.key == 0 then return false end return { columns = name.snake {} } end,
    ["b.c"] = { columns = { name.lower {}, name.prefix("p_", { except = { "id" } }), n = { "bigint", as = "number" }, g = meta.gtid },
      map = function(row, out) if eu(row) then row.doc = json.encode { bigint "1" + 1, null } else out:add("x.y", { id = row.id }) end end,
      serialize = function(ev, out) out:put "x":col "id"; out.key = ev.id; return false end },
  },
}
"""
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
    manual = re.findall(r"(?ms)^```lua\n(.*?)^```", (REPO / "docs/rules.md").read_text())
    whole = {f"manual{number}": text for number, text in enumerate(manual) if re.search(r"(?m)^return \{", text)}
    assert len(whole) >= 3
    examples = {f"{path.parent.name}_{path.stem}": path.read_text() for path in EXAMPLES}
    code, text = check(tmp_path, {**examples, **whole, "shapes": SHAPES})
    assert code == 0, text


def test_the_shapes_are_rules_that_load(tmp_path):
    (tmp_path / "shapes.lua").write_text(SHAPES)
    testing.Rule(tmp_path / "shapes.lua", options={"pepper": "x"})


@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_a_mistake_has_one(tmp_path, mistake):
    code, rule = MISTAKES[mistake]
    exit_code, text = check(tmp_path, {"wrong": f'local mask = require("tailrace.mask")\n{rule}\n'})
    assert exit_code != 0 and code in text and "wrong.lua" in text, text
