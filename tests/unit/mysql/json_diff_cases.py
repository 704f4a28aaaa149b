"""Writes json_diff.tsv: documents, what updates in place logged about them, and the documents after them as a SELECT
prints them, all from a MySQL server.

  json_diff_cases.py SOCKET MYSQL LOGDIR > json_diff.tsv

MYSQL is the client program, LOGDIR the server's data folder. Columns: statement, document and diffs in hex, text
before, text after. <<ab*900>> stands for 900 times ab.
"""
import re
import struct
import subprocess
import sys
from pathlib import Path

DEEP = '{"a": ' * 50 + "[" * 49 + "7" + "]" * 49 + "}" * 50

DOCUMENTS = {
    "object": """'{"a": 1, "bb": "text", "c": [1, 2, 3], "ddd": {"x": null, "y": true}, "e": 1.5}'""",
    "array": "'[1, [2, 3], {\"k\": \"v\"}, \"four\", null]'",
    "names": r"""'{"b c": 1, "q\\"uote": 2, "back\\\\slash": 3, "ünï": {"日本": 4}, "": 5, "new\\nline": 6, "$": 7, "a.b": 8, "\\u0001": 9}'""",
    "numbers": "JSON_OBJECT('i16', 5, 'u16', CAST(40000 AS UNSIGNED), 'i32', -70000, 'u32', 4000000000, "
               "'i64', -9007199254740993, 'u64', 18446744073709551615, 'd', 1e100, 'dec', CAST('12.50' AS DECIMAL(10,2)))",
    "opaque": "JSON_OBJECT('date', DATE'2020-02-03', 'dt', TIMESTAMP'2020-02-03 04:05:06.789', 't', TIME'-01:02:03', "
              "'bin', x'00ff41', 'bit', b'101', 'dec', CAST('-0.000000001' AS DECIMAL(20,9)))",
    "deep": f"'{DEEP}'",
    "large": "JSON_OBJECT('pad', REPEAT('x', 70000), 'list', JSON_ARRAY(1, 2, 3), 'k', JSON_OBJECT('z', 1, 'yy', 2))",
    "scalar_array": "JSON_ARRAY(" + ", ".join(str(i) for i in range(300)) + ")",
    "empty": "'{}'",
}
UPDATES = [
    ("object", "JSON_SET(d, '$.a', 2)"),
    ("object", "JSON_SET(d, '$.zz', 'new', '$.b', 1, '$.aaaa', JSON_ARRAY(), '$.c2', JSON_OBJECT('k', 1))"),
    ("object", "JSON_REPLACE(d, '$.bb', REPEAT('longer', 20))"),
    ("object", "JSON_REMOVE(d, '$.a')"),
    ("object", "JSON_REMOVE(d, '$.ddd.x', '$.c[1]', '$.e')"),
    ("object", "JSON_SET(d, '$.c[7]', 4)"),
    ("object", "JSON_SET(d, '$.c[last]', 4, '$.c[last-9]', 0)"),
    ("object", "JSON_SET(d, '$.a[0]', 'wrapped or not', '$.a[3]', 'wrapped')"),
    ("object", "JSON_SET(d, '$.ddd.y[last]', false)"),
    ("object", "JSON_SET(d, '$.a', NULL, '$.bb', CAST('null' AS JSON))"),
    ("object", "JSON_REMOVE(d, '$.nothing')"),
    ("object", "JSON_SET(JSON_REMOVE(d, '$.a'), '$.a', 'again')"),
    ("object", "JSON_REMOVE(JSON_SET(d, '$.c[5]', JSON_OBJECT('deep', JSON_ARRAY(1, 2))), '$.c[0]', '$.c[last].deep[0]')"),
    ("array", "JSON_SET(d, '$[0]', 'one')"),
    ("array", "JSON_SET(d, '$[1][0]', 22, '$[1][9]', 9, '$[2].k', JSON_ARRAY('w'), '$[2].j', 0)"),
    ("array", "JSON_REMOVE(d, '$[0]', '$[0][0]', '$[last]')"),
    ("array", "JSON_SET(d, '$[99]', 'end', '$[last-50]', 'start')"),
    ("names", """JSON_SET(d, '$."b c"', 10, '$."q\\\\"uote"', 20, '$."back\\\\\\\\slash"', 30, '$."ünï"."日本"', 40)"""),
    ("names", """JSON_SET(d, '$.""', 50, '$."new\\\\nline"', 60, '$."$"', 70, '$."a.b"', 80, '$."\\\\u0001"', 90)"""),
    ("names", """JSON_REMOVE(d, '$."b c"', '$."new\\\\nline"', '$."a.b"', '$."ünï"."日本"', '$."\\\\u0001"')"""),
    ("names", """JSON_SET(d, '$."nøt an ident"', 1, '$.ünb', 2, '$.x_$1', 3, '$."1x"', 4, '$."😀"', 5, '$."tab\\\\t"', 6)"""),
    ("numbers", "JSON_SET(d, '$.i16', 70000, '$.u64', 1, '$.d', CAST(2 AS DOUBLE), '$.dec', CAST('99999.99' AS DECIMAL(7,2)))"),
    ("numbers", "JSON_REPLACE(d, '$.i32', CAST(1 AS UNSIGNED), '$.i64', 9223372036854775807, '$.u16', -1)"),
    ("numbers", "JSON_SET(d, '$.new', 0.1e0, '$.nd', 0.10, '$.f', -0e0)"),
    ("opaque", "JSON_SET(d, '$.date', DATE'1999-12-31', '$.t', TIME'100:00:00.5', '$.bin', x'deadbeef', '$.y', CAST(2020 AS YEAR))"),
    ("opaque", "JSON_REMOVE(d, '$.dt', '$.bit')"),
    ("opaque", "JSON_SET(d, '$.long', CAST(REPEAT('ab', 100) AS BINARY))"),
    ("deep", "JSON_SET(d, '$" + ".a" * 50 + "[0]" * 49 + "', 8)"),
    ("deep", "JSON_SET(d, '$" + ".a" * 49 + ".b', 8)"),
    ("deep", "JSON_REMOVE(d, '$" + ".a" * 50 + "[0]" * 48 + "')"),
    ("large", "JSON_SET(d, '$.list[1]', 'x', '$.k.yy', 3, '$.k.www', REPEAT('w', 300))"),
    ("large", "JSON_REMOVE(d, '$.pad')"),
    ("large", "JSON_REPLACE(d, '$.pad', REPEAT('y', 66000))"),
    ("scalar_array", "JSON_SET(d, '$[17]', 'x', '$[299]', 1.5, '$[300]', 'app')"),
    ("scalar_array", "JSON_REMOVE(d, '$[0]', '$[100]', '$[297]')"),
    ("empty", "JSON_SET(d, '$.a', 1)"),
    ("empty", "JSON_SET(d, '$.b', JSON_OBJECT(), '$.b.c', JSON_ARRAY(), '$.b.c[0]', 1)"),
]


