"""What a new user stumbled over."""
import pytest
import tailrace as tr
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
