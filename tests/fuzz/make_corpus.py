#!/usr/bin/env python3
"""Write seed inputs of the fuzz targets from the binary logs of running servers.

  scripts/services up mariadb mysql9 && eval "$(scripts/services env)" && tests/fuzz/make_corpus.py

Each server gets a database `seed`; what it logs is cut into events, and those into the parts that each target reads.
Inputs that are there keep their bytes: run this to add seeds, and look at what is new before it is committed.
"""
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

COMMON = """
SET time_zone='+00:00', sql_mode='';
DROP DATABASE IF EXISTS seed; CREATE DATABASE seed; USE seed;
CREATE TABLE numbers (id BIGINT UNSIGNED PRIMARY KEY, a TINYINT, b SMALLINT UNSIGNED, c MEDIUMINT, d INT, e FLOAT,
  f DOUBLE, g DECIMAL(65,30), h DECIMAL(5,0), i BIT(1), j BIT(64), k YEAR);
INSERT INTO numbers VALUES (18446744073709551615,-128,65535,-8388608,2147483647,1.5,1e300,
  -12345678901234567890123456789012345.123456789012345678901234567890,-99999,1,x'ffffffffffffffff',2155),
  (1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL), (2,0,0,0,0,0,-0.0,0,0,0,0,0);
UPDATE numbers SET a=a+1, g=0.5 WHERE id=2;
CREATE TABLE times (id INT PRIMARY KEY, a DATE, b TIME, c TIME(3), d DATETIME, e DATETIME(6), f TIMESTAMP(1) NULL, g TIMESTAMP NULL);
INSERT INTO times VALUES (1,'0000-00-00','-838:59:59','-00:00:00.001','9999-12-31 23:59:59','2024-02-29 00:00:00.123456',
  '2038-01-19 03:14:07.9','1970-01-01 00:00:01'), (2,'2024-00-00','00:00:00','838:59:58.999','0000-00-00','2024-01-00',NULL,NULL);
DELETE FROM times WHERE id=2;
CREATE TABLE texts (id INT PRIMARY KEY, a CHAR(10) CHARACTER SET utf8mb4, b VARCHAR(300) CHARACTER SET latin1, c TEXT CHARACTER SET gbk,
  d MEDIUMTEXT CHARACTER SET utf16, e BINARY(4), f VARBINARY(400), g TINYBLOB, h LONGBLOB, i ENUM('x','y','\u00e4'), j SET('r','g','b'),
  k VARCHAR(20) CHARACTER SET sjis, l GEOMETRY);
INSERT INTO texts VALUES (1,'h\u00e9llo','caf\u00e9',_utf8mb4'\u4f60\u597d',_utf8mb4'\U0001f600',x'00','',x'0102',REPEAT(x'fe',40),'\u00e4','r,b',_utf8mb4'\u3042',
  ST_GeomFromText('POINT(1 2)')), (2,'','','','','','','','',0,'','',NULL);
UPDATE texts SET h=NULL, b=REPEAT('x',300) WHERE id=1;
CREATE TABLE plain (id INT PRIMARY KEY, v VARCHAR(10));
BEGIN; INSERT INTO plain VALUES (1,'a'); SAVEPOINT s; INSERT INTO plain VALUES (2,'b'); RELEASE SAVEPOINT s; COMMIT;
ALTER TABLE plain ADD COLUMN n INT UNSIGNED; INSERT INTO plain VALUES (3,'c',4294967295);
RENAME TABLE plain TO moved; TRUNCATE TABLE moved; DROP TABLE moved;
"""

MARIADB = """
CREATE TABLE special (id INT PRIMARY KEY, a INET4, b INET6, c UUID, d TEXT COMPRESSED, e VARBINARY(200) COMPRESSED, f JSON, g TEXT, UNIQUE(g) USING HASH);
INSERT INTO special VALUES (1,'10.0.0.1','::ffff:1.2.3.4','123e4567-e89b-12d3-a456-426655440000',REPEAT('ab',300),REPEAT('z',150),'{"a":1}','u');
XA START 'x1'; INSERT INTO special (id) VALUES (7); XA END 'x1'; XA PREPARE 'x1'; XA COMMIT 'x1';
SET GLOBAL log_bin_compress=1; SET SESSION binlog_annotate_row_events=1;
INSERT INTO special (id,d) VALUES (2,REPEAT('compressible ',60)); UPDATE special SET d=REPEAT('other ',90) WHERE id=2;
DELETE FROM special WHERE id=2; SET GLOBAL log_bin_compress=0;
SET gtid_domain_id=7; INSERT INTO special (id) VALUES (3);
SET binlog_row_image=MINIMAL; UPDATE special SET g='m' WHERE id=3;
"""

