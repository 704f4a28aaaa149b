"""What a new user stumbled over."""
import pytest
import tailrace as tr
from tailrace.rules.capture import capture
from tailrace.status import Position
from tailrace.stream import Batch


def test_an_empty_batch_is_false_and_its_changes_have_a_code():
    batch = Batch(None, Position("mysql", "gtid=0-1-2"))
    assert not batch
    with pytest.raises(tr.errors.TailraceError, match="JOB-0006.*ask `if batch`"):
        batch.changes()


def test_a_misspelt_goal_starts_nothing(folder):
    job = tr.Migration("j.db", source=tr.source("mysql://u@127.0.0.1:1"), sink=tr.sink("sqlite:///out.db"))
    for options in ({"until": "caugt_up"}, {"timeout": "3 parsecs"}):
        with pytest.raises(tr.errors.ConfigError):
            job.run(**options)
        assert not (folder / "j.db").exists()


def test_a_capture_does_not_replace_another(folder):
    (folder / "kept.case").write_text("-- mine\n")
    with pytest.raises(tr.errors.ConfigError, match="--force"):
        capture(tr.source("mysql://u@127.0.0.1:1"), folder / "kept.case")
    with pytest.raises(tr.errors.SourceError):
        capture(tr.source("mysql://u@127.0.0.1:1"), folder / "kept.case", force=True)
    assert (folder / "kept.case").read_text() == "-- mine\n"


def test_a_capture_of_nothing_writes_nothing(shop, folder, cli):
    done = cli("capture", shop.url, "--set", "password=${env:SHOP_PW}", "--tables", f"{shop.database}.*", "--idle", "1s",
               "--out", "none.case")
    assert done.returncode == 2 and "nothing came" in done.stderr
    assert not list(folder.glob("none.case*"))
