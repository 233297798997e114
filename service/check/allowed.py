"""The built-in functions, types and catalogues that statements and table expressions may use.

Listed by OID, because names are ambiguous: `age` of timestamps is harmless, `age` of transaction
ids reveals others' activity. PostgreSQL assigns OIDs below 10,000 by hand, the same in every
version. A test compares OIDs and signatures with the server.
"""

BY_HAND = 10_000


def _numbered(text: str) -> dict[int, str]:
    """Return names by OID, from one `OID name` a line."""
    pairs = (line.split(maxsplit=1) for line in text.strip().splitlines())
    return {int(number): signature for number, signature in pairs}


FUNCTIONS = _numbered("""
    1386 age(timestamp with time zone)
    2059 age(timestamp without time zone)
    3153 array_to_json(anyarray)
    3154 array_to_json(anyarray,boolean)
    395 array_to_string(anyarray,text)
    384 array_to_string(anyarray,text,text)
    2649 clock_timestamp()
    3058 concat("any")
    3059 concat_ws(text,"any")
    1178 date(timestamp with time zone)
    1171 date_part(text,timestamp with time zone)
    1217 date_trunc(text,timestamp with time zone)
    1284 date_trunc(text,timestamp with time zone,text)
    6203 "extract"(text,timestamp with time zone)
    3540 format(text)
    3539 format(text,"any")
    3432 gen_random_uuid()
    939 generate_series(timestamp with time zone,timestamp with time zone,interval)
    4135 in_range(timestamp with time zone,timestamp with time zone,interval,boolean,boolean)
    3175 json_agg(anyelement)
    3198 json_build_array("any")
    3199 json_build_array()
    3200 json_build_object("any")
    3201 json_build_object()
    3197 json_object_agg("any","any")
    3960 json_populate_record(anyelement,json,boolean)
    3961 json_populate_recordset(anyelement,json,boolean)
    3204 json_to_record(json)
    3205 json_to_recordset(json)
    4215 json_to_tsvector(json,jsonb)
    3267 jsonb_agg(anyelement)
    3271 jsonb_build_array("any")
    3272 jsonb_build_array()
    3273 jsonb_build_object("any")
    3274 jsonb_build_object()
    3209 jsonb_populate_record(anyelement,jsonb)
    3475 jsonb_populate_recordset(anyelement,jsonb)
    3490 jsonb_to_record(jsonb)
    3491 jsonb_to_recordset(jsonb)
    4213 jsonb_to_tsvector(jsonb,jsonb)
    3462 make_timestamptz(integer,integer,integer,integer,integer,double precision)
    3463 make_timestamptz(integer,integer,integer,integer,integer,double precision,text)
    1299 now()
    5001 phraseto_tsquery(text)
    3751 plainto_tsquery(text)
    1285 quote_literal(anyelement)
    1290 quote_nullable(anyelement)
    1598 random()
    6340 random(bigint,bigint)
    6339 random(integer,integer)
    6341 random(numeric,numeric)
    3155 row_to_json(record)
    3156 row_to_json(record,boolean)
    2648 statement_timestamp()
    2019 "time"(timestamp with time zone)
    2027 "timestamp"(timestamp with time zone)
    1174 timestamptz(date)
    1176 timestamptz(date,time without time zone)
    2028 timestamptz(timestamp without time zone)
    2047 timetz(time without time zone)
    1388 timetz(timestamp with time zone)
    2037 timezone(text,time with time zone)
    6336 timezone(time with time zone)
    6334 timezone(timestamp with time zone)
    6335 timezone(timestamp without time zone)
    1774 to_char(bigint,text)
    1776 to_char(double precision,text)
    1773 to_char(integer,text)
    1768 to_char(interval,text)
    1772 to_char(numeric,text)
    1775 to_char(real,text)
    1770 to_char(timestamp with time zone,text)
    2049 to_char(timestamp without time zone,text)
    1780 to_date(text,text)
    3176 to_json(anyelement)
    3787 to_jsonb(anyelement)
    1777 to_number(text,text)
    1778 to_timestamp(text,text)
    3750 to_tsquery(text)
    4210 to_tsvector(json)
    4209 to_tsvector(jsonb)
    3749 to_tsvector(text)
    2647 transaction_timestamp()
    4208 ts_headline(json,tsquery)
    4207 ts_headline(json,tsquery,text)
    4204 ts_headline(jsonb,tsquery)
    4203 ts_headline(jsonb,tsquery,text)
    3755 ts_headline(text,tsquery)
    3754 ts_headline(text,tsquery,text)
    6428 uuidv4()
    6429 uuidv7()
    6430 uuidv7(interval)
    5009 websearch_to_tsquery(text)
    """)
