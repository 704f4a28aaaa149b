"""Comparison of what a sink holds with the truth of the source. Every function gives a list of differences as text."""
import collections
import json
import sqlite3
import subprocess
from dataclasses import dataclass, field

from . import truth
from .values import Number, Unexpected, differing, from_default, from_sqlite

SHOWN = 5


def describe(table, row):
    if row is None:
        return "none"
    return "(" + ", ".join(f"{column.name}={value!r}" for column, value in zip(table.columns, row, strict=True)) + ")"


# -- SQLite -------------------------------------------------------------------------------------------
def sqlite_rows(path, table, target=None):
    """Rows of a table of the sink, in the order of the source's columns. Columns _tailrace_* are the sink's own."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    try:
        name = target or table.name
        found = [row[1] for row in connection.execute(f'PRAGMA table_info("{name}")')]
        data = [column for column in found if not column.startswith("_tailrace_")]
        if sorted(data) != sorted(column.name for column in table.columns):
            raise Unexpected(f"table {name} of the sink has columns {data}")
        cells = ", ".join(f'"{column.name}"' for column in table.columns)
        return [tuple(from_sqlite(column, value) for column, value in zip(table.columns, row, strict=True))
                for row in connection.execute(f'SELECT {cells} FROM "{name}"')]
    finally:
        connection.close()


def sqlite_checkpoint(path):
    """The checkpoint that the sink keeps beside its data, or None."""
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
        try:
            return connection.execute("SELECT position, snapshot_state, rows FROM _tailrace_checkpoint").fetchone()
        finally:
            connection.close()
    except sqlite3.OperationalError:
        return None


def row_sets(table, expected, found):
    """Differences of two lists of rows: by key, or as multisets when there is none."""
    if not table.key:
        want, have = collections.Counter(expected), collections.Counter(found)
        lost = [f"{table.full_name()}: missing {count}x {describe(table, row)}" for row, count in (want - have).items()]
        more = [f"{table.full_name()}: too many {count}x {describe(table, row)}" for row, count in (have - want).items()]
        return lost[:SHOWN] + more[:SHOWN] + ([f"… {len(lost)} missing, {len(more)} too many"] if lost or more else [])
    want = {table.key_of(row): row for row in expected}
    have = {table.key_of(row): row for row in found}
    problems = []
    if len(have) != len(found):
        problems.append(f"{table.full_name()}: {len(found) - len(have)} rows of the sink share a key")
    for key in want.keys() | have.keys():
        left, right = want.get(key), have.get(key)
        if left is None or right is None:
            problems.append(f"{table.full_name()} {key}: source {describe(table, left)}, sink {describe(table, right)}")
        elif names := differing(table, left, right):
            values = "; ".join(f"{name}: source {left[table.index(name)]!r}, sink {right[table.index(name)]!r}"
                               for name in names)
            problems.append(f"{table.full_name()} {key}: {values}")
    return problems[:SHOWN] + ([f"… {len(problems)} differences in {table.full_name()}"] if len(problems) > SHOWN else [])


def compare_sqlite(database, path, tables):
    problems, rows = [], 0
    for table in tables:
        expected = truth.rows(database, table)
        rows += len(expected)
        try:
            problems += row_sets(table, expected, sqlite_rows(path, table))
        except (Unexpected, sqlite3.Error) as error:
            problems.append(f"{table.full_name()}: {error}")
    return problems, rows


# -- messages -----------------------------------------------------------------------------------------
@dataclass
class Message:
    lane: str          # what is ordered within itself: topic and partition, or the file sink's stream
    op: str            # read | insert | update | delete | truncate
    before: tuple
    after: tuple


OPS = {"ROW": "read", "INSERT": "insert", "UPDATE": "update", "DELETE": "delete"}


def parse_default(text, lane, tables, found):
    """Sort one message of the `default` format into found[full table name]."""
    value = json.loads(text, parse_float=Number)
    kind = value["recordType"]
    if kind == "HEARTBEAT":
        return
    meta = value["allMetaData"]
    name = f"{meta['db']}.{meta['table_name']}"
    table = tables.get(name)
    if table is None:
        raise Unexpected(f"a message of a table nobody asked for: {name}")
    if kind == "DDL":
        if meta.get("ddlType") == "TRUNCATE_TABLE":
            found[name].append(Message(lane, "truncate", None, None))
        return

    def image(member):
        row = value[member]
        if row is None:
            return None
        if set(row) != set(table.by_name):
            raise Unexpected(f"{name}: image has columns {sorted(row)}")
        return tuple(from_default(column, row[column.name]) for column in table.columns)

    message = Message(lane, OPS[kind], image("prevStruct"), image("postStruct"))
    if (message.before is None) != (kind in ("ROW", "INSERT")) or (message.after is None) != (kind == "DELETE"):
        raise Unexpected(f"{name}: {kind} has the wrong images")
    found[name].append(message)


def kafka_topics(broker):
    text = subprocess.run(["kcat", "-b", broker, "-L", "-J"], capture_output=True, check=True, text=True).stdout
    return {topic["topic"]: len(topic["partitions"]) for topic in json.loads(text)["topics"]}


def kafka_messages(broker, tables):
    found = {table.full_name(): [] for table in tables}
    by_name = {table.full_name(): table for table in tables}
    topics = kafka_topics(broker)
    for name in found:
        if name not in topics:
            continue
        process = subprocess.Popen(["kcat", "-q", "-C", "-e", "-b", broker, "-t", name, "-o", "beginning",
                                    "-f", "%p %K %S\n%k%s\n"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while head := process.stdout.readline():
            partition, key_size, size = (int(word) for word in head.split())
            process.stdout.read(max(0, key_size))
            text = process.stdout.read(max(0, size))
            if process.stdout.read(1) != b"\n":
                raise RuntimeError("kcat's output is not understood")
            if size >= 0:
                parse_default(text, f"{name}/{partition}", by_name, found)
        if process.wait():
            raise RuntimeError(f"kcat: {process.stderr.read().decode()}")
    return found


def file_messages(folder, tables, prefix="changes"):
    """The lines of the file sink's segments, in order."""
    found = {table.full_name(): [] for table in tables}
    by_name = {table.full_name(): table for table in tables}
    for path in sorted(folder.glob(f"{prefix}-*.jsonl")):
        with open(path, "rb") as lines:
            for text in lines:
                parse_default(text, "file", by_name, found)
    return found


