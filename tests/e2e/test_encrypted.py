"""MariaDB's encrypted binary log: over the wire the server decrypts it, from disk it is a named error."""
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from checks import assert_error, at_source, copied
from conftest import fill, start_or_skip

from harness.engine import source_config

PLUGIN = "file_key_management.so"


def plugin_folder():
    """Debian keeps the plug-in in a package that also sets up a system server; only the file is taken from it."""
    system = Path("/usr/lib/mysql/plugin")
    if (system / PLUGIN).exists():
        return system
    cache = Path(os.environ.get("TAILRACE_CACHE_DIR") or Path.home() / ".cache/tailrace") / "mariadb-plugins"
    if (cache / PLUGIN).exists():
        return cache
    with tempfile.TemporaryDirectory() as folder:
        for command in (["apt-get", "-qq", "-oAPT::Sandbox::User=root", "download", "mariadb-server"], ["sh", "-c", "dpkg -x *.deb ."]):
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"{PLUGIN} is not installed and not to be had: {done.stderr.strip()[-200:]}")
        found = Path(folder) / "usr/lib/mysql/plugin" / PLUGIN
        if not found.exists():
            pytest.skip(f"the package mariadb-server has no {PLUGIN}")
        cache.mkdir(parents=True, exist_ok=True)
        shutil.copy(found, cache / f"{PLUGIN}.new")
        (cache / f"{PLUGIN}.new").replace(cache / PLUGIN)
    return cache


@pytest.fixture
def encrypted(services, tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    (folder / "keys.txt").write_text("1;" + "0123456789abcdef" * 2 + "\n")
    database = start_or_skip(services, "mariadb", "e2ecrypt", **{
        "plugin-dir": plugin_folder(), "plugin-load-add": "file_key_management",
        "file_key_management_filename": folder / "keys.txt", "encrypt_binlog": "ON"})
    fill(database)
    yield database
    services.down("e2ecrypt")


def test_an_encrypted_log_is_read_from_the_server(encrypted, jobs):
    engine = jobs(encrypted)
    assert engine.run().code == 0
    file, offset = encrypted.position()
    encrypted.run("INSERT INTO shop.items VALUES (501, 'sealed', 5); FLUSH BINARY LOGS; UPDATE shop.items SET n=6 WHERE id=501")
    assert engine.run().code == 0
    assert copied(jobs.copy) == at_source(encrypted)
    # By file and offset, without a GTID set of ours.
    again = jobs(source_config(encrypted, start=f"{file}:{offset}"), name="again", sink={"url": f"sqlite://{jobs.folder / 'again.copy'}"},
                 job={"name": "again", "phases": ["stream"]})
    ended = again.run()
    assert ended.code == 0, ended
    assert copied(jobs.folder / "again.copy") == {501: (501, "sealed", 6)}


def test_an_encrypted_file_is_a_named_error(encrypted, jobs, tmp_path):
    encrypted.run("FLUSH BINARY LOGS")
    path = encrypted.binlog_files()[0]
    assert b"shop" not in path.read_bytes(), "the log is not encrypted"
    shutil.copy(path, tmp_path)
    engine = jobs({"url": f"binlog://{tmp_path / path.name}"}, job={"name": "job", "phases": ["stream"]})
    assert_error(engine.run("end", seconds=30), "SRC-0011", "encrypted")
