"""Every difference between the two servers that is allowed, by name and with its reason. Nothing else is.

A `Known` looks at two replies to the same command that are not the same bytes, and says whether they are the
same within its reason. It never covers more than it must: an error is compared to the letter by all of them,
and most still compare everything but the part that has to differ.

The second table names commands that the random run leaves out, and why; the third those of the enabled groups
that Ordinal may lack.
"""

import fnmatch
from typing import Callable, List, NamedTuple, Optional, Sequence

from . import values
from .payload import same_value
from .resp import Arg, Reply, to_bytes
from .spec import as_dict

TTL_TOLERANCE_SECONDS = 5
IDLE_TOLERANCE_SECONDS = 10
MANY_SETTINGS = 100


class Known(NamedTuple):
    """`commands` are patterns of names ("client|*"); `same(args, oracle's reply, Ordinal's reply)` decides."""

    name: str
    reason: str
    commands: Sequence[str]
    same: Callable[[Sequence[Arg], Reply, Reply], bool]


# -- what "same" means ----------------------------------------------------------------------------------------------


def shape(_args, a: Reply, b: Reply) -> bool:
    """The same type, nulls only with nulls; errors are compared by their bytes, so two of them differ."""
    if a.is_error() or b.is_error():
        return False
    return a.kind == b.kind and (a.value is None) == (b.value is None)


def either_text(_args, a: Reply, b: Reply) -> bool:
    """Texts for people: any two strings, or any two arrays of strings."""
    if a.is_error() or b.is_error():
        return False
    return (a.value is None) == (b.value is None) and isinstance(a.value, list) == isinstance(b.value, list)


def near(tolerance: int):
    """Two integers no further apart than `tolerance`; negative ones (no deadline, no key) only if equal."""

    def same(_args, a: Reply, b: Reply) -> bool:
        x, y = a.integer(), b.integer()
        if x is None or y is None or x < 0 or y < 0:
            return False
        return abs(x - y) <= tolerance

    return same


def idle(_args, a: Reply, b: Reply) -> bool:
    """Two numbers of seconds close to each other, or Ordinal's close to none."""
    x, y = a.integer(), b.integer()
    return x is not None and y is not None and y >= 0 and (abs(x - y) <= IDLE_TOLERANCE_SECONDS or x > y <= 1)


def stale_overflow(_args, a: Reply, b: Reply) -> bool:
    """Redis takes the error of an earlier number for this one's; Ordinal sorts."""
    return a.text() == b"ERR One or more scores can't be converted into double" and not b.is_error()


def sorted_ties(args, a: Reply, b: Reply) -> bool:
    """As many elements, where a set's have no order of their own: not sorted, or sorted by texts that may be the same."""
    words = [to_bytes(arg).lower() for arg in args]
    unsorted = any(word == b"by" and b"*" not in pattern for word, pattern in zip(words, words[1:]))
    return (unsorted or (b"by" in words and b"alpha" in words)) and same_length(args, a, b)


def same_length(_args, a: Reply, b: Reply) -> bool:
    """A string each, or as many elements."""
    if not shape(_args, a, b) or isinstance(a.value, list) != isinstance(b.value, list):
        return False
    return not isinstance(a.value, list) or len(a.value) == len(b.value)


def unordered(_args, a: Reply, b: Reply) -> bool:
    """The same elements in any order."""
    if a.kind != b.kind or not isinstance(a.value, list) or not isinstance(b.value, list):
        return False
    return sorted(map(repr, a.value)) == sorted(map(repr, b.value))


def unordered_pairs(_args, a: Reply, b: Reply) -> bool:
    """The same pairs in any order (CONFIG GET)."""
    if a.kind != b.kind or not isinstance(a.value, list) or not isinstance(b.value, list):
        return False
    return as_dict(a) == as_dict(b) and len(a.value) == len(b.value)