@dataclass
class Checked:
    problems: list = field(default_factory=list)
    changes: int = 0       # of the log that had to be there
    messages: int = 0
    replays: int = 0       # messages delivered again
    reads: int = 0

    def add(self, text):
        self.problems.append(text)


def split_moves(table, changes, make):
    """An update that changes the key is a delete of the old key and an insert of the new one: the order that is kept
    is that of each key."""
    for change in changes:
        if change.op == "update" and table.key and table.key_of(change.before) != table.key_of(change.after):
            yield make(change, "delete", change.before, None)
            yield make(change, "insert", None, change.after)
        else:
            yield change


def same_change(table, change, message):
    if change.op != message.op:
        return False
    for left, right in ((change.before, message.before), (change.after, message.after)):
        if (left is None) != (right is None):
            return False
        if left is not None and differing(table, left, right, loose_float=True):
            return False
    return True


def check_messages(table, messages, log, start, final, restarts, result):
    """With `restarts` 0 nothing may come twice. Every change of the log from `start` on is there, per key and in order; what was delivered again is a
    contiguous repetition, at most one a restart; rows read by the copy agree with the state the messages give;
    the state at the end is what SELECT says.

    `start` (file, offset) is a position at or after the one the job began with: changes before it may be missing.
    """
    def route(before, after):
        return table.key_of(before if before is not None else after) if table.key else ()

    log = list(split_moves(table, log, lambda change, op, before, after: truth.Change(op, before, after, change.place)))
    messages = list(split_moves(table, messages, lambda message, *images: Message(message.lane, *images)))
    expected = collections.defaultdict(list)
    for change in log:
        expected[route(change.before, change.after)].append(change)
    at, rewinds, lane_of = {}, collections.Counter(), {}
    lanes = {message.lane for message in messages}
    can_fold = len(lanes) <= 1 or table.key
    state = {}             # key -> row, or None once deleted
    copied = set()         # keys of rows read by the copy
    limit = len(result.problems) + SHOWN
    for message in messages:
        if len(result.problems) >= limit:
            return
        result.messages += 1
        if message.op == "truncate":
            state.clear()
            continue
        key = route(message.before, message.after)
        lane = lane_of.setdefault(key, message.lane)
        if lane != message.lane:
            result.add(f"{table.full_name()} {key}: in two partitions, {lane} and {message.lane}")
            continue
        if message.op == "read":
            result.reads += 1
            if can_fold:
                row_key = table.key_of(message.after)
                if table.key and not restarts and row_key in copied:
                    result.add(f"{table.full_name()} {row_key}: copied twice")
                copied.add(row_key)
                if table.key and row_key in state and state[row_key] != message.after:
                    # A FLOAT or whatever the log shows inexactly is not in question here: both are messages.
                    result.add(f"{table.full_name()} {row_key}: the copy gave {describe(table, message.after)}, the "
                               f"changes before it {describe(table, state[row_key])}")
                state[row_key] = message.after
            continue
        changes = expected.get(key, ())
        place = at.get(key)
        rewound = False
        if place is not None and place < len(changes) and same_change(table, changes[place], message):
            at[key] = place + 1
        elif place is None and (first := next((n for n, change in enumerate(changes)
                                               if same_change(table, change, message)), None)) is not None:
            if table.key and first and changes[first - 1].place >= start:
                result.add(f"{table.full_name()} {key}: {first} changes are missing before {message.op} "
                           f"{describe(table, message.after or message.before)}")
            at[key] = first + 1
        else:
            again = next((n for n in range((place or 0) - 1, -1, -1) if same_change(table, changes[n], message)), None)
            later = next((n for n in range(place or 0, len(changes)) if same_change(table, changes[n], message)), None)
            if again is not None:
                rewound = True
                rewinds[key] += 1
                result.replays += 1
                at[key] = again + 1
                if rewinds[key] > restarts:
                    result.add(f"{table.full_name()} {key}: delivered again {rewinds[key]} times, restarts {restarts}")
            elif later is not None:
                result.add(f"{table.full_name()} {key}: {later - place} changes are missing, the first one at "
                           f"{changes[place].place}: {changes[place].op} "
                           f"{describe(table, changes[place].after or changes[place].before)}")
                at[key] = later + 1
            else:
                result.add(f"{table.full_name()} {key}: {message.op} that the log does not have: "
                           f"before {describe(table, message.before)}, after {describe(table, message.after)}")
        if can_fold:
            if message.before is not None:
                old = table.key_of(message.before)
                if table.key and not rewound and old in state and state[old] != message.before and not restarts:
                    result.add(f"{table.full_name()} {old}: {message.op} says the row was "
                               f"{describe(table, message.before)}, the messages {describe(table, state[old])}")
                state[old] = None
            if message.after is not None:
                state[table.key_of(message.after)] = message.after
    for key, changes in expected.items():
        due = sum(change.place >= start for change in changes)
        result.changes += due
        place = at.get(key)
        if (place is None and due and table.key) or (place is not None and place != len(changes)):
            result.add(f"{table.full_name()} {key}: {len(changes) - (place or 0)} changes at the end are missing, the "
                       f"first one at {changes[place or len(changes) - due].place}")
            if len(result.problems) >= limit:
                return
    if can_fold:
        result.problems += row_sets(table, final, [row for row in state.values() if row is not None])[:SHOWN]


def kafka_count(broker, topic):
    """Messages of a topic, by the offsets at its ends."""
    count = 0
    for partition in range(kafka_topics(broker)[topic]):
        ends = []
        for when in ("-2", "-1"):
            text = subprocess.run(["kcat", "-q", "-b", broker, "-Q", "-t", f"{topic}:{partition}:{when}"], check=True,
                                  capture_output=True, text=True).stdout
            ends.append(int(text.split()[-1]))
        count += ends[1] - ends[0]
    return count