MYSQL = """
CREATE TABLE docs (id INT PRIMARY KEY, j JSON);
INSERT INTO docs VALUES (1,'{"a": 1, "b": [1, 2.5, null, true, "t", {"c": -9223372036854775808}], "": 18446744073709551615}'),
 (2,JSON_ARRAY(CAST('12.30' AS DECIMAL(6,2)), CAST('2024-02-29' AS DATE), CAST('-10:11:12.5' AS TIME(6)), CAST('2024-02-29 01:02:03.4' AS DATETIME(6)),
  CAST(x'00ff' AS BINARY), 1e100, 40000, 70000, -70000)), (3,'null'), (4,'"text"'), (5,JSON_OBJECT('long',REPEAT('x',200))),
 (6,'[[[[[[[[{"deep":[]}]]]]]]]]');
INSERT INTO docs VALUES (7,JSON_OBJECT('big',REPEAT('y',70000))); UPDATE docs SET j=JSON_SET(j,'$.a',2) WHERE id=1;
CREATE TABLE vectors (id INT PRIMARY KEY, v VECTOR(3)); INSERT INTO vectors VALUES (1,TO_VECTOR('[1,2,3]'));
CREATE TABLE hiding (id INT PRIMARY KEY, a VARCHAR(20), b INT INVISIBLE, UNIQUE((LOWER(a)))); INSERT INTO hiding (id,a,b) VALUES (1,'A',5);
SET SESSION binlog_row_image=MINIMAL; UPDATE docs SET id=8 WHERE id=3; SET SESSION binlog_row_image=NOBLOB; UPDATE texts SET b='z' WHERE id=2;
SET SESSION binlog_row_image=FULL; SET SESSION binlog_transaction_compression=ON;
BEGIN; INSERT INTO docs VALUES (9,'[1]'); INSERT INTO numbers (id) VALUES (9); COMMIT; UPDATE texts SET a='zip';
SET SESSION binlog_transaction_compression=OFF; SET SESSION binlog_row_value_options=PARTIAL_JSON;
UPDATE docs SET j=JSON_SET(j,'$.b[1]',3,'$.a','three'), j=JSON_REMOVE(j,'$.b[0]') WHERE id=1; SET SESSION binlog_row_value_options='';
XA START 'x1'; INSERT INTO docs VALUES (20,'1'); XA END 'x1'; XA PREPARE 'x1'; XA COMMIT 'x1';
"""


def run(environment_name, sql):
    """(files, offset of the first event of the seed) of a server, after it ran the statements."""
    address = {key: os.environ.get(f"TAILRACE_{environment_name}_{key}") for key in ("SOCKET", "DATADIR")}
    if not address["SOCKET"]:
        sys.exit(f"{environment_name}: {os.environ.get(f'TAILRACE_SKIP_{environment_name}', 'no address in the environment')}")
    command = ["mariadb", "--no-defaults", "-uroot", f"--socket={address['SOCKET']}", "-N", "-B", "--default-character-set=utf8mb4"]
    done = subprocess.run(command, input="FLUSH BINARY LOGS;\n" + COMMON + sql + "\nSHOW BINARY LOGS;", text=True, check=True, stdout=subprocess.PIPE)
    return Path(address["DATADIR"]) / done.stdout.splitlines()[-1].split("\t")[0]


def events(log):
    """(type, whole event, body without checksum)."""
    at = 4
    while at + 19 <= len(log):
        length = struct.unpack_from("<I", log, at + 9)[0]
        event = log[at:at + length]
        yield event[4], event, event[19:-4]
        at += length


