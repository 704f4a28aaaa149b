---@meta
-- Made by scripts/rule_abi.py of engine/rule/abi.json; do not edit.
-- luacheck: ignore

---@class tailrace.Null
---@class tailrace.Secret
---@class tailrace.Meta
---@class tailrace.Sql
---@class tailrace.Line
---@class tailrace.Names
---@class tailrace.Native native function: use it in `columns`, or call it in `map`
---@overload fun(value: any): string?

---@class tailrace.Row columns by name; `tailrace rule types` makes a class per table
---@field [string] any

---@class tailrace.bigint
---@operator add(number|tailrace.bigint): tailrace.bigint
---@operator sub(number|tailrace.bigint): tailrace.bigint
---@operator mul(number|tailrace.bigint): tailrace.bigint
---@operator mod(number|tailrace.bigint): tailrace.bigint
---@operator unm: tailrace.bigint

---@class tailrace.decimal
---@operator add(number|tailrace.decimal): tailrace.decimal
---@operator sub(number|tailrace.decimal): tailrace.decimal
---@operator mul(number|tailrace.decimal): tailrace.decimal
---@operator div(number|tailrace.decimal): tailrace.decimal
---@operator unm: tailrace.decimal
---@field round fun(self: tailrace.decimal, scale: integer): tailrace.decimal half away from zero

---@class tailrace.Event: tailrace.Row an event as `row` sees it; columns by name, too
---@field op string compare with `op.insert` …
---@field db string database at the source
---@field table string table at the source
---@field ts_us number commit time at the source in microseconds since 1970
---@field gtid string id of the transaction
---@field pos string place in the log
---@field key string key of the row as text
---@field txn { id: string, ordinal: number } the transaction, and the number of the event in it
---@field snapshot boolean a row of the first copy
---@field before tailrace.Row? the row before an update or delete
---@field after tailrace.Row? the row after an insert or update
---@field changed fun(self: tailrace.Event, ...: string): boolean did one of the columns change, or any at all
---@field changed_only fun(self: tailrace.Event, ...: string): boolean did these columns change and no other
---@field append fun(self: tailrace.Event, output: string, values: table<string, any>) a row of a table in `outputs` that has `append`
---@field to string set it in `row`: another table `database.table` with the entry's columns
---@field topic string set it in `row`: the topic of the message
---@field partition_key string set it in `row`: what chooses the partition
---@field headers table<string, string|number> set fields of it in `row`: message headers

---@class tailrace.Rules what a rule file returns
---@field api 1 version of the rule language
---@field tables? table<string, tailrace.Entry|boolean|fun(t: tailrace.Table): tailrace.Entry|boolean> pattern to entry; false drops the table, true takes it as it is, a function makes the entry per table
---@field default? "keep"|"drop"|"stop" for tables that no pattern matches
---@field mode? "stateless"|"ordered" ordered: functions remember, in the order of the log
---@field state? table<string, tailrace.State> ordered: what `row` and `tick` remember, by name
---@field tick? fun(ctx: tailrace.Context, now_us: number) ordered: called each `tick_every` of source time
---@field tick_every? string such as "10s", "5m"
---@field lookups? table<string, tailrace.Lookup> tables that functions read by key, `ctx.lookup.name[key]`
---@field ddl? { deny: string[], on_denied: ("hold"|"skip"|"stop")? }|fun(ev: tailrace.DdlEvent, ctx: tailrace.Context): boolean? what becomes of schema changes: false skips one
---@field options? table<string, string|number|boolean|tailrace.Secret> names and defaults that the job may override; `secret` must be given
---@field outputs? table<string, tailrace.Output> further tables, filled by `out:add` and `ev:append`
---@field on_error? fun(err: { code: string, message: string, text: string, hook: string }, ev: tailrace.Event): "stop"|"dead_letter"|"skip"|nil asked about each event that failed
---@field txn? fun(t: { id: string, server_id: number, ts_us: number }, ctx: tailrace.Context): boolean? where a transaction begins: false drops it whole
---@field start? fun(ctx: tailrace.Context) once per Lua state, before the first row

