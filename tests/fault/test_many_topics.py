"""The short form of many_topics.py that runs with the other tests."""
import pytest
from many_topics import run

from harness.engine import find_worker
from harness.servers import Unavailable


def test_a_topic_for_each_of_many_tables():
    try:
        find_worker()
        assert run(100, 5)
    except Unavailable as reason:
        pytest.skip(str(reason))