"""Functions that are not IMMUTABLE, and depend only on their arguments, the clock, the session's
settings and chance. Add one only if it reads no table or sequence and changes no state. IMMUTABLE
functions need no list: the types below hold nothing but values.
"""

GLOBAL_FUNCTIONS = FUNCTIONS | _numbered("""
    861 current_database()
    1079 regclass(text)
    1081 format_type(oid,integer)
    1402 "current_schema"()
    1927 has_table_privilege(oid,text)
    2026 pg_backend_pid()
    2077 current_setting(text)
    2078 set_config(text,text,boolean)
    2084 pg_show_all_settings()
    2272 has_schema_privilege(text,text)
    2273 has_schema_privilege(oid,text)
    2510 pg_prepared_statement()
    2882 pg_try_advisory_lock(bigint)
    3029 has_any_column_privilege(oid,text)
    3495 to_regclass(text)
    3810 pg_is_in_recovery()
    6207 has_parameter_privilege(text,text)
    """)
"""Functions that `global` statements may call too, to read about the server. Review each use."""

TYPES = _numbered("""
    16 boolean
    17 bytea
    19 name
    20 bigint
    21 smallint
    23 integer
    25 text
    114 json
    650 cidr
    700 real
    701 double precision
    705 unknown
    774 macaddr8
    829 macaddr
    869 inet
    1042 character
    1043 character varying
    1082 date
    1083 time without time zone
    1114 timestamp without time zone
    1184 timestamp with time zone
    1186 interval
    1266 time with time zone
    1560 bit
    1562 bit varying
    1700 numeric
    2249 record
    2950 uuid
    3614 tsvector
    3615 tsquery
    3802 jsonb
    3904 int4range
    3906 numrange
    3908 tsrange
    3910 tstzrange
    3912 daterange
    3926 int8range
    4072 jsonpath
    """)
"""Types that hold values alone. Arrays of them, and rows of owned tables, are allowed too. Not
listed: references to the catalogue (`regclass`, `regrole`, `oid` reveal whether a table or role
exists) and to the server's state (`xid`, `pg_lsn`, `tid`), and `xml`.
"""

CONSTANT_TYPES = TYPES | _numbered("""
    3734 regconfig
    """)
"""Types of constants, which are read when the statement is parsed, not when it runs."""

GLOBAL_TYPES = TYPES | _numbered("""
    18 "char"
    22 int2vector
    24 regproc
    26 oid
    28 xid
    30 oidvector
    194 pg_node_tree
    1033 aclitem
    2202 regprocedure
    2205 regclass
    2206 regtype
    2277 anyarray
    """)

CATALOGUE = _numbered("""
    1247 pg_type
    1249 pg_attribute
    1255 pg_proc
    1259 pg_class
    2601 pg_am
    2604 pg_attrdef
    2606 pg_constraint
    2608 pg_depend
    2610 pg_index
    2611 pg_inherits
    2615 pg_namespace
    2616 pg_opclass
    2618 pg_rewrite
    2620 pg_trigger
    3381 pg_statistic_ext
    3456 pg_collation
    """)
"""The system catalogues that `global` statements may read: they describe rows. Not pg_statistic,
which has samples of them. Views are judged by the tables they read.
"""