class Corpus:
    def __init__(self):
        self.counts = {}

    def add(self, target, name, data):
        folder = HERE / "corpus" / target
        folder.mkdir(parents=True, exist_ok=True)
        number = self.counts[target, name] = self.counts.get((target, name), 0) + 1
        path = folder / f"{name}_{number:02}"
        if not path.exists():
            path.write_bytes(data)


def take_apart(corpus, server, log):
    is_mariadb = server == "mariadb"
    choice = bytes([int(is_mariadb)])
    last_map, described, transaction, kinds = {}, b"", [], {}
    for kind, event, body in events(log):
        if kind == 15:
            described = event
            corpus.add("packed_value", f"{server}_format", b"\x07" + event[19:])
            continue
        kinds[kind] = kinds.get(kind, 0) + 1
        if kind == 19:
            last_map[body[:6]] = body
            corpus.add("table_map", server, choice + body)
        elif kind in (23, 24, 25, 30, 31, 32, 39, 166, 167, 168, 169, 170, 171) and len(body) < 3000:
            table = last_map.get(body[:6], b"")
            corpus.add("row_image", server, choice + bytes([kind]) + struct.pack("<H", len(table)) + table + body)
        elif kind == 40:
            corpus.add("transaction_payload", server, body)
        elif kind in (33, 34):
            corpus.add("gtid_set", f"{server}_event", b"\x05" + body) if kinds[kind] < 3 else None
        elif kind == 42:
            corpus.add("gtid_set", f"{server}_tagged", b"\x04" + body)
        elif kind == 38:
            corpus.add("gtid_set", f"{server}_xa", b"\x07" + body)
        elif kind == 35:
            corpus.add("gtid_set", f"{server}_previous", b"\x01" + body)
        elif kind == 162 and kinds[kind] < 3:
            corpus.add("gtid_set", f"{server}_event", b"\x08" + body)
        elif kind == 2 and kinds[kind] < 40:
            database, variables = body[8], struct.unpack_from("<H", body, 11)[0]
            sql = body[13 + variables + database + 1:]
            if sql not in (b"BEGIN", b"COMMIT"):
                corpus.add("ddl", server, b"\0" + sql)
            if kinds[kind] < 4:
                corpus.add("packed_value", f"{server}_query", b"\x06\x0d" + body)
        # Transactions apart, each behind the description, and several together.
        transaction.append(event)
        size = sum(map(len, transaction))
        if (kind == 16 or kind == 2 and len(transaction) > 6) and size < 12000:
            corpus.add("event_framing", server, bytes([2 | (len(kinds) % 2) | 4 * (len(kinds) % 3)]) + described + b"".join(transaction))
            transaction = []
        elif size >= 12000:
            transaction = []


def documents(corpus, log):
    """JSON documents of table `docs` (id INT, j JSON), taken from its inserts."""
    docs = b""
    for kind, _, body in events(log):
        if kind == 19:
            docs = body[:6] if b"\x04docs\0" in body else b""
        elif kind == 30 and docs and body[:6] == docs:
            at = 6 + 2 + 2 + 1 + 1
            while at < len(body):
                length = struct.unpack_from("<I", body, at + 5)[0]
                if length < 2000:
                    corpus.add("json_binary", "mysql", body[at + 9:at + 9 + length])
                at += 9 + length


def diffs(corpus):
    """Documents and diffs that MySQL logged, from the table of the unit test."""
    for line in (HERE.parent / "unit/mysql/json_diff.tsv").read_text().splitlines():
        if line.startswith("# "):
            continue
        cells = [re.sub(r"<<(.*?)\*(\d+)>>", lambda m: m[1] * int(m[2]), cell) for cell in line.split("\t")]
        document, diff = bytes.fromhex(cells[1]), bytes.fromhex(cells[2])
        if len(document) + len(diff) < 3000:
            corpus.add("json_diff", "mysql", struct.pack("<H", len(document)) + document + diff)


