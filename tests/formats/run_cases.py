#!/usr/bin/env python3
"""Runs the conformance cases of the formats that are built and compares the messages.

usage: run_cases.py ENCODER [CASES.jsonl.gz] [-v]

ENCODER reads cases on stdin and writes {"id", "raw"} lines. It is given the cases without what is expected of them.
Exit status 0 when no case failed and every built format has cases.
"""
import gzip
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import check

BUILT = ("Default", "DefaultExtendColumnType", "Canal", "DataWorks", "SharePlex", "Debezium", "DebeziumFlatten",
         "DebeziumSmt", "Avro")
JUDGEMENT = ("expect", "exact_keys", "lexical", "soft", "ignore", "basis")


def main(argv):
    verbose = [a for a in argv if a == "-v"]
    encoder, *rest = [a for a in argv if a != "-v"]
    cases_path = Path(rest[0]) if rest else Path(__file__).with_name("cases.jsonl.gz")
    opener = gzip.open if cases_path.suffix == ".gz" else open
    with opener(cases_path, "rt", encoding="utf-8") as lines:
        cases = [(line, json.loads(line)) for line in lines if line.strip()]
    cases = [(line, case) for line, case in cases if case["format"] in BUILT]
    if {case["format"] for _, case in cases} != set(BUILT):
        print("no cases for some of", BUILT)
        return 1
    blind = "".join(
        json.dumps({k: v for k, v in case.items() if k not in JUDGEMENT}) + "\n" for _, case in cases
    )
    done = subprocess.run([encoder], input=blind, capture_output=True, text=True, encoding="utf-8")
    sys.stderr.write(done.stderr)
    with tempfile.TemporaryDirectory() as folder:
        expected, actual = Path(folder, "cases.jsonl"), Path(folder, "actual.jsonl")
        expected.write_text("".join(line for line, _ in cases), encoding="utf-8")
        actual.write_text(done.stdout, encoding="utf-8")
        failed = check.main([str(expected), str(actual), *verbose])
    return 1 if failed or done.returncode else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
