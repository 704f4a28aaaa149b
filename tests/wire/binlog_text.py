"""Row changes out of what `mariadb-binlog -vv --base64-output=decode-rows` prints: an account of a log that owes
nothing to the engine.

A change is (operation, table, before, after); an image is a list of (column number, text), NULL is None.
"""
import hashlib
import json
import re
import subprocess

HEAD = re.compile(r"### (INSERT INTO|UPDATE|DELETE FROM) `((?:[^`]|``)*)`\.`((?:[^`]|``)*)`$")
CELL = re.compile(r"###   @(\d+)=(.*)$", re.S)
TYPE = re.compile(r" /\* (\w+).*? meta=\d+ nullable=\d is_null=\d \*/$", re.S)
OPERATIONS = {"INSERT INTO": "insert", "UPDATE": "update", "DELETE FROM": "delete"}
ESCAPES = {"\\": "\\", "'": "'", "n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b"}


def unescape(text):
    """'it\\'s \\x01' as the tool writes it -> its bytes as latin1 text."""
    return re.sub(r"\\(x[0-9a-fA-F]{2}|.)", lambda m: chr(int(m[1][1:], 16)) if len(m[1]) == 3 else ESCAPES.get(m[1], m[1]), text, flags=re.S)


def cell_text(value):
    value, name = TYPE.sub("", value), (TYPE.search(value) or [None, ""])[1]
    if value == "NULL":
        return None
    if value.startswith("'") and value.endswith("'"):
        text = unescape(value[1:-1])
        return text.replace(":", "-") if name == "DATE" else text
    if name in ("INT", "SHORTINT", "TINYINT", "MEDIUMINT", "LONGINT"):
        return value.split(" ")[0]   # "-1 (4294967295)": the column is taken as signed, as it is in all these files
    if value.startswith("b'"):
        return str(int(value[2:-1], 2))
    return value


def apply_json(text, document):
    """JSON_REPLACE(@2, '$.b', 'x') on a document; only replacing members of the top is known."""
    call = re.fullmatch(r"JSON_REPLACE\(@\d+, '\$\.(\w+)', '((?:[^'\\]|\\.)*)'\)", text)
    if not call:
        raise ValueError(f"a partial update of this form is not known: {text[:200]}")
    members = json.loads(document)
    if call[1] in members:
        members[call[1]] = unescape(call[2])
    return json.dumps(members, ensure_ascii=False)


def read_changes(lines):
    changes, image = [], None
    for line in lines:
        if head := HEAD.match(line):
            table = ".".join(name.replace("``", "`") for name in head.groups()[1:])
            changes.append((OPERATIONS[head[1]], table, [], []))
            image = None
        elif line in ("### WHERE", "### SET"):
            image = changes[-1][2 if line == "### WHERE" else 3]
        elif image is not None and (cell := CELL.match(line)):
            number, text = int(cell[1]), cell_text(cell[2])
            if text is not None and text.startswith("JSON_") and not cell[2].startswith("'"):
                text = apply_json(text, dict(changes[-1][2])[number])
            image.append((number, text))
    return changes


def changes_of(tool, file, start=None, stop=None, table=None):
    """Changes that the tool prints between two offsets, of one table or of all that are not the server's own; and what
    it said on its error channel."""
    options = [f"--{name}-position={offset}" for name, offset in (("start", start), ("stop", stop)) if offset]
    done = subprocess.run([tool, "-vv", "--base64-output=decode-rows", *options, str(file)], check=False, capture_output=True)
    changes = read_changes(done.stdout.decode("latin1").split("\n"))
    wanted = [change for change in changes if (change[1] == table if table else not change[1].startswith("mysql."))]
    return wanted, done.stderr.decode(errors="replace").strip()


def digest(changes):
    """A hash over changes in their order."""
    sums = hashlib.sha256()
    for change in changes:
        sums.update(json.dumps(change, ensure_ascii=True, separators=(",", ":")).encode() + b"\n")
    return sums.hexdigest()[:16]
