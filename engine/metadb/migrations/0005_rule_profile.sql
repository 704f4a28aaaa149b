-- What the rules of each table did and cost, by version of the rules. Times are of one batch in 64. The row without table has the
-- native steps of all tables; "(others)" is the sum of tables beyond the limit.
CREATE TABLE rule_profile (
  version TEXT NOT NULL,
  "table" TEXT NOT NULL,
  hook TEXT NOT NULL,               -- 'map', 'row', 'row+map'; '' = no function
  events_in INTEGER NOT NULL,
  events_out INTEGER NOT NULL,
  dropped_ops INTEGER NOT NULL,
  dropped_where INTEGER NOT NULL,
  dropped_row INTEGER NOT NULL,
  dropped_map INTEGER NOT NULL,
  errors INTEGER NOT NULL,
  timed_events INTEGER NOT NULL,
  timed_ns INTEGER NOT NULL,
  serialize_events INTEGER NOT NULL,
  serialize_ns INTEGER NOT NULL,
  updated_us INTEGER NOT NULL,
  PRIMARY KEY (version, "table")
) STRICT, WITHOUT ROWID;
CREATE VIEW v1_rule_profile AS
  SELECT version, "table", hook, events_in, events_out, dropped_ops, dropped_where, dropped_row, dropped_map, errors,
         timed_events, timed_ns, serialize_events, serialize_ns, updated_us
  FROM rule_profile;
-- What is out of order while the job runs.
ALTER TABLE status ADD COLUMN warning TEXT NOT NULL DEFAULT '';
