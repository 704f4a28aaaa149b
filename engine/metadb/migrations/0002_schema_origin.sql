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
