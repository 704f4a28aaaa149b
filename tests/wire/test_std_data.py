"""Real binary logs, old, truncated and corrupt ones among them: each gives the rows that mariadb-binlog prints, or
stops where and as std_data.tsv says."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness.engine import find_worker
from harness.servers import Unavailable
from wire.binlog_text import digest, read_changes
from wire.std_data import Entry, differences, log_files, read_table, std_data_root

TABLE = read_table()


@pytest.fixture(scope="module")
def root():
    try:
        find_worker()
        return std_data_root()
    except Unavailable as reason:
        pytest.skip(str(reason))


def present(root, entry):
    if not (root / entry["file"]).exists():
        pytest.skip(f"this version of mariadb-test-data has no {entry['file']}")


@pytest.mark.parametrize("entry", TABLE, ids=Entry.name)
def test_engine_reads_it_as_the_table_says(root, entry, tmp_path):
    present(root, entry)
    assert not differences(entry, root, tmp_path)


@pytest.mark.parametrize("entry", TABLE, ids=Entry.name)
def test_tool_confirms_the_table(root, entry):
    present(root, entry)
    if not entry.tool():
        pytest.skip(f"{entry['by']} is not here")
    changes, said = entry.by_tool(root)
    assert (str(len(changes)), digest(changes) if changes else "-") == (entry["rows"], entry["hash"]), said


def test_every_log_is_in_the_table(root):
    new = sorted(set(log_files(root)) - {entry["file"] for entry in TABLE})
    if new:
        pytest.skip(f"this version of mariadb-test-data has logs that std_data.tsv does not: {', '.join(new)}")


def test_every_entry_is_argued():
    for entry in TABLE:
        assert len(entry["argument"]) > 10, entry.name()
        assert (entry["rows"] == "0") == (entry["hash"] == "-"), entry.name()


def test_the_reader_of_the_tools_text():
    text = r"""### UPDATE `a`.`b``c`
### WHERE
###   @1=-1 (4294967295) /* INT meta=0 nullable=1 is_null=0 */
###   @3=NULL /* INT meta=0 nullable=1 is_null=1 */
### SET
###   @1=2 /* INT meta=0 nullable=1 is_null=0 */
###   @2='it\'s \x01\\' /* STRING(12) meta=65036 nullable=1 is_null=0 */
###   @4='2011:02:03' /* DATE meta=0 nullable=1 is_null=0 */
# at 4
### DELETE FROM `a`.`d`
### WHERE
###   @1=b'101' /* BIT(3) meta=3 nullable=1 is_null=0 */""".split("\n")
    assert read_changes(text) == [
        ("update", "a.b`c", [(1, "-1"), (3, None)], [(1, "2"), (2, "it's \x01\\"), (4, "2011-02-03")]),
        ("delete", "a.d", [(1, "5")], [])]
