"""What the commands share."""
from __future__ import annotations

import json
import tomllib
from pathlib import Path

import tailrace
from tailrace import errors
from tailrace.config import interpolate, load, unreadable
from tailrace.endpoint import Endpoint, make_endpoint


def print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False, default=str), flush=True)


def settings_of(given: list[str]) -> dict[str, object]:
    """``a.b=1`` as TOML has it; what is not TOML is a text."""
    changes: dict[str, object] = {}
    for item in given:
        key, equals, text = item.partition("=")
        if not equals or not key:
            raise errors.make("CFG-0003", f"--set {item}: KEY=VALUE expected")
        try:
            changes[key.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            changes[key.strip()] = text
    return changes


def is_job_file(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(16) == b"SQLite format 3\0"
    except OSError as error:
        raise errors.make("CFG-0001", unreadable(path, error), file=path) from None


def source_of(target: str, settings: list[str] | None) -> tuple[Endpoint, list[str]]:
    """A URL, a configuration, or a job file; and the tables it takes."""
    changes = settings_of(settings or [])
    if "://" in target:
        options = interpolate({"source": changes}, lambda key: None)["source"]
        return tailrace.source(target, **options), ["*.*"]
    path = Path(target)
    if is_job_file(path):
        row = tailrace.attach(path).meta.sql("SELECT config FROM v1_job").to_dicts()[0]
        fields, secrets = json.loads(str(row["config"])), {}
    else:
        loaded = load(path, changes)
        fields, secrets = loaded.fields, {key.partition(".")[2]: value for key, value in loaded.secrets.items()
                                          if key.startswith("source.")}
    options = {key: value for key, value in fields["source"].items() if key not in ("url", "start")}
    made = make_endpoint("source", fields["source"]["url"], {})
    return Endpoint("source", made.url, options, secrets), list(fields.get("tables", ["*.*"]))
