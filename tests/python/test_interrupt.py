"""Ctrl-C: the prompt is back within a second, and what it means for the job."""
import time

import pytest
from conftest import wait_until

PRELUDE = """
import os, sys, time, warnings
import tailrace as tr
def interrupted(call):
    print("ready", flush=True)
    try:
        call()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    else:
        print("not interrupted", flush=True)
"""
DOWN = 'job = tr.Migration("j.db", source=tr.source("mysql://mig@127.0.0.1:1"), sink=tr.sink("sqlite://./c.db"))\n'


def interrupt(spawn, script, delay=0.5):
    """Runs the script, sends SIGINT after "ready" and `delay`; the seconds until "interrupted", and the later lines."""
    import signal
    import sys

    process = spawn([sys.executable, "-c", PRELUDE + script])
    assert process.stdout.readline() == "ready\n", process.stderr.read()
    time.sleep(delay)  # well inside the call; an earlier signal would only make the test weaker
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "interrupted\n", process.stderr.read()
    took = time.monotonic() - began
    rest = process.stdout.read()  # not communicate(): some of it may be in the reader's buffer already
    assert process.wait(20) == 0, process.stderr.read()
    return took, rest.split("\n")


def test_run_with_the_source_down(spawn):
    took, rest = interrupt(spawn, DOWN + "interrupted(job.run)\nprint(job.status.state, repr(job.owner))\n"
                           "try: job.run(timeout=0.2)\nexcept TimeoutError as e: print(e.code)")
    assert took < 1.0
    assert rest[0] == "stopped ''" and rest[1] == "JOB-0008"  # the interpreter lives, the job can be run again


def test_wait_leaves_the_job_running(spawn):
    took, rest = interrupt(spawn, DOWN + "job.start()\ninterrupted(lambda: job.wait('forever'))\n"
                           "print(job.status.is_running)\njob.stop('abort')")
    assert took < 0.25
    assert rest[0] == "True"


def test_with_block(spawn):
    took, rest = interrupt(spawn, DOWN + "def call():\n  with job:\n    job.start()\n    time.sleep(30)\n"
                           "interrupted(call)\nprint(repr(job.owner))")
    assert took < 1.0
    assert rest[0] == "''"


def test_end_of_the_interpreter_with_a_running_job(spawn):
    import sys

    began = time.monotonic()
    process = spawn([sys.executable, "-c", PRELUDE + DOWN + "job.start(); time.sleep(0.2)"])
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0 and errors == ""
    assert time.monotonic() - began < 5


def test_a_forked_child_refuses_and_ends(spawn):
    import sys

    process = spawn([sys.executable, "-W", "ignore", "-c", PRELUDE + DOWN + """
job.start()
child = os.fork()
if child == 0:
    try: job.start()
    except tr.errors.InternalError as e: print(e.code, flush=True)
    try: job.status
    except tr.errors.InternalError as e: print(e.code, flush=True)
    sys.exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), job.status.is_running)
"""])
    out, errors = process.communicate(timeout=20)
    assert out.splitlines() == ["INT-0001", "INT-0001", "0 True"], errors


def test_run_with_the_broker_down(spawn, shop):
    took, rest = interrupt(spawn, f"""
job = tr.Migration("j.db", source=tr.source("{shop.url}", password=tr.env("SHOP_PW")),
                   sink=tr.sink("kafka://127.0.0.1:1", format="debezium"), tables=["{shop.database}.*"])
interrupted(job.run)
try: job.run(timeout=0.5)
except TimeoutError as e: print(e.code)
""", delay=1.5)
    assert took < 1.0
    assert rest[0] == "JOB-0008"  # it could be started again


def test_stream_goes_on_after_an_interrupt(spawn, shop):
    took, rest = interrupt(spawn, f"""
stream = tr.Stream(tr.source("{shop.url}", password=tr.env("SHOP_PW")), tables=["{shop.database}.*"])
interrupted(lambda: next(stream))
import subprocess
subprocess.run(["mariadb", "--no-defaults", "-S", "{shop.socket}", "-uroot", "{shop.database}", "-e",
                "DELETE FROM orders WHERE id = 1"], check=True)
print(len(next(stream)["{shop.database}.orders"]))
""")
    assert took < 0.25
    assert rest[0] == "1"


def test_waiting_in_this_process_times_out(folder):
    import tailrace as tr

    job = tr.Migration("j.db", source=tr.source("mysql://mig@127.0.0.1:1"), sink=tr.sink("sqlite://./c.db"))
    job.start()
    wait_until(lambda: job.status.error is not None)
    with pytest.raises(TimeoutError) as caught:
        job.wait(timeout="300ms")
    assert caught.value.code == "JOB-0008" and "SRC-0001" in str(caught.value)
    job.stop("abort")
