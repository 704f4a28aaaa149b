"""What ``tailrace doctor`` finds out about a configuration: whether a run would get what it needs."""
from __future__ import annotations

import json
import socket
from pathlib import Path
from urllib.parse import urlsplit

import tailrace
from tailrace import _core, config, errors
from tailrace._waiting import run_interruptibly
from tailrace.cli_common import is_job_file, settings_of
from tailrace.endpoint import CheckItem, Report

_PATIENCE_S = 5.0


def check_job(path: Path, settings: list[str] | None) -> Report:
    """Of a configuration, or of the one that a job file keeps."""
    if is_job_file(path):
        if settings:
            raise errors.make("CFG-0003", "--set goes with a configuration or a URL, not with a job file")
        row = tailrace.attach(path).meta.sql("SELECT config FROM v1_job").to_dicts()[0]
        text, loaded = str(row["config"]), None
    else:
        loaded = config.load(path, settings_of(settings or []))
        text = loaded.to_json()
    items = run_interruptibly(lambda: _core.check_job(text, loaded.secrets if loaded else {}))
    found = [CheckItem(*item) for item in items]
    for item in found:
        if loaded is not None and item.error is not None:
            loaded.place(item.error)
    return Report(str(path), (*found, *_reach(json.loads(text)["sink"])))


def _reach(sink: str | dict[str, str]) -> list[CheckItem]:
    """Whether somebody listens where the brokers should be. Opening the sink itself would fence a job that runs."""
    parts = urlsplit(sink if isinstance(sink, str) else sink["url"])
    if parts.scheme != "kafka":
        return []
    refusals = []
    for broker in parts.netloc.rpartition("@")[2].split(","):
        host, _, port = broker.rpartition(":") if ":" in broker else (broker, "", "9092")
        try:
            socket.create_connection((host.strip("[]"), int(port)), _PATIENCE_S).close()
            return [CheckItem("broker", f"{broker} answers", None)]
        except (OSError, ValueError) as error:
            refusals.append(f"{broker}: {error}")
    return [CheckItem("broker", "", errors.make("SINK-0002", "; ".join(refusals)))]