def unordered_fields(_args, a: Reply, b: Reply) -> bool:
    """The same fields, whose names may be any bytes, with the same values in any order."""
    if a.kind != b.kind or not isinstance(a.value, list) or not isinstance(b.value, list):
        return False
    return sorted(pairs(a.value)) == sorted(pairs(b.value))


def pairs(items: Sequence[Reply]):
    return [(field.text(), value.text()) for field, value in zip(items[::2], items[1::2])]


def scan_fields(args, a: Reply, b: Reply) -> bool:
    """A cursor and pairs; the same pairs where both replies are the whole hash."""
    if not scan(args, a, b):
        return False
    whole = to_bytes(args[2]) == b"0" and a.value[0].text() == b.value[0].text() == b"0"
    return not whole or sorted(pairs(a.value[1].value)) == sorted(pairs(b.value[1].value))


def shortest_doubles(args, a: Reply, b: Reply) -> bool:
    """The same elements, but for doubles, which Redis 7.2 and Ordinal write with as few digits as tell them apart, and whole
    numbers with all of theirs."""
    if a.is_error() or b.is_error() or a.kind != b.kind:
        return False
    if isinstance(a.value, list) and isinstance(b.value, list):
        return len(a.value) == len(b.value) and all(
            x == y or shortest_doubles(args, x, y) for x, y in zip(a.value, b.value)
        )
    return same_double(a.value, b.value)


def same_double(a: Optional[bytes], b: Optional[bytes]) -> bool:
    try:
        return float(a) == float(b)
    except (TypeError, ValueError):
        return False


def scan_scores(args, a: Reply, b: Reply) -> bool:
    """A cursor and members with scores; the same ones where both replies are the whole set."""
    if not scan(args, a, b):
        return False
    whole = to_bytes(args[2]) == b"0" and a.value[0].text() == b.value[0].text() == b"0"
    return not whole or scores(a.value[1].value) == scores(b.value[1].value)


def scores(items: Sequence[Reply]):
    return sorted((member, float(score)) for member, score in pairs(items))


def with_score(_args, a: Reply, b: Reply) -> bool:
    """One argument more than Redis 7.0 takes: Ordinal answers WITHSCORE, or says that the option is none."""
    return a.text().startswith(b"ERR wrong number of arguments") and (
        not b.is_error() or b.text() == b"ERR syntax error" or b.text().startswith(b"WRONGTYPE")
    )


def all_settings(_args, a: Reply, b: Reply) -> bool:
    """Long lists: both tell of many settings, and agree on those that the random run changes."""
    if a.kind != b.kind or not isinstance(a.value, list) or min(len(a.value), len(b.value or [])) < MANY_SETTINGS:
        return False
    x, y = as_dict(a), as_dict(b)
    return all(x.get(name.decode()) == y.get(name.decode()) for name in values.DEFAULTS)


def hello(_args, a: Reply, b: Reply) -> bool:
    """The same fields in the same order; version and id are each server's own."""
    if a.kind != b.kind or not isinstance(a.value, list) or not isinstance(b.value, list):
        return False
    x, y = as_dict(a), as_dict(b)
    own = ("server", "version", "id")
    return list(x) == list(y) and all(x[field] == y[field] for field in x if field not in own)


def dump(_args, a: Reply, b: Reply) -> bool:
    """Two payloads of the same value."""
    return a.kind == b.kind == b"$" and None not in (a.value, b.value) and same_value(a.value, b.value)


def scan(_args, a: Reply, b: Reply) -> bool:
    """A cursor and a list; that a whole iteration finds every key is checked with the keyspace."""
    if not shape(_args, a, b) or not isinstance(a.value, list) or not isinstance(b.value, list):
        return False
    return len(a.value) == len(b.value) == 2 and all(shape(_args, x, y) for x, y in zip(a.value, b.value))


BIT_ARGUMENT_ERRORS = (
    b"ERR syntax error",
    b"ERR value is not an integer or out of range",
    b"ERR The bit argument must be 1 or 0.",
)


