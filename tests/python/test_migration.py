"""One job by a script, by the command line and by a notebook: the same copy, equal to the source."""
import time
from pathlib import Path

import pytest
from conftest import source_rows, sqlite_rows, wait_until, write

import tailrace as tr
from tailrace import errors


def make(shop, job="shop.db", copy="copy.db", **more):
    return tr.Migration(job, source=tr.source(shop.url, password=tr.env("SHOP_PW")), sink=tr.sink(f"sqlite://./{copy}"),
                        tables=[f"{shop.database}.*"], **more)


def test_script_resumes_and_equals_the_source(shop, folder):
    with make(shop) as job:
        status = job.run(until="caught_up", timeout=60)
        assert status.state == "stopped" and status.snapshot_done and status.rows_durable >= 3004
        assert sqlite_rows("copy.db") == source_rows(shop)
        assert status.tables[f"{shop.database}.orders"].rows_read == 3001
    shop.query(f"USE {shop.database}; UPDATE orders SET name = 'changed' WHERE id % 3 = 0; "
               "DELETE FROM orders WHERE id % 5 = 0; INSERT INTO orders VALUES (4000, NULL, NULL, NULL, NULL)")
    again = make(shop)  # the cell run once more
    status = again.run(timeout=60)
    assert sqlite_rows("copy.db") == source_rows(shop)
    assert again.owner == "" and again.status.checkpoint == status.checkpoint


def test_until_goals(shop, folder):
    job = make(shop)
    assert job.run(until="snapshot", timeout=60).snapshot_done
    assert sqlite_rows("copy.db") == source_rows(shop)
    began = time.monotonic()
    job.run(until="400ms")
    assert 0.4 <= time.monotonic() - began < 5
    shop.query(f"DELETE FROM {shop.database}.orders WHERE id = 1")
    with tr.Stream(tr.source(shop.url, password=tr.env("SHOP_PW"))) as stream:
        position = stream.position
    status = job.run(until=position, timeout=60)
    assert sqlite_rows("copy.db") == source_rows(shop) and status.checkpoint is not None


def test_start_wait_pause_resume_stop(shop, folder):
    job = make(shop)
    with pytest.raises(errors.JobError) as caught:
        job.wait()
    assert caught.value.code == "JOB-0006"
    job.start()
    job.wait("caught_up", timeout=60)
    assert job.status.is_running and job.status.owner == job.owner != ""
    with pytest.raises(errors.JobOwned):
        make(shop).start()
    job.pause()
    assert job.status.state == "paused"
    shop.query(f"DELETE FROM {shop.database}.orders WHERE id = 1")
    job.resume()
    job.wait("caught_up", timeout=60)
    assert sqlite_rows("copy.db") == source_rows(shop)
    assert job.stop().state == "stopped" and job.owner == ""
    attached = tr.attach("shop.db")
    assert attached.status.state == "stopped"
    shop.query(f"DELETE FROM {shop.database}.orders WHERE id = 2")
    attached.resume()  # nobody runs it: it becomes ours, with the stored configuration
    attached.wait("caught_up", timeout=60)
    attached.stop()
    assert sqlite_rows("copy.db") == source_rows(shop)


def test_a_failed_job_gives_its_error_and_its_file_back(shop, folder):
    job = tr.Migration("shop.db", source=tr.source(shop.url, password="wrong"), sink=tr.sink("sqlite://./copy.db"))
    with pytest.raises(errors.AuthError) as caught:
        job.run(timeout=30)
    assert caught.value.code == "SRC-0002" and "wrong" not in str(caught.value)
    assert job.owner == "" and job.status.state == "failed" and job.status.error.code == "SRC-0002"


def test_rules_by_python(shop, folder):
    write(folder / "shop.lua", f"""return {{ api = 1, tables = {{
      ["{shop.database}.orders"] = {{ columns = {{ name = false }} }},
      ["{shop.database}.notes"] = false,
    }} }}""")
    make(shop, rules="shop.lua").run(timeout=60)
    expected = [[row[0], *row[2:]] for row in source_rows(shop)]
    assert sqlite_rows("copy.db") == expected
    write(folder / "bad.lua", "return {")
    with pytest.raises(errors.RuleError) as caught:
        make(shop, job="bad.db", rules="bad.lua").run(timeout=60)
    assert caught.value.code == "RULE-0101" and "bad.lua" in str(caught.value)


def test_script_command_line_and_notebook_agree(shop, cli, folder):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    make(shop, "script.db", "script.sqlite").run(timeout=60)
    write(folder / "cli.toml", f'version = 1\njob = {{ name = "cli" }}\ntables = ["{shop.database}.*"]\n'
          f'source = {{ url = "{shop.url}", password = "${{env:SHOP_PW}}" }}\nsink = {{ url = "sqlite://./cli.sqlite" }}\n')
    done = cli("run", "cli.toml", "--until", "caught_up")
    assert done.returncode == 0, done.stderr
    cells = [f"""import tailrace as tr
m = tr.Migration("notebook.db", source=tr.source("{shop.url}", password=tr.env("SHOP_PW")),
                 sink=tr.sink("sqlite://./notebook.sqlite"), tables=["{shop.database}.*"])""",
             "m.start(); view = m.watch(every='100ms')", "m.wait('caught_up', timeout=60)",
             "m.stop(); view.stop()", "m.status", "m.meta.sql('SELECT \"table\", rows_done FROM v1_table ORDER BY 1')"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, timeout=90, kernel_name="python3",
                            resources={"metadata": {"path": str(folder)}}).execute()
    expected = source_rows(shop)
    for copy in ("script.sqlite", "cli.sqlite", "notebook.sqlite"):
        assert sqlite_rows(copy) == expected, copy
    outputs = [[output.get("data", {}) for output in cell.outputs] for cell in notebook.cells]
    assert "checkpoint" in outputs[1][0]["text/html"]  # the live picture stays in the cell that asked for it
    assert "rows delivered" in outputs[4][0]["text/html"]
    assert "<td>3001</td>" in outputs[5][0]["text/html"]


def test_watch_in_a_pipe_prints_lines(shop, folder, capsys):
    job = make(shop)
    job.start()
    view = job.watch()
    job.wait("caught_up", timeout=60)
    job.stop()
    view.stop()
    captured = capsys.readouterr()
    assert captured.out == "" and "shop" in captured.err


def test_the_library_never_prints(shop, folder, capfd):
    make(shop).run(timeout=60)
    assert capfd.readouterr() == ("", "")


def test_engine_logs_reach_logging(folder, caplog):
    job = tr.Migration("j.db", source=tr.source("mysql://mig@127.0.0.1:1"), sink=tr.sink("sqlite://./c.db"))
    with caplog.at_level("WARNING", logger="tailrace"):
        job.start()
        wait_until(lambda: any("SRC-0001" in record.message for record in caplog.records))
        job.stop("abort")


def test_example_notebook(shop, folder, monkeypatch):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("SHOP_TABLES", f"{shop.database}.*")
    notebook = nbformat.read(Path(__file__).parents[2] / "examples/notebooks/01_migrate_shop.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)  # kept without outputs
    nbclient.NotebookClient(notebook, timeout=90, kernel_name="python3",
                            resources={"metadata": {"path": str(folder)}}).execute()
    assert sqlite_rows("shop_copy.db") == source_rows(shop)
