"""The short form of memory_test.py that runs with the other tests."""
import pytest
from memory_test import run

from harness.engine import find_worker
from harness.servers import Unavailable


@pytest.mark.parametrize(("sink", "gib"), [("sqlite", 1.5), ("kafka", 0.25)])
def test_a_transaction_larger_than_the_memory(sink, gib):
    try:
        find_worker()
        assert run(gib, [sink])
    except Unavailable as reason:
        pytest.skip(str(reason))
