-- What ordered rules remember (`state` with durable = true). `rule_state` is the base; the journal has what came after it, each
-- change with the mark of the checkpoint it belongs to. Marks behind the checkpoint that a run begins at are discarded.
CREATE TABLE rule_state (
  state TEXT NOT NULL,              -- '' = what the engine keeps beside the states
  key BLOB NOT NULL,
  value BLOB NOT NULL,
  at_us INTEGER NOT NULL,           -- source time of the write
  seq INTEGER NOT NULL,             -- order of the writes
  PRIMARY KEY (state, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE rule_state_mark (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  source_kind TEXT NOT NULL,
  position TEXT NOT NULL,
  snapshot_state TEXT NOT NULL,
  rows INTEGER NOT NULL
) STRICT;
CREATE TABLE rule_state_journal (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  mark INTEGER NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('put', 'remove', 'clear')),
  state TEXT NOT NULL,
  key BLOB NOT NULL,
  value BLOB NOT NULL,
  at_us INTEGER NOT NULL
) STRICT;
