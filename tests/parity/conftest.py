"""Servers of the matrix: own ones, in a zone with summer time, so that a shift of a DATETIME would show."""
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness.engine import find_worker
from harness.servers import Services, Unavailable


def pytest_addoption(parser):
    parser.addoption("--write-page", action="store_true", help="write docs/parity.md instead of comparing it")


ZONE = "CET-1CEST,M3.5.0,M10.5.0/3"


@pytest.fixture(scope="session")
def services():
    with Services() as running:
        running.environment["TZ"] = ZONE
        yield running


@pytest.fixture(scope="session")
def server(services):
    """server(kind): a running server, or a skip with the reason."""
    running = {}

    def get(kind):
        if kind not in running:
            try:
                left_out = os.environ.get(f"TAILRACE_SKIP_{kind.upper()}")
                if left_out:
                    raise Unavailable(f"{kind}: {left_out}")
                find_worker()
                running[kind] = services.up(kind, f"par{kind.replace('_', '')}")
            except Unavailable as reason:
                running[kind] = reason
        if isinstance(running[kind], Unavailable):
            pytest.skip(str(running[kind]))
        return running[kind]
    return get


@pytest.fixture(scope="session")
def broker(services):
    try:
        left_out = os.environ.get("TAILRACE_SKIP_KAFKA")
        if left_out:
            raise Unavailable(f"kafka: {left_out}")
        return services.up("kafka", "parkafka", **{"message.max.bytes": 64 << 20})
    except Unavailable as reason:
        pytest.skip(str(reason))


def long_form():
    return os.environ.get("TAILRACE_PARITY") == "long"