def bit_arguments_first(_args, a: Reply, b: Reply) -> bool:
    """Redis: the answer for a missing key, or WRONGTYPE; Ordinal, as Redis 7.2: the error of the arguments."""
    early = a.integer() in (0, -1) or a.text().startswith(b"WRONGTYPE")
    return early and b.is_error() and b.text() in BIT_ARGUMENT_ERRORS


def lcs_memory(_args, a: Reply, b: Reply) -> bool:
    """Redis refuses two strings whose table would not fit; whatever Ordinal answers without an error is right."""
    return a.text().startswith(b"ERR Insufficient memory, transient memory for LCS") and not b.is_error()


def hello_before_auth(_args, a: Reply, b: Reply) -> bool:
    """The same refusal, in which Redis 7.2 also names HELLO's first argument."""
    refused = a.text().startswith(b"NOAUTH HELLO must be called")
    return refused and b.text() == a.text().replace(b"the HELLO AUTH", b"the HELLO <proto> AUTH")


HELLO_OPTION_ERRORS = (
    b"ERR Syntax error in HELLO option ",
    b"ERR Client names cannot contain spaces, newlines or special characters.",
)


def hello_options_first(_args, a: Reply, b: Reply) -> bool:
    """Redis: the wrong password; Ordinal, as Redis 7.2: the wrong option behind it."""
    return a.text().startswith(b"WRONGPASS") and b.is_error() and b.text().startswith(HELLO_OPTION_ERRORS)


FIXED_SETTINGS = (b"port", b"bind")


def fixed_settings(args, a: Reply, b: Reply) -> bool:
    """Redis: OK, or what is wrong with the value; Ordinal: that this setting stays as it was at the start."""
    names = [to_bytes(name).lower() for name in args[2::2]]
    return any(
        name in FIXED_SETTINGS
        and b.text() == b"ERR CONFIG SET failed (possibly related to argument '%s') - can't set immutable config" % name
        for name in names
    )


def one_more_level(_args, a: Reply, b: Reply) -> bool:
    """The list of log levels, and "nothing" at its end."""
    return a.is_error() and b.text() == a.text() + b", nothing" and a.text().endswith(b"debug, verbose, notice, warning")


def zero_byte(_args, a: Reply, b: Reply) -> bool:
    """Both refuse; Ordinal says that the zero byte is why."""
    failed = b"ERR CONFIG SET failed (possibly related to argument '"
    return a.text().startswith(failed) and b.text().startswith(failed) and b.text().endswith(b"can't hold a zero byte")


def debug_help(args, a: Reply, b: Reply) -> bool:
    return len(args) == 2 and to_bytes(args[1]).lower() == b"help" and shape(args, a, b)


def keys_of_a_later_command(args, a: Reply, b: Reply) -> bool:
    """Ordinal does not know yet the command whose keys are asked for."""
    return b.text() == b"ERR Invalid command specified" and matches(command_name(args[2:3]), NOT_YET)


def unknown_to_redis_7_0(_args, a: Reply, _b: Reply) -> bool:
    return a.is_error() and a.text().startswith((b"ERR unknown subcommand", b"ERR unknown command"))


def least_rank(_args, _a: Reply, b: Reply) -> bool:
    return b.text() == b"ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"


