-- Versions of the rules by what they are made of, and from which position on each holds ("cut"). A waiting cut has no
-- position yet: it holds from where the next run begins. A cut is void when another one came to stand before it.
CREATE TABLE rule_version (
  id INTEGER PRIMARY KEY,
  hash TEXT NOT NULL,               -- '' = no rules
  version TEXT NOT NULL,            -- "shop@9f3ac1"
  file TEXT NOT NULL,
  options TEXT NOT NULL,            -- JSON, secrets as references
  saved_us INTEGER NOT NULL,
  UNIQUE (hash, options)
) STRICT;
CREATE TABLE rule_file (
  version INTEGER NOT NULL,
  name TEXT NOT NULL,               -- as `require` has it; '' = the rule file
  chunk TEXT NOT NULL,
  text BLOB NOT NULL,
  PRIMARY KEY (version, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE rule_cut (
  id INTEGER PRIMARY KEY,
  version INTEGER NOT NULL,
  source_kind TEXT NOT NULL,
  position TEXT NOT NULL,
  by TEXT NOT NULL,                 -- 'file': found when the job started; 'swap'
  changes TEXT NOT NULL,            -- what became of the targets, a statement per line
  state TEXT NOT NULL CHECK (state IN ('waiting', 'holds', 'void')),
  at_us INTEGER NOT NULL
) STRICT;
CREATE VIEW v1_rule AS
  SELECT c.id, v.version, v.hash, v.file, c.source_kind, c.position, c.by, c.changes, c.state, c.at_us
  FROM rule_cut c JOIN rule_version v ON v.id = c.version;

-- Statements that the rules did not let through as they were.
CREATE TABLE ddl_statement (
  id INTEGER PRIMARY KEY,
  txn TEXT NOT NULL,                -- GTID, else "file:offset"; with the ordinal it is found again after a restart
  ordinal INTEGER NOT NULL,
  database TEXT NOT NULL,
  "table" TEXT NOT NULL,
  ddl TEXT NOT NULL,
  kinds TEXT NOT NULL,              -- "drop_column, add_index"
  state TEXT NOT NULL CHECK (state IN ('held', 'released', 'skipped', 'stopped')),
  reason TEXT NOT NULL,
  at_us INTEGER NOT NULL,
  decided_us INTEGER,
  UNIQUE (txn, ordinal, database, "table")
) STRICT;
DROP VIEW v1_ddl;
CREATE VIEW v1_ddl AS
  SELECT seq, database, "table", source_kind, position, ddl, saved_us, '' AS state, '' AS reason, NULL AS id
  FROM schema_history WHERE ddl <> ''
  UNION ALL
  SELECT NULL, database, "table", '', txn, ddl, at_us, state, reason, id FROM ddl_statement;
