-- One job. Times are microseconds since 1970 UTC. Tables may change with the engine; the v1_ views only gain columns.
CREATE TABLE job (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  config TEXT NOT NULL,
  config_hash TEXT NOT NULL,
  engine_version TEXT NOT NULL,
  created_us INTEGER NOT NULL,
  started_us INTEGER,
  sink_identity TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE TABLE checkpoint (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  source_kind TEXT NOT NULL,
  position TEXT NOT NULL,
  commit_time_us INTEGER NOT NULL,
  snapshot_state TEXT NOT NULL,
  rows INTEGER NOT NULL,
  saved_us INTEGER NOT NULL
) STRICT;

CREATE TABLE schema_history (
  seq INTEGER PRIMARY KEY,
  source_kind TEXT NOT NULL,
  position TEXT NOT NULL,
  database TEXT NOT NULL,
  "table" TEXT NOT NULL,
  schema TEXT,                      -- JSON; NULL = the table was dropped there
  ddl TEXT NOT NULL,
  saved_us INTEGER NOT NULL
) STRICT;

CREATE TABLE dead_letter (
  id INTEGER PRIMARY KEY,
  at_us INTEGER NOT NULL,
  code TEXT NOT NULL,
  source_kind TEXT NOT NULL,
  position TEXT NOT NULL,
  database TEXT NOT NULL,
  "table" TEXT NOT NULL,
  key TEXT NOT NULL,
  payload TEXT NOT NULL,
  message TEXT NOT NULL
) STRICT;

CREATE TABLE event_log (
  id INTEGER PRIMARY KEY,
  at_us INTEGER NOT NULL,
  level TEXT NOT NULL,
  code TEXT NOT NULL,
  text TEXT NOT NULL
) STRICT;

CREATE TABLE command (
  id INTEGER PRIMARY KEY,
  verb TEXT NOT NULL,
  args TEXT NOT NULL,
  by TEXT NOT NULL,
  at_us INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'taken', 'done', 'failed')),
  answer TEXT NOT NULL DEFAULT '',
  done_us INTEGER
) STRICT;
CREATE INDEX command_state ON command(state) WHERE state = 'new';

CREATE TABLE status (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  state TEXT NOT NULL,
  phase TEXT NOT NULL,
  rows_done INTEGER NOT NULL,
  rows_total INTEGER,
  rows_per_s REAL NOT NULL,
  bytes INTEGER NOT NULL,
  dropped INTEGER NOT NULL,
  lag_s REAL,                       -- NULL = not known
  eta_s REAL,
  source_kind TEXT NOT NULL,
  position TEXT NOT NULL,
  rules TEXT NOT NULL,
  owner_pid INTEGER,
  owner_host TEXT NOT NULL,
  run_started_us INTEGER,
  updated_us INTEGER NOT NULL,
  error_code TEXT NOT NULL,
  error_text TEXT NOT NULL,
  error_json TEXT NOT NULL
) STRICT;

CREATE TABLE table_stat (
  database TEXT NOT NULL,
  "table" TEXT NOT NULL,
  target TEXT NOT NULL,
  state TEXT NOT NULL,
  rows_done INTEGER NOT NULL,       -- of the snapshot
  rows_total INTEGER,               -- estimate of the source
  rows_per_s REAL NOT NULL,
  inserts INTEGER NOT NULL,
  updates INTEGER NOT NULL,
  deletes INTEGER NOT NULL,
  dropped INTEGER NOT NULL,
  updated_us INTEGER NOT NULL,
  PRIMARY KEY (database, "table")
) STRICT, WITHOUT ROWID;

CREATE TABLE chunk (
  database TEXT NOT NULL,
  "table" TEXT NOT NULL,
  number INTEGER NOT NULL,
  from_key TEXT NOT NULL,
  next_key TEXT NOT NULL,           -- '' = the table is done
  rows INTEGER NOT NULL,
  low TEXT NOT NULL,
  high TEXT NOT NULL,
  state TEXT NOT NULL,
  updated_us INTEGER NOT NULL,
  PRIMARY KEY (database, "table", number)
) STRICT, WITHOUT ROWID;

CREATE VIEW v1_job AS
  SELECT j.id, j.name, s.state, s.phase, j.config, j.config_hash, j.engine_version, j.sink_identity AS sink,
         j.created_us, j.started_us, s.rows_done, s.rows_total, s.rows_per_s, s.bytes, s.dropped, s.lag_s, s.eta_s,
         s.position, s.rules, s.owner_pid, s.owner_host, s.run_started_us, s.updated_us, s.error_code, s.error_text
  FROM job j LEFT JOIN status s ON s.one = j.one;
CREATE VIEW v1_table AS
  SELECT database, "table", target, state, rows_done, rows_total, rows_per_s, inserts, updates, deletes, dropped,
         updated_us
  FROM table_stat;
CREATE VIEW v1_chunk AS
  SELECT database, "table", number, from_key, next_key, rows, low, high, state, updated_us FROM chunk;
CREATE VIEW v1_checkpoint AS
  SELECT source_kind, position, commit_time_us, snapshot_state, rows, saved_us FROM checkpoint;
CREATE VIEW v1_schema AS
  SELECT seq, database, "table", source_kind, position, schema, saved_us FROM schema_history;
CREATE VIEW v1_ddl AS
  SELECT seq, database, "table", source_kind, position, ddl, saved_us FROM schema_history WHERE ddl <> '';
CREATE VIEW v1_dead_letter AS
  SELECT id, at_us, code, source_kind, position, database, "table", key, payload, message FROM dead_letter;
CREATE VIEW v1_event AS SELECT id, at_us, level, code, text FROM event_log;
CREATE VIEW v1_command AS SELECT id, verb, args, by, at_us, state, answer, done_us FROM command;