KNOWN: List[Known] = [
    # The clock, randomness and the machine
    Known("ttl-clock", "the two servers run a command some milliseconds apart", ["ttl", "expiretime"],
          near(TTL_TOLERANCE_SECONDS)),
    Known("pttl-clock", "the two servers run a command some milliseconds apart", ["pttl", "pexpiretime"],
          near(TTL_TOLERANCE_SECONDS * 1000)),
    Known("idle-clock", "idle time is counted from each server's own access clock; Redis counts it for a shared small "
          "integer from that integer's last use", ["object|idletime"], idle),
    Known("time", "TIME is the clock itself", ["time", "lastsave"], shape),
    Known("random-key", "RANDOMKEY may give any key", ["randomkey"], shape),
    Known("key-order", "the order of KEYS is the hash table's", ["keys"], unordered),
    Known("config-order", "the order of CONFIG GET with several parameters is the settings table's", ["config|get"],
          unordered_pairs),
    Known("all-settings", "each server has settings of its own, which a pattern in CONFIG GET also shows", ["config|get"],
          all_settings),
    Known("scan-cursor", "cursors mean something only to their server", ["scan"], scan),
    Known("member-order", "the order of a set's members is the hash table's", ["smembers", "sinter", "sunion", "sdiff",
          "spop"], unordered),
    Known("sort-ties", "what no order is asked for comes in that of the hash table", ["sort", "sort_ro"], sorted_ties),
    Known("sort-errno", "Redis 7.0 does not clear errno before it reads a score, and finds ERANGE there that a number before "
          "has left", ["sort", "sort_ro"], stale_overflow),
    Known("random-members", "any members may be chosen", ["srandmember"], same_length),
    Known("sscan-cursor", "cursors mean something only to their server, and Redis 7.2 replies with a small set whole",
          ["sscan"], scan),
    Known("field-order", "the order of a hash's fields is the hash table's", ["hkeys", "hvals"], unordered),
    Known("field-order-pairs", "the order of a hash's fields is the hash table's", ["hgetall"], unordered_fields),
    Known("random-fields", "any fields may be chosen", ["hrandfield"], same_length),
    Known("hscan-cursor", "cursors mean something only to their server; a whole hash is compared", ["hscan"], scan_fields),
    Known("random-scores", "any members may be chosen", ["zrandmember"], same_length),
    Known("zscan-cursor", "cursors mean something only to their server; a whole set is compared", ["zscan"], scan_scores),
    Known("own-identity", "version and connection id are each server's own", ["hello"], hello),
    Known("connection-id", "ids are given out in order of connection", ["client|id"], shape),
    Known("client-fields", "addresses, ages, ids and buffer sizes; Redis 7.2 adds fields", ["client|info", "client|list"],
          shape),
    Known("server-report", "INFO tells of the machine and of the process", ["info"], either_text),
    Known("memory", "memory is counted in each server's own data structures", ["memory|usage", "memory|stats",
          "memory|malloc-stats", "memory|doctor"], either_text),
    Known("latency", "latencies are measured", ["latency|histogram", "latency|doctor", "latency|latest",
          "latency|history", "latency|graph"], either_text),
    Known("slow-log", "what is slow is measured", ["slowlog|get", "slowlog|len"], shape),
    # Texts and representations that are each server's own
    Known("help-text", "HELP is documentation", ["*|help"], shape),
    Known("art", "LOLWUT draws what it likes", ["lolwut"], either_text),
    Known("encoding", "encodings are names for Redis's data structures, and only a value's text decides in Ordinal: what "
          "INCRBYFLOAT leaves may be an int; a key's presence is compared",
          ["object|encoding"], shape),
    Known("shared-objects", "Redis shares small integers among keys, which shows in REFCOUNT", ["object|refcount"], shape),
    Known("dump-bytes", "Ordinal may write RDB version 11 (Redis 7.2) and compress otherwise; the value is compared",
          ["dump"], dump),
    Known("command-table", "Redis 7.2's table has more rows and fields; test_table compares the rows of both",
          ["command", "command|count", "command|list", "command|docs", "command|info"], shape),
    Known("lcs-memory", "Ordinal needs less memory for LCS than Redis, and refuses later", ["lcs"], lcs_memory),
    Known("debug-help", "HELP is documentation, and each server has hooks of its own to test it", ["debug"], debug_help),
    Known("fixed-settings", "Ordinal listens where it did at the start: a pod's port and addresses are fixed, and a server "
          "that moves away from them is only found to be dead", ["config|set"], fixed_settings),
    Known("zero-byte", "no setting of Ordinal may hold a zero byte: no redis.conf can hold one either", ["config|set"],
          zero_byte),
    Known("later-commands", "what comes with a later issue has no keys yet", ["command|getkeys", "command|getkeysandflags"],
          keys_of_a_later_command),
    # Redis 7.2 where it differs from 7.0
    Known("7.2-bit-arguments", "Redis 7.2 checks the arguments of BITCOUNT and BITPOS before it looks at the key",
          ["bitcount", "bitpos"], bit_arguments_first),
    Known("7.2-hello-text", "the refusal of HELLO before AUTH has one word more in Redis 7.2", ["hello"],
          hello_before_auth),
    Known("7.2-hello-order", "Redis 7.2 checks all options of HELLO before it checks the password", ["hello"],
          hello_options_first),
    Known("7.2-lpos-rank", "Redis 7.2 refuses the one RANK that cannot be turned round", ["lpos"], least_rank),
    Known("7.2-doubles", "Redis 7.2 writes doubles with the fewest digits that tell them apart", ["z*", "bz*", "exec"],
          shortest_doubles),
    Known("7.2-withscore", "Redis 7.2 has the option WITHSCORE", ["zrank", "zrevrank"], with_score),
    Known("7.2-log-level", "Redis 7.2 has a log level more", ["config|set"], one_more_level),
    Known("7.2-commands", "new in Redis 7.2", ["client|setinfo", "client|no-touch", "waitaof"], unknown_to_redis_7_0),
]  # fmt: skip

