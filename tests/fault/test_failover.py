"""The short forms of failover.py that run with the other tests."""
import pytest
from failover import Failure, run

from harness.engine import find_worker
from harness.servers import Services, Unavailable


@pytest.mark.parametrize(("kind", "sink", "phase", "lose"), [
    ("mariadb", "sqlite", "stream", False),
    ("mariadb", "file", "stream", False),
    ("mariadb", "sqlite", "snapshot", False),
    ("mariadb", "sqlite", "stream", True),
    ("mysql9", "sqlite", "stream", False),
    ("mysql9", "sqlite", "stream", True),
])
def test_the_source_fails_over(kind, sink, phase, lose, tmp_path):
    try:
        find_worker()
        with Services() as services:
            assert run(kind, sink, phase, 7, tmp_path, services, lose, seconds=1.0) == []
    except Unavailable as reason:
        pytest.skip(str(reason))
    except Failure as failure:
        pytest.fail(str(failure))
