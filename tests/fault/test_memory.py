"""The short form of memory_test.py that runs with the other tests."""
import pytest
from memory_test import run

from harness.engine import find_worker
from harness.servers import Unavailable


@pytest.mark.parametrize("sink", ["sqlite", "kafka"])
def test_a_transaction_larger_than_the_memory(sink):
    try:
        find_worker()
        assert run(0.25, [sink])
    except Unavailable as reason:
        pytest.skip(str(reason))