# Commands that the random run never sends. What can be said of them without chance stands in scripts/.
NOT_RANDOM = {
    "shutdown": "ends the server",
    "debug": "sleeps, crashes and reloads",
    "monitor": "streams other clients' commands",
    "config|rewrite": "writes files",
    "client|kill": "ids and addresses differ; scripts/connection.txt",
    "client|pause": "stops every client; scripts/connection.txt",
    "client|reply": "changes how many replies come; scripts/connection.txt",
    "client|tracking": "sends what is no reply; scripts/pubsub.txt",
    "*subscribe": "have a reply for each name, and send what is no reply; scripts/pubsub.txt",
    "pfselftest": "takes a second on redis-server",
    "latency|histogram": "its reply is as long as the list of commands that ran",
    "sync": "makes a replica of the client",
    "psync": "makes a replica of the client",
    "replconf": "is a replica's word",
    "replicaof": "gives the keyspace away; tests/integration/test_replication_replica.py",
    "slaveof": "gives the keyspace away; tests/integration/test_replication_replica.py",
    "role": "offsets differ; tests/integration/test_replication_master.py",
}

# Commands of the enabled groups that Ordinal may lack. Strike a row out as soon as its command is there.
NOT_YET = {
    "acl": "ACL comes with a later issue",
    "acl|*": "ACL comes with a later issue",
    "failover": "comes with replication",
    "migrate": "comes with replication",
    "restore-asking": "comes with hash slots",
    "save": "comes with persistence",
    "bgsave": "comes with persistence",
    "bgrewriteaof": "comes with persistence",
    "lastsave": "comes with persistence",
    "module": "Ordinal loads no modules",
    "module|*": "Ordinal loads no modules",
}


def matches(name: str, patterns) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def command_name(args: Sequence[Arg], containers=frozenset()) -> str:
    """The table name of a command line: "get", or "client|list" for a container's subcommand."""
    words = [to_bytes(arg).decode("latin-1").lower() for arg in args[:2]]
    if not words:
        return ""
    return "|".join(words) if words[0] in containers and len(words) > 1 else words[0]


def find(name: str, args, oracle: Reply, subject: Reply) -> Optional[Known]:
    """The entry under which these two replies count as the same; None if there is none."""
    for known in KNOWN:
        if matches(name, known.commands) and known.same(args, oracle, subject):
            return known
    return None
