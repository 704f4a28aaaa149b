-- Table of the *-row.binlog files, whose logs begin behind its CREATE TABLE.
CREATE TABLE test.ba (ks INT NOT NULL PRIMARY KEY, st INT, lp INT);
