"""Every failure has a code, a class, a cause and a solution."""
import pickle

import pytest

import tailrace as tr
from tailrace import _core, errors


def test_explain_knows_every_code_of_the_catalogue():
    listed = _core.all_errors()
    assert len(listed) > 40
    for entry in listed:
        info = tr.explain(entry["code"].lower())
        assert info.to_dict() == entry
        assert info.message and info.cause and info.solution
        assert info.retry in ("never", "transient", "operator")
    with pytest.raises(errors.ConfigError, match=r"no error code 'SRC-0097'; did you mean SRC-00"):
        tr.explain("SRC-0097")


@pytest.mark.parametrize(("code", "kind"), [
    ("CFG-0002", errors.ConfigError), ("SRC-0001", errors.SourceError), ("SRC-0002", errors.AuthError),
    ("SRC-0007", errors.PositionPurged), ("SRC-0016", errors.SourceDeaf), ("SCH-0003", errors.SchemaChanged), ("SCH-0005", errors.SchemaHeld),
    ("RULE-0102", errors.RuleError), ("RULE-0107", errors.RuleTimeout), ("FMT-0001", errors.FormatError),
    ("SINK-0003", errors.SinkError), ("JOB-0004", errors.JobExists), ("JOB-0005", errors.JobOwned),
    ("JOB-0008", TimeoutError), ("META-0004", errors.MetaError), ("INT-0001", errors.InternalError),
])
def test_class_of_a_code(code, kind):
    error = errors.make(code, "what happened", table="shop.orders")
    assert isinstance(error, kind) and isinstance(error, errors.TailraceError)
    assert error.context == {"table": "shop.orders"}
    assert str(error).startswith(code) and "what happened" in str(error) and "table=shop.orders" in str(error)
    assert error.retryable == (error.retry == "transient")


def test_every_code_has_a_family():
    for entry in _core.all_errors():
        assert errors.class_of(entry["code"]) is not errors.InternalError or entry["code"].startswith("INT-")


def test_causes_notes_and_pickle():
    inner = {"code": "SRC-0012", "detail": "reset by peer", "context": {}, "caused_by": None}
    error = errors.from_core({"code": "SRC-0016", "detail": "30 s", "context": {"server": "db1"}, "caused_by": inner})
    assert error.__notes__ == ["caused by SRC-0012 reset by peer"]
    again = pickle.loads(pickle.dumps(error))
    assert again.to_dict() == error.to_dict() and type(again) is errors.SourceDeaf
    card = "\n".join(error._render_traceback_())
    for part in ("SRC-0016", "server=db1", "SRC-0012 reset by peer", "cause", "solution", "tailrace explain SRC-0016"):
        assert part in card


def test_a_server_that_is_not_there():
    with pytest.raises(errors.SourceError) as caught:
        tr.connect("mysql://mig@127.0.0.1:1", password="x", connect_timeout="2s")
    assert caught.value.code == "SRC-0001" and caught.value.retryable
    report = tr.source("mysql://mig@127.0.0.1:1", password="x", connect_timeout="2s").doctor()
    assert not report.ok
    with pytest.raises(errors.SourceError):
        report.raise_if_blocked()
