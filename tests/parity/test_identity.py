"""A rule that writes every column back changes no byte: in every format, for every type and edge value, with the JIT and
without, in one thread and in two. (Rows of SQLite: test_matrix, the ways named "identity rule".)"""
import json
import re

import catalog
import matrix
import pytest
from harness.engine import Engine, source_config

# Name -> threads, trusted (else the JIT is off); the first has no rule.
RUNS = {"plain": (1, None), "jit-1": (1, True), "jit-2": (2, True), "nojit-1": (1, False), "nojit-2": (2, False)}
# When a message was made is told by some formats.
VOLATILE = re.compile(r'("ts_(?:ms|us|ns)"|"checkpoint"|"timestamp"|"storeDataSequence"):("?\d+"?)')


def run(database, folder, name, phases, form, threads, trusted, start):
    out = folder / f"{name}.out"
    config = {"version": 1, "job": {"name": name, "phases": phases}, "tables": [f"{matrix.SCHEMA}.*"],
              "source": source_config(database, **({"start": start} if start else {})),
              "sink": {"url": f"file://{out}", "format": form}, "pipeline": {"threads": threads}}
    if trusted is not None:
        (folder / "identity.lua").write_text(matrix.IDENTITY)
        config["rules"] = {"file": str(folder / "identity.lua"), "trusted": trusted}
    ended = Engine(folder / f"{name}.db", config).run("end" if phases == ["snapshot"] else "caught_up", seconds=300)
    return out, ended


def formats_of_this_build(database, folder):
    """The engine names them when it is asked for one it has not."""
    _, ended = run(database, folder, "formats", ["stream"], "none", 1, None, None)
    return re.search(r"this build has: ([\w, -]+)", ended.err)[1].split(", ")


def lines_of(out, is_snapshot):
    lines = [line for path in sorted(out.iterdir()) for line in path.read_bytes().split(b"\n")[:-1]]
    # Rows of a copy have no time of their own: the one of the reading stands there.
    return [VOLATILE.sub(r"\1:0", line.decode()) for line in lines] if is_snapshot else lines


@pytest.mark.parametrize("kind", [catalog.MARIADB, catalog.MYSQL])
def test_identity_rule_changes_no_byte_of_any_format(server, tmp_path, kind):
    database = server(kind)
    grid = matrix.Matrix(database, tmp_path)
    grid.create()
    grid.write()
    problems, compared = [], 0
    for form in formats_of_this_build(database, tmp_path):
        for phases in (["snapshot"], ["stream"]):
            expected = None
            for label, (threads, trusted) in RUNS.items():
                name = f"{kind}-{form}-{phases[0]}-{label}"
                out, ended = run(database, tmp_path, name, phases, form, threads, trusted, grid.start if phases == ["stream"] else None)
                if ended.code != 0:
                    problems.append(f"{name}: {ended}")
                    continue
                lines = lines_of(out, phases == ["snapshot"])
                if expected is None:
                    expected = lines
                    assert len(lines) > 200, name
                    continue
                compared += len(lines)
                if len(lines) != len(expected):
                    problems.append(f"{name}: {len(lines)} messages, {len(expected)} without a rule")
                problems += [f"{name}: message {at}\n  - {old[:2000]}\n  + {new[:2000]}"
                             for at, (old, new) in enumerate(zip(expected, lines, strict=False)) if old != new][:3]
    assert not problems, f"{len(problems)} differences\n" + "\n".join(problems[:20])
    print(json.dumps({"server": kind, "messages": compared}))
