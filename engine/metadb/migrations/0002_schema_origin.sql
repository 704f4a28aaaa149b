-- Where a version of a table came from, and for what was read from the server's catalogue between which two positions
-- of the log it was read: behind the second it holds, before it is a guess. Rows without table are of a database.
ALTER TABLE schema_history ADD COLUMN origin TEXT NOT NULL DEFAULT '';
ALTER TABLE schema_history ADD COLUMN read_low TEXT NOT NULL DEFAULT '';
ALTER TABLE schema_history ADD COLUMN read_high TEXT NOT NULL DEFAULT '';
DROP VIEW v1_schema;
DROP VIEW v1_ddl;
CREATE VIEW v1_schema AS
  SELECT seq, database, "table", source_kind, position, schema, saved_us, origin
  FROM schema_history WHERE "table" <> '';
CREATE VIEW v1_ddl AS
  SELECT seq, database, "table", source_kind, position, ddl, saved_us FROM schema_history WHERE ddl <> '';

-- Tables set aside (pipeline.on_schema_error = "quarantine"); their first event is a dead letter.
CREATE TABLE quarantine (
  database TEXT NOT NULL,
  "table" TEXT NOT NULL,
  code TEXT NOT NULL,
  at_us INTEGER NOT NULL,
  PRIMARY KEY (database, "table")
) STRICT, WITHOUT ROWID;
DROP VIEW v1_table;
CREATE VIEW v1_table AS
  SELECT t.database, t."table", target, CASE WHEN q.code IS NULL THEN state ELSE 'quarantined' END AS state, rows_done, rows_total,
         rows_per_s, inserts, updates, deletes, dropped, updated_us
  FROM table_stat t LEFT JOIN quarantine q ON q.database = t.database AND q."table" = t."table";
