#!/usr/bin/env python3
"""Check who includes whom in engine/ and bindings/.

  scripts/check_layers.py [ROOT]     exit 1 and one line per violation: file:line: reason

Modules are the folders of engine/ and bindings/. A module may include itself and what MAY lists
for it; a name with a slash there is one header, opened without its module.
"""
import re
import sys
from pathlib import Path

OPEN_TO_ALL = {"base", "event"}
MAY = {
    "base": set(),
    "event": {"base"},
    "mysql": OPEN_TO_ALL | {"source/source.h"},  # the snapshot reader implements its interface
    "sqlite": {"base"},
    "format": OPEN_TO_ALL,
    # Messages that a rule makes itself; lookups that are tables of a SQLite file.
    "rule": OPEN_TO_ALL | {"format/json_writer.h", "sqlite/database.h"},
    "rulekit": OPEN_TO_ALL | {"rule", "mysql"},  # case files are SQL, read by the code that follows a server's DDL
    "metadb": OPEN_TO_ALL | {"sqlite"},
    "source": OPEN_TO_ALL | {"mysql"},
    "sink": OPEN_TO_ALL | {"mysql", "sqlite", "format/serializer.h"},  # a sink is handed Records
    "pipeline": OPEN_TO_ALL | {"source/source.h", "sink/sink.h", "format/serializer.h", "rule/rule_host.h",
                               "rule/hook.h", "rule/rule_stage.h", "rule/rule_memory.h", "rule/target_change.h"},
    "job": OPEN_TO_ALL | {"pipeline", "metadb", "rule/rule_stage.h", "rule/dead_letter.h"},  # a job's configuration holds RuleOptions
    "agent": OPEN_TO_ALL | {"job"},
    "node": OPEN_TO_ALL | {"job"},
    "bindings/lua": OPEN_TO_ALL | {"rule"},
    "bindings/python": OPEN_TO_ALL | {"job", "pipeline", "rule", "rulekit", "mysql/create_table.h", "app/wire.h",
                                      "app/described_change.h"},
}
MAY_ALL = {"app"}  # the only module that knows everybody
PLUGIN_MODULES = {"source", "sink", "format"}

# Third-party header -> where it may be included. In engine/ it may never appear in a header.
THIRD_PARTY = {
    r"librdkafka/": {"sink"},
    r"(mysql|mariadb)[/_.]|mysql\.h|errmsg\.h": {"mysql"},
    r"sqlite3": {"sqlite"},
    r"lua(jit|lib|xlib|conf)?\.h(pp)?|luajit": {"bindings/lua"},
    r"pybind11/": {"bindings/python"},
    r"libdeflate\.h": {"mysql", "source"},
    r"zstd\.h": {"mysql", "source"},
    r"openssl/": {"mysql", "rule", "app", "format"},
    r"boost/multiprecision/": {"rule"},
    r"boost/(asio|beast)": {"agent", "node"},
    r"nlohmann/": None,
    r"xxhash\.h": None,
    r"simdjson\.h": None,
}
INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')


def module_of(path):
    """`sink` for engine/sink/x.cc, `bindings/lua` for bindings/lua/x.cc."""
    return path.parts[1] if path.parts[0] == "engine" else "/".join(path.parts[:2])


def target_module(root, file, name):
    """Module of an included project header, None for a header from elsewhere."""
    if (root / file.parent / name).exists() or name.endswith(".inc"):
        return module_of(file)
    for prefix, folder in (("", "engine"), ("", "bindings"), ("bindings/", "")):
        path = Path(folder, name)
        if name.startswith(prefix) and (root / path).exists():
            return module_of(path)
    return None


def plugins(root, module):
    """Names given to tailrace_plugin() in this module's CMakeLists.txt."""
    lists = root / "engine" / module / "CMakeLists.txt"
    text = lists.read_text() if lists.exists() else ""
    return set(re.findall(r"^\s*tailrace_plugin\(\s*\w+\s+(\w+)", text, re.MULTILINE))


def plugin_of(names, file_name):
    """The plug-in a file belongs to: sqlite_sink.cc and sqlite_types.h belong to `sqlite`."""
    stem = file_name.split(".")[0]
    owners = [name for name in names if stem == name or stem.startswith(name + "_")]
    return max(owners, key=len, default=None)


def check_project_include(root, file, name, target):
    module = module_of(file)
    if target != module:
        allowed = MAY.get(module, set())
        if module in MAY_ALL or target in allowed or name in allowed:
            return None
        if target.startswith("bindings/"):
            return f"{module} may not include {name}: only engine/app may know the bindings"
        listed = ", ".join(sorted(allowed)) or "nothing"
        return f"{module} may not include {name} (allowed: {listed})"
    if module in PLUGIN_MODULES:
        names = plugins(root, module)
        mine, other = plugin_of(names, file.name), plugin_of(names, Path(name).name)
        if mine and other and mine != other:
            return f"plug-in '{mine}' may not include {name} of plug-in '{other}'"
    return None


def check_third_party(file, name):
    for pattern, modules in THIRD_PARTY.items():
        if re.match(pattern, name):
            if file.parts[0] == "engine" and file.suffix == ".h":
                return f"third-party header {name} belongs into a .cc file"
            if modules is not None and module_of(file) not in modules:
                return f"{name} may only be included in: {', '.join(sorted(modules))}"
    return None


def violations(root):
    for top in ("engine", "bindings"):
        for path in sorted((root / top).rglob("*")):
            if path.suffix not in (".h", ".cc") or not path.is_file():
                continue
            file = path.relative_to(root)
            if len(file.parts) < 3:
                yield f"{file}:1: a source file lives in a module's folder"
                continue
            module = module_of(file)
            if module not in MAY and module not in MAY_ALL:
                yield f"{file}:1: module '{module}' is not in the table of scripts/check_layers.py"
                continue
            for number, line in enumerate(path.read_text().splitlines(), 1):
                match = INCLUDE.match(line)
                if not match:
                    continue
                quoted, name = match[1] == '"', match[2]
                if ".." in Path(name).parts:
                    yield f"{file}:{number}: include {name} from the root engine/, not by a relative path"
                    continue
                target = target_module(root, file, name) if quoted else None
                reason = check_project_include(root, file, name, target) if target else check_third_party(file, name)
                if quoted and not target and not reason and not any(re.match(p, name) for p in THIRD_PARTY):
                    reason = f"{name} is not a header of this project (use <> for others)"
                if reason:
                    yield f"{file}:{number}: {reason}"


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent)
    found = list(violations(root))
    print("\n".join(found) if found else "include rules hold")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
