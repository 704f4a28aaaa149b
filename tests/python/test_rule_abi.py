"""engine/rule/abi.json names everything that rules see, and nothing else; what is made of it is up to date."""
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tailrace as tr
from tailrace import testing

REPO = Path(__file__).resolve().parents[2]
ABI = json.loads((REPO / "engine/rule/abi.json").read_text())
SANDBOX = (REPO / "rules/prelude/sandbox.lua").read_text()
ROWS = (REPO / "rules/prelude/rows.lua").read_text()


def names(section):
    return {one["name"] for one in ABI[section]}


def known_keys(folder, text):
    """The keys the engine offers for one that it does not know."""
    (folder / "r.lua").write_text(text)
    with pytest.raises(tr.errors.RuleError) as caught:
        testing.Rule(folder / "r.lua")
    found = re.search(r"known are ([\w, ]+)", str(caught.value))
    assert found, caught.value
    return {name.strip() for name in found[1].split(",")}


def test_what_is_made_of_the_table_is_up_to_date():
    done = subprocess.run([sys.executable, REPO / "scripts/rule_abi.py", "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_annotations_parse_and_name_every_hook_and_helper():
    files = sorted((REPO / "rules/types").rglob("*.lua"))
    for file in files:
        subprocess.run(["luajit", "-bl", file], check=True, stdout=subprocess.DEVNULL)
    text = "\n".join(file.read_text() for file in files)
    for section in ("file", "entry", "output", "new_column", "state", "lookup", "lookup_table", "out", "message", "event", "ddl_event", "context"):
        for one in ABI[section]:
            assert re.search(rf"^---@field {re.escape(one['name'])}\??\s", text, re.M), one["name"]
    for one in [*ABI["globals"], *(module for module in ABI["modules"] if "fields" in module)]:
        prefix = one["name"].rpartition(".")[2]
        for name in [f"{prefix}.{member['name']}" for member in one.get("fields", [])] or [prefix]:
            assert re.search(rf"^((?:local )?function {re.escape(name)}\(|{re.escape(name)} = )", text, re.M), name


def test_keys_are_those_the_engine_knows(tmp_path):
    assert known_keys(tmp_path, "return { api = 1, tables = {}, zqzqzqzq = 1 }") == names("file")
    assert known_keys(tmp_path, 'return { api = 1, tables = { ["a.b"] = { zqzqzqzq = 1 } } }') == names("entry")
    assert known_keys(tmp_path, 'return { api = 1, tables = {}, outputs = { ["a.b"] = { zqzqzqzq = 1 } } }') == names("output")
    assert known_keys(tmp_path, "return { api = 1, lookups = { a = { zqzqzqzq = 1 } } }") == names("lookup")


def test_globals_are_those_of_the_sandbox():
    body = SANDBOX[SANDBOX.index("local env = {"):SANDBOX.index("local safe_math")]
    # Keys at the outermost level of the table.
    depth, found, at = 0, set(), 0
    for match in re.finditer(r"[{(]|[})]|\bfunction\b|\bend\b|\bdo\b|\bif\b|(?<=[\s,{])(\w+) = ", body):
        word = match[0]
        if match[1] and depth == 1:
            found.add(match[1])
        depth += word in ("{", "(", "function", "do", "if")
        depth -= word in ("}", ")", "end")
        at = match.end()
    assert at and found
    found |= set(re.findall(r"^env\.(\w+) = ", SANDBOX, re.M)) | set(re.findall(r'^rawset\(env, "(\w+)"', SANDBOX, re.M))
    assert found == names("globals") | set(ABI["lua"])


def test_event_fields_are_those_of_the_prelude():
    body = ROWS[ROWS.index("local fields = {"):]
    found = set(re.findall(r"^    (\w+) = function", body[:body.index("\n  }\n")], re.M))
    found |= set(re.findall(r"(\w+) = ", re.search(r"^local sayable = \{(.*?)\}", ROWS, re.M)[1]))
    found |= set(re.findall(r"then fields\.(\w+) = ", ROWS))
    assert found == names("event")


def test_out_is_that_of_the_prelude():
    text = (REPO / "rules/prelude/outputs.lua").read_text()
    found = re.search(r"local out_fields = \{(.*?)\}", text, re.S)
    assert set(re.findall(r"(\w+) = ", found[1])) == names("out")


def test_messages_are_those_of_the_prelude():
    text = (REPO / "rules/prelude/messages.lua").read_text()
    offered = re.search(r"in serialize; it has ([\w, ]+)", text)
    assert {name.strip() for name in offered[1].split(",")} == names("message")


def test_fields_of_a_schema_change_are_those_of_the_prelude():
    body = (REPO / "rules/prelude/ddl.lua").read_text()
    body = body[body.index("local fields = {"):]
    body = body[:body.index("\n  }\n")]
    assert set(re.findall(r"(?:^    |, )(\w+) = (?:q\.|concat|function)", body, re.M)) == names("ddl_event")


def test_every_name_is_there_in_a_rule(tmp_path):
    checks = []
    for one in ABI["globals"]:
        checks.append(f"assert({one['name']} ~= nil)")
        checks += [f"assert({one['name']}.{member['name']} ~= nil)" for member in one.get("fields", [])]
    checks += [f"assert({name} ~= nil)" for name in ABI["lua"]]
    for module in ABI["modules"]:
        checks += [f'assert(require("{module["name"]}").{member["name"]} ~= nil)' for member in module.get("fields", [])]
        checks.append(f'assert(require("{module["name"]}"))')
    checks += [f'assert({one["of"]}("1").{one["name"]} ~= nil)' for one in ABI["numbers"]]
    (tmp_path / "r.lua").write_text("\n".join(checks) + "\nreturn { api = 1, tables = {} }\n")
    testing.Rule(tmp_path / "r.lua")


def test_modules_are_those_of_the_library():
    built_in = {f"tailrace.{path.stem}": path.read_text() for path in (REPO / "rules/lib").glob("*.lua")}
    assert set(built_in) == names("modules")
    for module in ABI["modules"]:
        if "function" in module:
            assert f"return core.{module['function']}_function" in built_in[module["name"]]
            continue
        found = set(re.findall(r"^  (\w+) = ", built_in[module["name"]], re.M))
        assert found == {member["name"] for member in module["fields"]}, module["name"]
