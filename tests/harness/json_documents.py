"""Random JSON documents and changes of them in place, as SQL expressions of MySQL."""

KEYS = ["a", "b", "id", "name", "long_member_name", "k é", "with space", "dot.ted", "qu\"ote", "back\\slash", "日本", "$", "", "0", "x\ty",
        "A", "aa", "ab", "zzzz", "ünï"]
IDENTIFIERS = {"a", "b", "id", "name", "long_member_name", "A", "aa", "ab", "zzzz", "ünï"}
SCALARS = ["NULL", "true", "false", "0", "-1", "127", "32767", "32768", "-32769", "65535", "2147483647", "-2147483649", "9223372036854775807",
           "18446744073709551615", "CAST(40000 AS UNSIGNED)", "1.5e0", "-0e0", "1e300", "0.1e0", "123456789012345680e0", "1.50",
           "CAST('-99999999999999999999.123456789' AS DECIMAL(40,9))", "DATE'2020-02-29'", "TIME'-838:59:59'", "TIME'00:00:01.000001'",
           "TIMESTAMP'2020-01-01 00:00:00.5'", "x'00ff7f'", "CAST('bytes' AS BINARY)", "b'1011'", "CAST(2024 AS YEAR)", "''", "'text'",
           "'quote \" back\\\\ tab\\t nul\\0 end'", "'ünïcödé 🚀'", "REPEAT('x', 127)", "REPEAT('y', 128)", "REPEAT('long', 5000)"]


def sql_text(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "''").replace("\t", "\\t") + "'"


def scalar(rng):
    return rng.choice(SCALARS) if rng.random() < 0.7 else str(rng.randint(-2**63, 2**63 - 1) >> rng.randint(0, 63))


def document(rng, depth=0):
    """(SQL, shape): shape is a dict, a list, or None for a scalar."""
    kind = rng.random()
    if depth > 4 or (depth and kind < 0.4):
        return scalar(rng), None
    size = rng.choice([0, 1, 2, 3, 5, 8])
    if kind < 0.7:
        members = {key: document(rng, depth + 1) for key in rng.sample(KEYS, size)}
        sql = ", ".join(f"{sql_text(key)}, {value}" for key, (value, _) in members.items())
        return f"JSON_OBJECT({sql})", {key: shape for key, (_, shape) in members.items()}
    parts = [document(rng, depth + 1) for _ in range(size)]
    return f"JSON_ARRAY({', '.join(value for value, _ in parts)})", [shape for _, shape in parts]


def deep(rng):
    """Nested as far as the server allows, small enough that a change is logged as a difference."""
    levels = rng.randint(60, 97)
    opened, closed = "", ""
    for _ in range(levels):
        is_object = rng.random() < 0.5
        opened += '{"a": ' if is_object else "["
        closed = ("}" if is_object else "]") + closed
    return f"'{opened}1{closed}'"


def member(key):
    if key in IDENTIFIERS:
        return "." + key
    return '."' + key.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t") + '"'


def path(rng, shape):
    text = "$"
    while True:
        if isinstance(shape, dict):
            key = rng.choice(list(shape)) if shape and rng.random() < 0.8 else rng.choice(KEYS)
            text += member(key)
            shape = shape.get(key)
        elif isinstance(shape, list):
            at = rng.randrange(len(shape)) if shape and rng.random() < 0.8 else len(shape) + rng.randint(0, 3)
            text += f"[last-{at}]" if rng.random() < 0.2 else f"[{at}]"
            shape = shape[at] if at < len(shape) else None
        elif text == "$" or rng.random() < 0.1:   # a scalar is an array of one
            text += rng.choice(["[0]", "[last]", "[2]", ".a"])
        if shape is None or rng.random() < 0.3:
            return text


def change(rng, shape, column="d"):
    function = rng.choice(["JSON_SET", "JSON_SET", "JSON_REPLACE", "JSON_REMOVE"])
    words = []
    for _ in range(rng.choice([1, 1, 2, 3, 6])):
        words.append(sql_text(path(rng, shape)))
        if function != "JSON_REMOVE":
            words.append(document(rng, 3)[0] if rng.random() < 0.4 else scalar(rng))
    return f"{column}={function}({column}, {', '.join(words)})"