def by_hand(corpus):
    uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
    for text in (f"{uuid}:1-5:7, {uuid[:-1]}3:tag:1-3:tag2:9", uuid.replace("-", "") + ":1", ""):
        corpus.add("gtid_set", "mysql_text", b"\x00" + text.encode())
    corpus.add("gtid_set", "maria_text", b"\x02" + b"0-1-42,7-2-5")
    corpus.add("gtid_set", "gtid_text", b"\x03" + f"{uuid}:tag:77".encode())
    corpus.add("gtid_set", "position", b"\x06" + f"gtid={uuid}:1-5;file=binlog.000002;offset=1234".encode())
    corpus.add("gtid_set", "position", b"\x06" + b"file=binlog.000002;offset=99")
    corpus.add("gtid_set", "position", b"\x06" + b"gtid=0-1-5;file=b.000002;offset=99;xa_gtid=0-1-2;xa_file=b.000001;xa_offset=4")
    for text in ("ALTER TABLE `a`.`b` RENAME TO c, ADD COLUMN (x INT, y VARCHAR(10) CHARACTER SET latin1 COMMENT 'it''s')",
                 "/*!50100 CREATE */ TABLE IF NOT EXISTS t (a INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, b ENUM('x','y') "
                 "DEFAULT 'x', CONSTRAINT u UNIQUE KEY (b(3)), KEY k (a,b)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 /* c */",
                 "RENAME TABLE t TO t_old, t_new TO t", "DROP TABLE IF EXISTS `a``b`, c.d -- gone", "XA COMMIT X'616263',X'',1",
                 "ALTER TABLE t TRUNCATE PARTITION p0", "create table t (s double precision, v geometry, primary key using btree (s)); use x; "
                 "create table y.z (i int as (1+(2)) stored, j json check (json_valid(j)))"):
        corpus.add("ddl", "statement", b"\0" + text.encode())
    corpus.add("ddl", "ansi", b"\1" + b'CREATE TABLE "a"."b" ("c" INT)')
    for text in ('{"version":1,"job":{"name":"shop","phases":["snapshot","stream"]},"source":{"url":"mysql://mig:pw@db1:3306","tls":"off"},'
                 '"sink":{"url":"sqlite:///copy.db","format":"debezium"},"tables":["shop.*","!shop.tmp_*"],'
                 '"rules":{"file":"rules/shop.lua","options":{"region":"eu"}},"pipeline":{"threads":2,"memory":"96MiB"}}',
                 '{"source":"binlog:///logs/b.000001?files=2","sink":"null:"}'):
        corpus.add("config", "job", b"\0" + text.encode())
    corpus.add("config", "url", b"\x02" + b"mysql://u%40:p%2F@[::1]:3306/db?tls=verify&a=b%20c")
    corpus.add("config", "patterns", b"\x03" + b"orders_12\nd.orders_[0-9]*\n!d.*_[!a-z]?\n")
    corpus.add("config", "reference", b"\x04" + b"a${env:HOME:-x}$$b")
    corpus.add("config", "amount", b"\x05" + b"64MiB")
    corpus.add("config", "amount", b"\x05" + b"500ms")
    corpus.add("packed_value", "decimal", b"\0" + bytes([64, 30]) + bytes(range(0x80, 0x9f)))
    corpus.add("packed_value", "decimal", b"\0" + bytes([4, 0]) + bytes([0x7f, 0xfe, 0x79, 0x60]))
    corpus.add("packed_value", "column", b"\x02\x00stored")
    for collation, text in ((28, "你好".encode("gbk")), (8, b"caf\xe9\x80"), (54, "x\U0001f600".encode("utf-16-be")), (13, "あ".encode("shift_jis")),
                            (35, "é".encode("utf-16-be")), (60, "aé".encode("utf-32-be")), (45, "\U0001f600".encode())):
        corpus.add("packed_value", "text", b"\x04" + struct.pack("<H", collation) + text)


def main():
    corpus = Corpus()
    by_hand(corpus)
    diffs(corpus)
    for server, sql in (("mariadb", MARIADB), ("mysql9", MYSQL)):
        log = run(server.upper(), sql).read_bytes()
        take_apart(corpus, server, log)
        documents(corpus, log)
    for (target, name), count in sorted(corpus.counts.items()):
        print(f"{target}/{name}: {count}")


if __name__ == "__main__":
    main()
