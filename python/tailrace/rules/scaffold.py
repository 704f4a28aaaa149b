"""Files of a new rule, and classes of its tables for editors."""
from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tailrace import errors

_RULE = """-- What each key means: docs/rules.md. Run the cases beside this file: tailrace rule test {name}.lua
local mask = require("tailrace.mask")

return {{
  api = 1,
  tables = {{
    ["shop.users"] = {{
      columns = {{ email = mask.email, id_card = false }},
    }},
  }},
}}
"""
_CASE = """-- Cases of {name}.lua. `tailrace rule test --accept` fills in and rewrites the arrows.
CREATE TABLE shop.users (id BIGINT PRIMARY KEY, email VARCHAR(80), id_card TEXT);

INSERT INTO shop.users VALUES (9007199254740993, 'jo@x.io', 'X1');
-> insert shop.users (id=9007199254740993, email='j***@x.io')

UPDATE shop.users SET email = NULL;
-> update shop.users (id=9007199254740993, email=NULL)

DELETE FROM shop.users;
-> delete shop.users (id=9007199254740993)
"""
_STYLUA = """syntax = "LuaJIT"
column_width = 110
indent_type = "Spaces"
indent_width = 2
quote_style = "AutoPreferDouble"
call_parentheses = "NoSingleTable"
"""
FOLDER = ".tailrace"


def annotation_files() -> dict[str, Path]:
    """The names rules see, for editors, by their place in FOLDER; installed beside this package, else in the checkout."""
    installed = Path(__file__).parent / "types"
    folder = installed if installed.exists() else Path(__file__).parents[3] / "rules" / "types"
    return {str(file.relative_to(folder)): file for file in sorted(folder.rglob("*.lua"))}


def new(path: str | Path) -> list[Path]:
    """Makes NAME.lua, NAME.case and the editor's files where they are missing; the files made. A rule file that exists
    is not touched."""
    rule = Path(path).with_suffix(".lua")
    case = rule.with_suffix(".case")
    for file in (rule, case):
        if file.exists():
            raise errors.make("CFG-0003", f"{file} exists; choose another name")
    folder = rule.parent
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    made = []

    def write(file: Path, text: str) -> None:
        if not file.exists():
            file.write_text(text, encoding="utf-8")
            made.append(file)

    write(rule, _RULE.format(name=rule.stem))
    write(case, _CASE.format(name=rule.stem))
    settings = {"runtime.version": "LuaJIT", "workspace.library": [FOLDER],
                "runtime.builtin": {name: "disable" for name in ("io", "os", "debug", "ffi", "jit", "package", "coroutine")}}
    write(folder / ".luarc.json", json.dumps(settings, indent=2) + "\n")
    write(folder / ".stylua.toml", _STYLUA)
    for name, file in annotation_files().items():
        target = folder / FOLDER / name
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(file, target)
        made.append(target)
    return made


def _class_name(schema: Mapping[str, Any]) -> str:
    return "".join(c if c.isalnum() or c in "._" else "_" for c in f"{schema['database']}.{schema['table']}")


def table_classes(schemas: Sequence[Mapping[str, Any]]) -> str:
    """One class per table: `---@param row shop.user` above a function gives names and types of its columns."""
    lines = ["---@meta", "-- Made by `tailrace rule types`; do not edit.", ""]
    for schema in schemas:
        lines.append(f"---@class {_class_name(schema)}: tailrace.Row")
        for column in schema["columns"]:
            name = column["name"] if column["name"].isidentifier() else f"[{json.dumps(column['name'], ensure_ascii=False)}]"
            optional = "?" if column["nullable"] else ""
            lines.append(f"---@field {name} {column['lua']}{optional} {column['type']}")
        lines.append("")
    return "\n".join(lines)
