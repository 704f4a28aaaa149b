#!/usr/bin/env python3
"""Write what follows from engine/rule/abi.json: names that rules see, for editors and for the manual.

  scripts/rule_abi.py            write rules/types (a file of globals, and one per module) and docs/rule_names.md
  scripts/rule_abi.py --check    exit 1 when one of them is not what the table says
"""
import json
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
NOTE = "Made by scripts/rule_abi.py of engine/rule/abi.json; do not edit."
RECORDS = (("file", "tailrace.Rules", "what a rule file returns"), ("entry", "tailrace.Entry", "an entry of `tables`"),
           ("output", "tailrace.Output", "an entry of `outputs`"),
           ("new_column", "tailrace.NewColumn", "a column that `columns` adds"),
           ("table", "tailrace.Table", "a table as the function of an entry sees it"), ("state", "tailrace.State", "an entry of `state`"),
           ("lookup", "tailrace.Lookup", "an entry of `lookups`"), ("lookup_table", "tailrace.LookupTable", "a table of `ctx.lookup`"),
           ("ddl_event", "tailrace.DdlEvent", "a schema change as `ddl` sees it"),
           ("out", "tailrace.Out", "what `map` is given second"), ("message", "tailrace.Message", "what `serialize` is given second"),
           ("context", "tailrace.Context", "what every hook is given last"))
ARITHMETIC = {"bigint": ("add", "sub", "mul", "mod", "unm"), "decimal": ("add", "sub", "mul", "div", "unm")}


def field_lines(fields):
    for one in fields:
        optional = "?" if one.get("optional") else ""
        yield f"---@field {one['name']}{optional} {one['type']} {one.get('doc', '')}".rstrip()


def function_lines(name, one, keyword="function"):
    if one.get("doc"):
        yield f"--- {one['doc']}"
    words = [part.strip().partition(":") for part in split_params(one["params"])]
    for word, _, kind in words:
        yield f"---@param {word} {kind.strip()}"
    if one.get("returns"):
        yield f"---@return {one['returns']}"
    yield f"{keyword} {name}({', '.join(word for word, _, _ in words)}) end"


def split_params(text):
    """At commas that stand outside of braces and parentheses."""
    depth, part = 0, ""
    for c in text:
        depth += (c in "{(") - (c in "})")
        if c == "," and depth == 0:
            yield part
            part = ""
        else:
            part += c
    if part.strip():
        yield part


def annotations(abi):
    out = ["---@meta", f"-- {NOTE}", "-- luacheck: ignore", "", "---@class tailrace.Null", "---@class tailrace.Secret", "---@class tailrace.Meta", "---@class tailrace.Sql", "---@class tailrace.Line", "---@class tailrace.Names",
           "---@class tailrace.Native native function: use it in `columns`, or call it in `map`",
           "---@overload fun(value: any): string?", "",
           "---@class tailrace.Row columns by name; `tailrace rule types` makes a class per table",
           "---@field [string] any", ""]
    for kind, operators in ARITHMETIC.items():
        out.append(f"---@class tailrace.{kind}")
        for operator in operators:
            operand = "" if operator == "unm" else f"(number|tailrace.{kind})"
            out.append(f"---@operator {operator}{operand}: tailrace.{kind}")
        for one in abi["numbers"]:
            if one["of"] == kind:
                out.append(f"---@field {one['name']} fun({one['params']}): {one['returns']} {one['doc']}")
        out.append("")
    out += ["---@class tailrace.Event: tailrace.Row an event as `row` sees it; columns by name, too", *field_lines(abi["event"]), ""]
    for section, name, doc in RECORDS:
        out += [f"---@class {name} {doc}", *field_lines(abi[section]), ""]
    for one in abi["globals"]:
        if "params" in one:
            out += [*function_lines(one["name"], one), ""]
            continue
        if "fields" not in one:
            out += [f"--- {one['doc']}", f"---@type {one['type']}", f"{one['name']} = nil", ""]
            continue
        out += [f"--- {one['doc']}", f"{one['name']} = {{}}"]
        out += table_members(one["name"], one["fields"])
        out.append("")
    return "\n".join(out)