---@class tailrace.Entry an entry of `tables`
---@field ops? ("insert"|"update"|"delete"|"read"|"truncate")[] events to take
---@field where? string|{ [1]: string, dialect: string? } rows to take, as a SQL condition; both images are tested
---@field to? string target `database.table`, a template
---@field key? string[] key columns at the target, by their names there
---@field columns? tailrace.Names|table<string|integer, false|string|tailrace.Native|tailrace.Meta|tailrace.Sql|tailrace.NewColumn|tailrace.Names> false drops, a text renames, a native function changes, a table adds or gives another type, `name.snake {}` and its like rename in bulk
---@field deletes? "apply"|"drop"|{ set: table<string, any> } what becomes of deletes; `set` updates the row instead
---@field topic? string template of the message's topic
---@field partition_by? string[] columns whose values choose the partition
---@field headers? table<string, string> templates of message headers
---@field serialize? string|tailrace.Line|fun(ev: tailrace.Event, out: tailrace.Message, ctx: tailrace.Context): boolean? makes the message: a format, a `line` template, or a function
---@field row? fun(ev: tailrace.Event, ctx: tailrace.Context): boolean? decides per event: false drops it
---@field map? fun(row: tailrace.Row, out: tailrace.Out, ctx: tailrace.Context): boolean? changes values per row image: false drops the image

---@class tailrace.Output an entry of `outputs`
---@field key? string[] key columns; not with `append`
---@field columns string[] "name sql-type [not null]"
---@field append? boolean no key: rows are added by `ev:append` and never changed
---@field topic? string as in an entry
---@field partition_by? string[] as in an entry
---@field headers? table<string, string> as in an entry
---@field serialize? string|tailrace.Line|fun(ev: tailrace.Event, out: tailrace.Message, ctx: tailrace.Context): boolean? as in an entry

---@class tailrace.NewColumn a column that `columns` adds
---@field [1]? string SQL type, such as "varchar(64)"
---@field value? string|tailrace.Meta|tailrace.Sql a template; without it `map` fills the column
---@field as? "number" functions read a 64-bit integer as a plain number
---@field name? string the column's name at the target
---@field null? boolean false makes it NOT NULL

---@class tailrace.Table a table as the function of an entry sees it
---@field db string database at the source
---@field table string table at the source
---@field columns { name: string, type: string, nullable: boolean }[] in the order of the table
---@field key string[] columns of the primary key

---@class tailrace.State an entry of `state`
---@field key "bigint"|"text"|("bigint"|"text")[] type of the key; of a list: `ctx.state.name[{ a, b }]`
---@field value "number"|"bigint"|"text"|"boolean" type of the value
---@field max? number entries, 1e6 by default; the oldest write goes first
---@field max_bytes? string size with keys, "64MiB" by default
---@field ttl? string source time after which an entry is gone, such as "24h"
---@field durable? boolean kept in the job file, over restarts

---@class tailrace.Lookup an entry of `lookups`
---@field csv? string a CSV file, its first line names the columns
---@field sqlite? string a SQLite file, with `sql`
---@field sql? string one SELECT
---@field key string the column that rows are found by
---@field columns? table<string, string> SQL types of columns
---@field max_bytes? string "64MiB" by default

---@class tailrace.LookupTable a table of `ctx.lookup`
---@field must fun(self: tailrace.LookupTable, key: any): tailrace.Row the row of a key; an error when there is none
---@field [any] tailrace.Row? the row of a key

---@class tailrace.DdlEvent a schema change as `ddl` sees it
---@field db string database at the source
---@field table string table at the source
---@field statement string as it was logged
---@field target string what the target would be told; empty: nothing
---@field kinds string what it does, such as `drop_column, add_index`
---@field gtid string id of the transaction
---@field ts_us number commit time at the source in microseconds since 1970
---@field has fun(self: tailrace.DdlEvent, ...: string): boolean is it of one of these kinds
---@field without fun(self: tailrace.DdlEvent, ...: string): boolean leaves kinds out
---@field only fun(self: tailrace.DdlEvent, ...: string): boolean leaves all other kinds out
---@field hold fun(self: tailrace.DdlEvent, reason: string): boolean the job pauses before it until a person decides
---@field sql fun(self: tailrace.DdlEvent, text: string): boolean this text in place of the statement

