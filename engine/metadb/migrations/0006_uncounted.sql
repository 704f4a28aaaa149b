-- Rows that a killed process had delivered, but not counted for their tables.
ALTER TABLE status ADD COLUMN rows_uncounted INTEGER NOT NULL DEFAULT 0;
DROP VIEW v1_job;
CREATE VIEW v1_job AS
  SELECT j.id, j.name, s.state, s.phase, j.config, j.config_hash, j.engine_version, j.sink_identity AS sink,
         j.created_us, j.started_us, s.rows_done, s.rows_total, s.rows_per_s, s.bytes, s.dropped, s.lag_s, s.eta_s,
         s.position, s.rules, s.owner_pid, s.owner_host, s.run_started_us, s.updated_us, s.error_code, s.error_text,
         s.rows_uncounted
  FROM job j LEFT JOIN status s ON s.one = j.one;
-- Each new letter is looked for among them.
CREATE INDEX dead_letter_row ON dead_letter("table", key);
