"""The short form of soak.py that runs with the other tests."""
import pytest
from soak import run

from harness.engine import find_worker
from harness.servers import Unavailable


def test_rows_through_a_restarted_broker():
    try:
        find_worker()
        assert run(100_000, 1)
    except Unavailable as reason:
        pytest.skip(str(reason))