def lenenc(data, at):
    first = data[at]
    size = {0xFC: 2, 0xFD: 3, 0xFE: 8}.get(first, 0)
    return (first, at + 1) if size == 0 else (int.from_bytes(data[at + 1:at + 1 + size], "little"), at + 1 + size)


def logged(folder, first):
    """(id, document, diffs) of the partial updates of t(id INT, d JSON); diffs is None for a document logged whole."""
    for path in sorted(Path(folder).glob("binlog.0*")):
        if path.name < first:
            continue
        data = path.read_bytes()
        at = 4
        while at + 19 <= len(data):
            size = struct.unpack_from("<I", data, at + 9)[0]
            if data[at + 4] == 39:
                body = data[at + 19:at + size - 4]
                place = 8 + struct.unpack_from("<H", body, 8)[0]
                assert body[place:place + 3] == b"\x02\xff\xff", body[place:place + 3]
                place += 3
                assert body[place] == 0
                key = struct.unpack_from("<i", body, place + 1)[0]
                length = struct.unpack_from("<I", body, place + 5)[0]
                document = body[place + 9:place + 9 + length]
                place += 9 + length
                options, partial = body[place], body[place + 1]
                assert options in (0, 1)
                if options == 0:
                    yield key, document, None
                    at += size
                    continue
                length = struct.unpack_from("<I", body, place + 7)[0]
                diffs = body[place + 11:place + 11 + length]
                assert place + 11 + length == len(body)
                yield key, document, diffs if partial else None
            at += size


def short(text, unit):
    return re.sub(r"(" + "." * unit + r")\1{199,}", lambda run: f"<<{run[1]}*{len(run[0]) // unit}>>", text)


def main(socket, client, folder):
    def run(sql):
        done = subprocess.run([client, "--no-defaults", "-uroot", f"-S{socket}", "--default-character-set=utf8mb4", "-N", "-B", "-r"],
                              input=sql, text=True, check=True, capture_output=True)
        return done.stdout

    sql = ["DROP DATABASE IF EXISTS jsondiff; CREATE DATABASE jsondiff; USE jsondiff; SET binlog_row_value_options=PARTIAL_JSON,"
           " binlog_transaction_compression=OFF; CREATE TABLE t (id INT PRIMARY KEY, d JSON);"
           "CREATE TABLE b (id INT PRIMARY KEY, d JSON);"]
    for number, (name, change) in enumerate(UPDATES):
        sql.append(f"INSERT INTO t VALUES ({number}, {DOCUMENTS[name]}); INSERT INTO b SELECT * FROM t WHERE id={number};"
                   f" UPDATE t SET d={change} WHERE id={number};")
    run("FLUSH BINARY LOGS")
    first = max(path.name for path in Path(folder).glob("binlog.0*"))
    run("\n".join(sql))
    print("# Made by json_diff_cases.py; statement, document, diffs, text before, text after.")
    for key, document, diffs in logged(folder, first):
        if diffs is None:
            print(f"logged whole: {UPDATES[key][1]}", file=sys.stderr)
            continue
        before, after = run(f"SELECT d FROM jsondiff.b WHERE id={key}; SELECT d FROM jsondiff.t WHERE id={key}").split("\n")[:2]
        cells = [UPDATES[key][1], short(document.hex(), 2), short(diffs.hex(), 2), short(before, 1), short(after, 1)]
        print("\t".join(cells))


if __name__ == "__main__":
    main(*sys.argv[1:])
