"""JSON with its number tokens kept, and the comparison of messages."""
from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, NoReturn

Json = Any


class Num(str):
    """A JSON number, kept as its token."""

    __slots__ = ()


def _pairs(items: list[tuple[str, Json]]) -> dict[str, Json]:
    out: dict[str, Json] = {}
    for key, value in items:
        if key in out:
            raise ValueError(f"member {key!r} is there twice")
        out[key] = value
    return out


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def loads(text: str | bytes) -> Json:
    """JSON whose numbers are `Num`. Members given twice, NaN and infinities are refused."""
    return json.loads(text, parse_int=Num, parse_float=Num, parse_constant=_constant, object_pairs_hook=_pairs)


def dumps(value: Json) -> str:
    """JSON text, number tokens unchanged."""
    if isinstance(value, Num):
        return str(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key, ensure_ascii=False)}: {dumps(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(dumps(each) for each in value) + "]"
    return json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True)
class Difference:
    """Two messages at one place. `soft`: the place holds a decision, not a rule of the format."""

    path: str
    what: str
    soft: bool = False

    def __str__(self) -> str:
        return f"{self.path or '/'} {self.what}"


@dataclass(frozen=True)
class Judgement:
    """How a comparison treats places of a message, as JSON pointers."""

    exact_keys: Collection[str] = field(default_factory=frozenset)
    lexical: Collection[str] = field(default_factory=frozenset)
    soft: Collection[str] = field(default_factory=frozenset)
    ignore: Collection[str] = field(default_factory=frozenset)

    @classmethod
    def of(cls, case: Mapping[str, Json]) -> Judgement:
        def given(name: Literal["exact_keys", "lexical", "soft", "ignore"]) -> frozenset[str]:
            return frozenset(case.get(name) or ())
        return cls(given("exact_keys"), given("lexical"), given("soft"), given("ignore"))


def _step(path: str, key: str) -> str:
    return path + "/" + key.replace("~", "~0").replace("/", "~1")


class _Comparison:
    def __init__(self, judgement: Judgement) -> None:
        self.judgement = judgement
        self.found: list[Difference] = []

    def run(self, expected: Json, actual: Json, path: str, soft: bool) -> None:
        if path in self.judgement.ignore:
            return
        soft = soft or path in self.judgement.soft
        what = self.scalar(expected, actual, path) if not isinstance(expected, dict | list) else None
        if isinstance(expected, dict):
            what = self.members(expected, actual, path, soft)
        elif isinstance(expected, list):
            what = self.items(expected, actual, path, soft)
        if what is not None:
            self.found.append(Difference(path, what, soft))

    def members(self, expected: dict[str, Json], actual: Json, path: str, soft: bool) -> str | None:
        if not isinstance(actual, dict):
            return f"expected an object, got {dumps(actual)[:120]}"
        if path in self.judgement.exact_keys:
            missing = [key for key in expected if key not in actual and _step(path, key) not in self.judgement.ignore]
            unexpected = [key for key in actual if key not in expected and _step(path, key) not in self.judgement.ignore]
            if missing or unexpected:
                self.found.append(Difference(path, f"keys differ: missing {missing}, unexpected {unexpected}", soft))
        for key in [*expected, *(key for key in actual if key not in expected)]:
            self.run(expected.get(key), actual.get(key), _step(path, key), soft)
        return None

    def items(self, expected: list[Json], actual: Json, path: str, soft: bool) -> str | None:
        if not isinstance(actual, list) or len(actual) != len(expected):
            return f"expected an array of {len(expected)}, got {dumps(actual)[:120]}"
        for i, (left, right) in enumerate(zip(expected, actual, strict=True)):
            self.run(left, right, f"{path}/{i}", soft)
        return None

    def scalar(self, expected: Json, actual: Json, path: str) -> str | None:
        if expected is None:
            return None if actual is None else f"expected null, got {dumps(actual)[:120]}"
        if isinstance(expected, Num):
            if not isinstance(actual, Num):
                return f"expected the number {expected}, got {dumps(actual)[:120]}"
            if path in self.judgement.lexical:
                return None if str(expected) == str(actual) else f"expected the token {expected}, got {actual}"
            return None if Decimal(expected) == Decimal(actual) else f"expected {expected}, got {actual}"
        if type(expected) is not type(actual) or expected != actual:
            return f"expected {dumps(expected)[:200]}, got {dumps(actual)[:200]}"
        return None


def compare(expected: Json, actual: Json, judgement: Judgement | None = None) -> list[Difference]:
    """Where two messages read by `loads` differ.

    Objects are unordered and a missing member equals null, but in the objects of `exact_keys`, whose members must be
    the same. Arrays are ordered. A number is never a text; numbers are compared as exact decimals, at the places of
    `lexical` token by token.
    """
    comparison = _Comparison(judgement or Judgement())
    comparison.run(expected, actual, "", False)
    return comparison.found