---@class tailrace.Out what `map` is given second
---@field add fun(self: tailrace.Out, output: string, values: table<string, any>) a row of a table in `outputs`

---@class tailrace.Message what `serialize` is given second
---@field put fun(self: tailrace.Message, text: string|number|tailrace.bigint|tailrace.decimal): tailrace.Message appends text
---@field col fun(self: tailrace.Message, column: string, filter: string?): tailrace.Message appends a column of the target row
---@field key string|number|tailrace.bigint|tailrace.decimal set it: the message key
---@field topic string set it: the topic
---@field partition_key string set it: what chooses the partition
---@field headers table<string, string|number> set fields of it: message headers

---@class tailrace.Context what every hook is given last
---@field options table<string, string|number|boolean> options of the file, without secrets
---@field state table<string, table<any, string|number|boolean|tailrace.bigint>> ordered, in `row` and `tick`: the states of the file
---@field lookup table<string, tailrace.LookupTable> the tables of `lookups`: `ctx.lookup.name[key]` is a row or nil

--- names of operations
op = {}
---@type string
op.insert = nil
---@type string
op.update = nil
---@type string
op.delete = nil
---@type string
op.read = nil
---@type string
op.truncate = nil

--- columns of a row
col = {}
--- is the column in this row image
---@param row tailrace.Row
---@param name string
---@return boolean
function col.has(row, name) end
--- canonical text of any column
---@param row tailrace.Row
---@param name string
---@return string?
function col.text(row, name) end
--- index of an ENUM, bits of a SET
---@param row tailrace.Row
---@param name string
---@return tailrace.bigint?
function col.raw(row, name) end
--- names and values in the order of the table
---@param row tailrace.Row
---@return fun(): string, any
function col.each(row) end

--- NULL where nil cannot be written
---@type tailrace.Null
null = nil

--- default of an option that the job must give and no rule can read
---@type tailrace.Secret
secret = nil

--- columns made of what is known of an event
meta = {}
---@type tailrace.Meta
meta.db = nil
---@type tailrace.Meta
meta.gtid = nil
---@type tailrace.Meta
meta.op = nil
---@type tailrace.Meta
meta.ordinal = nil
---@type tailrace.Meta
meta.pos = nil
---@type tailrace.Meta
meta.rule = nil
---@type tailrace.Meta
meta.server_id = nil
---@type tailrace.Meta
meta.snapshot = nil
---@type tailrace.Meta
meta.table = nil
---@type tailrace.Meta
meta.ts = nil
---@type tailrace.Meta
meta.ts_us = nil

--- a SQL expression as the value of a column
---@param expression string|{ [1]: string, dialect: string? }
---@return tailrace.Sql
function sql(expression) end

--- a SQL condition as a function of a row
---@param condition string|{ [1]: string, dialect: string? }
---@return fun(row: tailrace.Row): boolean
function where(condition) end

--- a message made by a template, for `serialize`
---@param template string
---@return tailrace.Line
function line(template) end

--- the row as one JSON object, for `serialize`
---@type tailrace.Line
json = nil

--- exact text of a value
---@param value any
---@return string
function text(value) end

--- an exact integer of 64 bits
---@param value string|number|tailrace.bigint
---@return tailrace.bigint
function bigint(value) end

--- an exact decimal number
---@param value string|number|tailrace.bigint|tailrace.decimal
---@return tailrace.decimal
function decimal(value) end

--- text of a value for use as a table key
---@param value any
---@return string
function key(value) end

--- lines of the job's log
log = {}
---@param format string
---@param ... any
function log.debug(format, ...) end
---@param format string
---@param ... any
function log.info(format, ...) end
---@param format string
---@param ... any
function log.warn(format, ...) end
---@param format string
---@param ... any
function log.error(format, ...) end
