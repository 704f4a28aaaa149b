"""Tailrace: change data of MySQL and MariaDB through rules into sinks, from Python.

    import tailrace as tr
    job = tr.Migration("shop.db", source=tr.source("mysql://mig@db1", password=tr.env("PW")),
                       sink=tr.sink("sqlite:///copy.db"), tables=["shop.*"], rules="rules/shop.lua")
    job.run(until="caught_up")
"""
from tailrace import errors, formats, rules
from tailrace._core import __version__
from tailrace.endpoint import Endpoint, Report, Secret, connect, env, file, sink, source
from tailrace.errors import TailraceError, explain
from tailrace.metadb import MetaDB, Table
from tailrace.migration import Migration, attach
from tailrace.rules import Images, rule
from tailrace.status import Position, Status
from tailrace.stream import Batch, RowBatch, Stream

__all__ = [
    "Batch", "Endpoint", "Images", "MetaDB", "Migration", "Position", "Report", "RowBatch", "Secret", "Status", "Stream", "Table",
    "TailraceError", "__version__", "attach", "connect", "env", "errors", "explain", "file", "formats", "rule",
    "rules", "sink", "source",
]
