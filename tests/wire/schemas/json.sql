-- Table of the last transaction of mdev35643_mysql_80_binlog.000001, read without the CREATE TABLE before it.
CREATE TABLE test.t2 (a INT PRIMARY KEY, b JSON);
