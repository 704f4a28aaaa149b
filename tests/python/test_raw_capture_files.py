"""Folders of `capture --raw`: log files that are not those that were captured are refused. No server."""
import hashlib
import json

import pytest

from tailrace import errors
from tailrace.rules.capture import MANIFEST, log_source


@pytest.fixture
def captured(tmp_path):
    texts = {"binlog.000009": b"first", "binlog.000010": b"second"}
    for name, text in texts.items():
        (tmp_path / name).write_bytes(text)
    kept = {name: {"bytes": len(text), "sha256": hashlib.sha256(text).hexdigest()} for name, text in texts.items()}
    (tmp_path / MANIFEST).write_text(json.dumps({"version": 1, "files": kept}))
    return tmp_path


def refusal(folder):
    with pytest.raises(errors.ConfigError) as caught:
        log_source(folder)
    assert caught.value.code == "CFG-0003"
    return caught.value.detail


def test_the_files_that_were_captured_are_read(captured):
    assert log_source(captured).options["files"] == "2"


def test_swapped_files_are_refused(captured):
    first, second = captured / "binlog.000009", captured / "binlog.000010"
    first.rename(captured / "other")
    second.rename(first)
    (captured / "other").rename(second)
    assert "binlog.000009 is not the file that was captured" in refusal(captured)


def test_a_missing_first_file_is_refused(captured):
    (captured / "binlog.000009").unlink()
    assert "binlog.000009 of the capture is missing" in refusal(captured)


def test_a_file_of_another_capture_is_refused(captured):
    (captured / "binlog.000011").write_bytes(b"third")
    assert "binlog.000011 is no file of this capture" in refusal(captured)


def test_a_damaged_list_is_refused(captured):
    (captured / MANIFEST).write_text("[]")
    assert "cannot be read" in refusal(captured)