def module_annotations(abi, module):
    """A file of its own: an editor finds `require "tailrace.mask"` by the name behind ---@meta."""
    local = module["name"].rpartition(".")[2]
    head = [f"---@meta {module['name']}", f"-- {NOTE}", "-- luacheck: ignore", ""]
    if "function" in module:
        one = next(one for one in abi["globals"] if one["name"] == module["function"])
        return "\n".join([*head, *function_lines(local, one, "local function"), "", f"return {local}", ""])
    return "\n".join([*head, f"---@class tailrace.lib.{local} {module['doc']}", f"local {local} = {{}}",
                      *table_members(local, module["fields"]), "", f"return {local}", ""])


def files(abi):
    types = REPO / "rules/types"
    return {types / "tailrace.d.lua": annotations(abi), REPO / "docs/rule_names.md": manual(abi),
            **{types / f"{module['name'].replace('.', '/')}.lua": module_annotations(abi, module) for module in abi["modules"]}}


def table_members(prefix, fields):
    lines = []
    for one in fields:
        if "params" in one:
            lines += function_lines(f"{prefix}.{one['name']}", one)
        else:
            kind = "tailrace.Native" if one.get("native") else one["type"]
            lines += [*([f"--- {one['doc']}"] if one.get("doc") else []), f"---@type {kind}", f"{prefix}.{one['name']} = nil"]
    return lines


def cell(text):
    return text.replace("|", "\\|")


def manual(abi):
    out = ["# Names that rules see", "", f"<!-- {NOTE} -->", "",
           "What each means is told in [rules.md](rules.md); this is the complete list.", ""]

    def table(title, rows):
        out.extend([f"## {title}", "", "| name | | |", "|---|---|---|"])
        out.extend(f"| `{name}` | `{cell(kind)}` | {cell(doc)} |" if kind else f"| `{name}` | | {cell(doc)} |" for name, kind, doc in rows)
        out.append("")

    for section, title in (("file", "The file"), ("entry", "An entry"), ("output", "An output"), ("new_column", "A new column"), ("state", "A state"), ("lookup", "A lookup"), ("lookup_table", "A table of `ctx.lookup`"), ("out", "Rows of outputs (`out` of `map`)"), ("message", "The message (`out` of `serialize`)"),
                           ("table", "The table (`t` of an entry's function)"),
                           ("event", "The event (`ev`)"), ("ddl_event", "The event of `ddl`"), ("context", "The context (`ctx`)")):
        table(title, [(one["name"], one["type"], one.get("doc", "")) for one in abi[section]])
    rows = []
    for one in [*abi["globals"], *abi["modules"]]:
        if "fields" not in one:
            rows.append((one["name"], f"({one['params']})" if "params" in one else one.get("type", ""), one["doc"]))
        for member in one.get("fields", []):
            kind = f"({member['params']})" if "params" in member else "native" if member.get("native") else member["type"]
            rows.append((f"{one['name']}.{member['name']}", kind, member.get("doc", one["doc"])))
    rows += [(f"{one['of']}:{one['name']}", f"({one['params']})", one["doc"]) for one in abi["numbers"]]
    table("Functions and values", rows)
    out += ["Of Lua itself: " + " ".join(f"`{name}`" for name in abi["lua"]) + ".", ""]
    return "\n".join(out)


def main():
    abi = json.loads((REPO / "engine/rule/abi.json").read_text())
    wrong = []
    for path, text in files(abi).items():
        if "--check" not in sys.argv[1:]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            wrong.append(str(path.relative_to(REPO)))
    if wrong:
        print(f"{', '.join(wrong)}: not what engine/rule/abi.json says; run scripts/rule_abi.py")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
