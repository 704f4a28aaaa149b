-- What CREATE SEQUENCE makes: the statement in master-bin-seq_10.3.36.000001 names no columns.
CREATE TABLE test.s1 (next_not_cached_value BIGINT NOT NULL, minimum_value BIGINT NOT NULL, maximum_value BIGINT NOT NULL,
  start_value BIGINT NOT NULL, increment BIGINT NOT NULL, cache_size BIGINT UNSIGNED NOT NULL,
  cycle_option TINYINT UNSIGNED NOT NULL, cycle_count BIGINT NOT NULL);
