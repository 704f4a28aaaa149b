#!/usr/bin/env python3
"""Compare messages with the conformance cases.

usage: check.py CASES.jsonl ACTUAL.jsonl [-v]

ACTUAL.jsonl: one line per case, {"id": "...", "message": <the message>} or {"id": "...", "raw": "<its text>"}.
(Use "raw" if your JSON writer cannot embed number tokens such as 1.2300 unchanged.)

Rules of comparison (also in formats.md):
  objects   unordered; a duplicate key is an error. A missing key equals null, except in the objects named
            in the case's "exact_keys" (row images and the like), whose key sets must be equal.
  arrays    ordered, same length.
  strings   equal code point by code point after JSON unescaping.
  numbers   a number is never equal to a string; equal as exact decimals (never as binary doubles),
            except at paths in "lexical" (DECIMAL values), where the token must be the same text.
  "ignore"  JSON pointers (subtrees) that are not looked at: the description of the format does not determine them.
  "soft"    JSON pointers (subtrees) that hold the recommended decision: differences are counted apart.
Exit status 0 when every case of CASES is there and has no hard difference.
"""
import json
import sys
from decimal import Decimal


class Num(str):
    """A JSON number, kept as its token."""


def _pairs(items):
    d = {}
    for k, v in items:
        if k in d:
            raise ValueError("duplicate key %r" % k)
        d[k] = v
    return d


def loads(text):
    return json.loads(text, parse_int=Num, parse_float=Num, parse_constant=lambda c: 1 / 0, object_pairs_hook=_pairs)


def dumps(v, indent=None):
    """JSON text of v, number tokens unchanged."""
    if isinstance(v, Num):
        return str(v)
    if isinstance(v, dict):
        return '{' + ', '.join(json.dumps(k, ensure_ascii=False) + ': ' + dumps(x) for k, x in v.items()) + '}'
    if isinstance(v, (list, tuple)):
        return '[' + ', '.join(dumps(x) for x in v) + ']'
    return json.dumps(v, ensure_ascii=False)


def esc(key):
    return key.replace('~', '~0').replace('/', '~1')


def compare(exp, act, case, path='', soft=False, out=None):
    """List of (hard|soft, pointer, what)."""
    out = [] if out is None else out
    if path in case.get('ignore', ()):
        return out
    soft = soft or path in case.get('soft', ())

    def bad(what):
        out.append(('soft' if soft else 'hard', path or '/', what))
    if exp is None:
        if act is not None:
            bad('expected null, got %s' % dumps(act)[:120])
    elif isinstance(exp, dict):
        if not isinstance(act, dict):
            bad('expected an object, got %s' % dumps(act)[:120]); return out
        if path in case.get('exact_keys', ()):
            skip = {k for k in set(exp) ^ set(act) if path + '/' + esc(k) in case.get('ignore', ())}
            if set(exp) - skip != set(act) - skip:
                bad('keys differ: missing %s, unexpected %s' % (sorted(set(exp) - set(act)), sorted(set(act) - set(exp))))
        for k in list(exp) + [k for k in act if k not in exp]:
            compare(exp.get(k), act.get(k), case, path + '/' + esc(k), soft, out)
    elif isinstance(exp, list):
        if not isinstance(act, list) or len(act) != len(exp):
            bad('expected an array of %d, got %s' % (len(exp), dumps(act)[:120])); return out
        for i, (e, a) in enumerate(zip(exp, act)):
            compare(e, a, case, '%s/%d' % (path, i), soft, out)
    elif isinstance(exp, Num):
        if not isinstance(act, Num):
            bad('expected number %s, got %s' % (exp, dumps(act)[:120]))
        elif path in case.get('lexical', ()):
            if str(exp) != str(act):
                bad('expected the token %s, got %s' % (exp, act))
        elif Decimal(exp) != Decimal(act):
            bad('expected %s, got %s' % (exp, act))
    elif type(exp) is not type(act) or exp != act:
        bad('expected %s, got %s' % (dumps(exp)[:200], dumps(act)[:200]))
    return out


def main(argv):
    verbose = '-v' in argv
    cases_path, actual_path = [a for a in argv if a != '-v']
    actual = {}
    for line in open(actual_path, encoding='utf-8'):
        if line.strip():
            a = loads(line)
            actual[a['id']] = loads(a['raw']) if 'raw' in a else a['message']
    total, passed, missing, softs, tiers = {}, {}, 0, 0, {}
    for line in open(cases_path, encoding='utf-8'):
        case = loads(line)
        f, t = case['format'], case['tier']
        total[f] = total.get(f, 0) + 1
        tiers.setdefault(t, [0, 0])[1] += 1
        if case['id'] not in actual:
            missing += 1
            if verbose:
                print('MISSING', case['id'])
            continue
        diffs = compare(case['expect'], actual[case['id']], case)
        softs += sum(d[0] == 'soft' for d in diffs)
        hard = [d for d in diffs if d[0] == 'hard']
        if not hard:
            passed[f] = passed.get(f, 0) + 1
            tiers[t][0] += 1
        for d in (diffs if verbose else hard):
            print(d[0].upper(), case['id'], d[1], d[2])
    for f in sorted(total):
        print('%-24s %4d / %4d' % (f, passed.get(f, 0), total[f]))
    for t in sorted(tiers):
        print('tier %-19s %4d / %4d' % (t, *tiers[t]))
    print('missing %d, soft differences %d' % (missing, softs))
    return 0 if sum(passed.values()) == sum(total.values()) else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
