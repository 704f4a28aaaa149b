"""scripts/check_layers.py finds each kind of forbidden include and leaves allowed ones alone."""
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "check_layers.py"
HEADERS = ["engine/base/status.h", "engine/event/value.h", "engine/mysql/packet.h", "engine/rule/rule_host.h",
           "engine/sink/sink.h", "engine/metadb/metadb.h", "engine/app/wire.h", "engine/job/job.h",
           "engine/sink/kafka_sink.h", "bindings/lua/lua_state.h"]


@pytest.fixture
def check(tmp_path):
    for header in HEADERS:
        path = tmp_path / header
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#pragma once\n")
    (tmp_path / "engine/sink/CMakeLists.txt").write_text("tailrace_plugin(sink kafka)\ntailrace_plugin(sink file)\n")

    def run(file, include):
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"// a comment\n#include {include}\n")
        done = subprocess.run([sys.executable, SCRIPT, tmp_path], text=True, capture_output=True, check=False)
        path.unlink()
        assert done.returncode == (0 if done.stdout == "include rules hold\n" else 1), done.stderr
        return done.stdout.splitlines()

    return run


@pytest.mark.parametrize("file, include", [
    ("engine/mysql/a.cc", '"event/value.h"'),
    ("engine/mysql/a.cc", '"mysql/packet.h"'),
    ("engine/sink/kafka_sink.cc", '"sink/kafka_sink.h"'),
    ("engine/sink/kafka_sink.cc", "<librdkafka/rdkafka.h>"),
    ("engine/pipeline/a.h", '"rule/rule_host.h"'),
    ("engine/app/a.cc", '"lua/lua_state.h"'),
    ("bindings/lua/a.h", "<lua.hpp>"),
    ("bindings/python/a.cc", '"app/wire.h"'),
    ("engine/base/a.h", "<vector>"),
])
def test_allowed(check, file, include):
    assert check(file, include) == ["include rules hold"]


@pytest.mark.parametrize("file, include, reason", [
    ("engine/base/a.cc", '"event/value.h"', "base may not include"),
    ("engine/event/a.cc", '"mysql/packet.h"', "event may not include"),
    ("engine/sink/a.cc", '"metadb/metadb.h"', "sink may not include"),
    ("engine/pipeline/a.cc", '"job/job.h"', "pipeline may not include"),
    ("engine/job/a.cc", '"app/wire.h"', "job may not include"),
    ("engine/rule/a.cc", '"bindings/lua/lua_state.h"', "only engine/app may know the bindings"),
    ("engine/sink/file_sink.cc", '"sink/kafka_sink.h"', "plug-in 'file' may not include"),
    ("engine/sink/sink2.h", "<librdkafka/rdkafka.h>", "belongs into a .cc file"),
    ("engine/source/a.cc", "<sqlite3.h>", "may only be included in: sqlite"),
    ("engine/rule/a.cc", "<lua.hpp>", "may only be included in: bindings/lua"),
    ("engine/base/a.cc", '"../event/value.h"', "not by a relative path"),
    ("engine/base/a.cc", '"no/such.h"', "not a header of this project"),
    ("engine/newmodule/a.cc", "<vector>", "not in the table"),
])
def test_forbidden(check, file, include, reason):
    lines = check(file, include)
    assert len(lines) == 1 and lines[0].startswith(file + ":") and reason in lines[0]
