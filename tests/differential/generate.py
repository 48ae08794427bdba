"""Random commands from the command table: valid ones, nearly valid ones, and absurd ones.

A valid command is a walk through the argument tree of COMMAND DOCS: every option, alternative and repetition is
drawn anew, options come in any order, keywords in any case. A nearly valid one is a valid one with one or two
faults (an argument lost, doubled, moved or of the wrong type). The same seed gives the same commands.
"""

import random
from typing import Dict, List, Sequence, Tuple

from . import values
from .resp import Arg, to_bytes
from .spec import Argument, Command, containers

VALID, NEARLY, ABSURD = "valid", "nearly valid", "absurd"

GROUP_WEIGHTS = {"connection": 0.12, "server": 0.08, "pubsub": 0.1, "transactions": 1.5, "bitmap": 1.5}
COMMAND_WEIGHTS = {
    "discard": 0.2, "exec": 0.2, "flushall": 0.02, "flushdb": 0.04, "swapdb": 0.3, "select": 3.0,
    "hello": 2.0, "quit": 0.5, "reset": 1.0, "set": 3.0,
    "bitfield": 3.0, "setrange": 2.0, "command": 0.02, "command|docs": 0.1, "command|info": 0.1, "command|getkeys": 4.0,
    "incrbyfloat": 2.0, "lcs": 2.0, "dump": 0.5, "del": 0.5, "unlink": 0.5, "config|set": 3.0, "memory|stats": 0.1,
    "object|help": 0.05, "restore": 2.0, "sort": 5.0, "sort_ro": 2.0, "pfadd": 3.0, "geoadd": 4.0,
}  # fmt: skip

# A deadline that passes during the run would make replies depend on the clock: the least that is left of a relative
# one. The number is the position of the first argument that can be one.
SOONEST = 100000
DEADLINE_FROM = {
    "SET": 3, "GETEX": 2, "SETEX": 2, "PSETEX": 2, "EXPIRE": 2, "PEXPIRE": 2, "HEXPIRE": 2, "HPEXPIRE": 2,
}  # fmt: skip
NOW_MS = 4102444800000  # the time of day, or later
# Offsets that make a value, and counts that make a reply, of more than some kilobytes. Past the larger bound they are an error, which is cheap.
HEAVY_FROM = {"SETRANGE": 2, "SETBIT": 2, "BITFIELD": 2, "SRANDMEMBER": 2, "HRANDFIELD": 2}
HEAVY = {
    "SETRANGE": (5000, 2**29 - 1), "SETBIT": (40000, 2**32 - 1), "BITFIELD": (40000, 2**32 - 1),
    "SRANDMEMBER": (-values.I64_MAX, -5000), "HRANDFIELD": (-values.I64_MAX, -5000),
}  # fmt: skip


class Generator:
    """Draws commands of `groups` out of `table`, leaving out the names in `without`."""

    def __init__(self, table: Dict[str, Command], groups: Sequence[str], without=(), payloads=(), seed=0):
        self.rng = random.Random(seed)
        self.table = table
        self.payloads = list(payloads) or [b""]
        bare = containers(table) - {"command"}
        self.names = sorted(
            name for name, c in table.items() if c.group in groups and name not in without and name not in bare
        )
        if not self.names:
            raise ValueError(f"no command of the groups {', '.join(groups)}")
        self.weights = [
            COMMAND_WEIGHTS.get(name, 1.0) * GROUP_WEIGHTS.get(table[name].group, 1.0) for name in self.names
        ]
        self.planned: Dict[int, List] = {}  # what follows of each client, the last first; None: any command
        self.special = {
            "wait": self._wait,
            "pfadd": self._pfadd,
            "geoadd": self._geoadd,
            "command|getkeys": self._getkeys,
            "command|getkeysandflags": self._getkeys,
            "config|set": self._config_set,
        }

    def command(self, client: int = 0) -> List[Arg]:
        """The next command of a client, its arguments as they are sent. A MULTI is most often followed by its EXEC, some
        commands later."""
        planned = self.planned.setdefault(client, [])
        if planned:
            args = planned.pop()
            return args if args is not None else self._queued()
        args = self._any()
        if [to_bytes(arg).upper() for arg in args] == [b"MULTI"] and self.rng.random() < 0.9:
            end = [self._case(b"DISCARD" if self.rng.random() < 0.05 else b"EXEC")]
            planned += [end] + [None] * self.rng.choice([0, 1, 2, 5, 10, 30])
        return args

    def _queued(self) -> List[Arg]:
        """A command for a transaction: one that is refused, which fails the whole of it, comes seldom."""
        for _ in range(20):
            command, args = self._drawn()
            fits = len(args) == command.arity if command.arity >= 0 else len(args) >= -command.arity
            known = to_bytes(args[0]).lower() == command.words[0].lower()
            if (fits and known and command.name not in ("exec", "reset", "quit")) or self.rng.random() < 0.01:
                break
        return args

    def _any(self) -> List[Arg]:
        return self._drawn()[1]

    def _drawn(self) -> Tuple[Command, List[Arg]]:
        command = self.table[self.rng.choices(self.names, self.weights)[0]]
        roll = self.rng.random()
        if roll < 0.65:
            args = self.valid(command)
        elif roll < 0.92:
            args = self._faulty(command, self.valid(command))
        else:
            args = self._absurd(command)
        return command, tame(args, self.rng)

    def valid(self, command: Command) -> List[Arg]:
        """A call of `command` as its documents have it."""
        words: List[Arg] = [self._case(word) for word in command.words]
        special = self.special.get(command.name)
        if special:
            return words + special()
        return words + self._sequence(command, command.arguments)

    def _case(self, word: bytes) -> bytes:
        roll = self.rng.random()
        if roll < 0.8:
            return word
        return word.lower() if roll < 0.95 else word.title()

    # -- the argument tree ------------------------------------------------------------------------------------

    def _sequence(self, command: Command, arguments: List[Argument]) -> List[Arg]:
        args: List[Arg] = []
        count = None
        for argument in self._shuffled(arguments):
            if argument.name == "numkeys":
                count = self.rng.choice([1, 1, 2, 3])
                args.append(count)
            elif argument.type == "key" and argument.multiple and count is not None:
                args += [values.key(self.rng, command.group) for _ in range(count)]
            else:
                args += self._argument(command, argument)
        return args

    def _shuffled(self, arguments: List[Argument]) -> List[Argument]:
        """The arguments, with each run of keyword options in any order."""
        ordered: List[Argument] = []
        run: List[Argument] = []
        for argument in arguments:
            if argument.optional and has_keyword(argument):
                run.append(argument)
                continue
            self.rng.shuffle(run)
            ordered += run + [argument]
            run = []
        self.rng.shuffle(run)
        return ordered + run

    def _argument(self, command: Command, argument: Argument) -> List[Arg]:
        if argument.optional and self.rng.random() < 0.6:
            return []
        times = self.rng.choice([1, 1, 2, 3]) if argument.multiple else 1
        args: List[Arg] = []
        for turn in range(times):
            if argument.token and argument.type != "pure-token" and (turn == 0 or argument.multiple_token):
                args.append(self._case(argument.token.encode()))
            args += self._once(command, argument)
        return args

    def _once(self, command: Command, argument: Argument) -> List[Arg]:
        if argument.type == "pure-token":
            return [self._case(argument.token.encode())]
        if argument.type == "oneof":
            return self._argument(command, self.rng.choice(argument.children)) if argument.children else []
        if argument.type == "block":
            return self._sequence(command, argument.children)
        if argument.type == "key":
            return [values.key(self.rng, command.group)]
        if argument.name == "serialized-value":
            return [self._payload()]
        if argument.name == "timeout" and "blocking" in command.flags:
            return [b"0.01"]
        return [values.value(self.rng, command.words[0].decode().lower(), argument.name, argument.type)]

    def _payload(self) -> bytes:
        """A DUMP payload, sometimes with a byte changed or its end lost."""
        payload = self.rng.choice(self.payloads)
        roll = self.rng.random()
        if roll < 0.85 or not payload:
            return payload
        if roll < 0.95:
            at = self.rng.randrange(len(payload))
            return payload[:at] + bytes([payload[at] ^ (1 << self.rng.randrange(8))]) + payload[at + 1 :]
        return payload[: self.rng.randrange(len(payload))]

    # -- commands whose documents do not say enough ---------------------------------------------------------------

    def _wait(self) -> List[Arg]:
        return [0, self.rng.choice([0, 1, 100, -1, b"x"])]

    def _pfadd(self) -> List[Arg]:
        """Few elements, or so many that the value turns dense."""
        key = values.key(self.rng, "hyperloglog")
        count = self.rng.choice([0, 1, 1, 2, 3, 10, 50, 50, 300, 2000])
        if count < 10:
            return [key] + [values.text(self.rng) for _ in range(count)]
        first = self.rng.choice([0, 1000, 10**6])
        return [key, *range(first, first + count)]

    def _geoadd(self) -> List[Arg]:
        """Often many places at once, so that searches find some."""
        args: List[Arg] = [values.key(self.rng, "geo")]
        if self.rng.random() < 0.3:
            args.append(self.rng.choice([b"NX", b"XX", b"CH", b"ch"]))
        for _ in range(self.rng.choice([1, 1, 2, 5, 30, 100])):
            args += [values.longitude(self.rng), values.latitude(self.rng), values.place(self.rng)]
        return args

    def _getkeys(self) -> List[Arg]:
        name = self.rng.choice(self.names)
        return [] if name.startswith("command|") else self.valid(self.table[name])

    def _config_set(self) -> List[Arg]:
        args: List[Arg] = []
        for _ in range(self.rng.choice([1, 1, 1, 2])):
            parameter = self.rng.choice(list(values.PARAMETERS))
            args += [self._case(parameter), self.rng.choice(values.PARAMETERS[parameter])]
        return args

    # -- faults ------------------------------------------------------------------------------------------------------

    def _faulty(self, command: Command, args: List[Arg]) -> List[Arg]:
        """`args` with one or two faults past the command's own words."""
        first = len(command.words)
        for _ in range(self.rng.choice([1, 1, 2])):
            args = self._fault(args, first)
        return args

    def _fault(self, args: List[Arg], first: int) -> List[Arg]:
        rng = self.rng
        args = list(args)
        if len(args) <= first:
            return args + [values.absurd(rng)]
        at = rng.randrange(first, len(args))
        fault = rng.randrange(8)
        if fault == 0:
            del args[at]
        elif fault == 1:
            args.insert(at, args[at])
        elif fault == 2:
            args.append(values.absurd(rng))
        elif fault == 3:
            args = args + args[at:]
        elif fault == 4:
            other = rng.randrange(first, len(args))
            args[at], args[other] = args[other], args[at]
        elif fault == 5:
            args[at] = values.not_integer(rng)
        elif fault == 6:
            args[at] = values.integer(rng)
        else:
            args[at] = values.absurd(rng)
        return args

    def _absurd(self, command: Command) -> List[Arg]:
        """Any number of any arguments; now and then the command does not even exist."""
        words: List[Arg] = list(command.words)
        if self.rng.random() < 0.05:
            words = [self.rng.choice([b"NOSUCH", b"", b"GETT", b"\xff\x00", b"SET ", b"get\r\n", b"x" * 200])]
        elif len(words) > 1 and self.rng.random() < 0.2:
            words[1] = self.rng.choice([b"NOSUCH", b"", b"help me", b"\x00", b"y" * 150])
        return words + [values.absurd(self.rng) for _ in range(self.rng.randrange(6))]


def has_keyword(argument: Argument) -> bool:
    """Whether every form of `argument` starts with a keyword, so that its place among options is free."""
    if argument.token:
        return True
    if argument.type == "oneof" and argument.children:
        return all(has_keyword(child) for child in argument.children)
    if argument.type == "block" and argument.children:
        return has_keyword(argument.children[0])
    return False


def tame(args: List[Arg], rng: random.Random) -> List[Arg]:
    """`args` without what makes replies depend on the clock or on undefined behaviour, and without megabytes."""
    name = to_bytes(args[0]).decode("latin-1").upper() if args else ""
    tamed = list(args)
    for at in range(DEADLINE_FROM.get(name, len(tamed)), len(tamed)):
        if _within(tamed[at], 1, SOONEST - 1):
            tamed[at] = values.far_milliseconds(rng)
    for at in range(HEAVY_FROM.get(name, len(tamed)), len(tamed)):
        if _within(tamed[at], *HEAVY[name]):
            tamed[at] = rng.choice(values.SMALL)
    if name in OTHERS:
        OTHERS[name](tamed, rng)
    return tamed


def _sane_restore(args: List[Arg], rng: random.Random) -> None:
    """RESTORE's ttl, to which Redis adds the time of day without a look, and its idle time, which wraps around."""
    overflowing = (values.I64_MAX - NOW_MS, values.I64_MAX)
    if len(args) > 2 and (_within(args[2], 1, SOONEST - 1) or _within(args[2], *overflowing)):
        args[2] = values.far_milliseconds(rng)
    for at in range(4, len(args)):
        if _within(args[at], 10**6, values.I64_MAX):
            args[at] = 100


def _sane_bitfield(args: List[Arg], _rng: random.Random) -> None:
    """BITFIELD's "#n", which Redis multiplies by the width, and values that it subtracts from a limit: unchecked."""
    for at in range(2, len(args)):
        relative = to_bytes(args[at]).startswith(b"#")
        if relative and (_within(args[at], 2**33, values.I64_MAX) or _within(args[at], values.I64_MIN, -(2**33))):
            args[at] = b"#%d" % 2**32
        elif not relative and _within(args[at], values.I64_MIN, -(2**62)):
            args[at] = -(2**62)


def _no_endless_wait(args: List[Arg], _rng: random.Random) -> None:
    """WAIT for replicas that never come."""
    if len(args) > 1 and _within(args[1], 1, values.I64_MAX):
        args[1] = 0


def _no_past(args: List[Arg], rng: random.Random) -> None:
    """SET with a deadline in the past stores a dead key, which DBSIZE counts in Redis until it is swept away."""
    for at in range(4, len(args)):
        word = to_bytes(args[at - 1]).upper()
        if word == b"EXAT" and _within(args[at], 1, values.FUTURE_SECONDS[0]):
            args[at] = rng.choice(values.FUTURE_SECONDS)
        elif word == b"PXAT" and _within(args[at], 1, values.FUTURE_MILLISECONDS[0]):
            args[at] = rng.choice(values.FUTURE_MILLISECONDS)


def _name_last(args: List[Arg], _rng: random.Random) -> None:
    """HELLO with something behind SETNAME: Redis 7.0 keeps the name even if that is refused, 7.2 does not."""
    words = [to_bytes(arg).upper() for arg in args]
    if b"SETNAME" in words[2:]:
        del args[words.index(b"SETNAME", 2) + 2 :]


def _pop_all(args: List[Arg], _rng: random.Random) -> None:
    """SPOP takes other members from each server, unless it takes all."""
    if len(args) == 2:
        args.append(10**6)
    elif len(args) == 3 and _within(args[2], 1, 10**6):
        args[2] = 10**6


LEX_KEYS = [b"zlex1", b"zlex2", b"zlex3"]
LEX_COMMANDS = {"ZRANGEBYLEX": 1, "ZREVRANGEBYLEX": 1, "ZLEXCOUNT": 1, "ZREMRANGEBYLEX": 1, "ZRANGE": 1, "ZRANGESTORE": 2}


def _same_scores(args: List[Arg], rng: random.Random) -> None:
    """Lexicographic ranges are undefined where scores differ (in Redis, chance decides in a large set): they are asked of keys
    that nothing else writes to, and whose members all have one score."""
    name = to_bytes(args[0]).upper().decode("latin-1")
    if name == "ZADD":
        if len(args) > 3 and rng.random() < 0.2:
            members = args[3::2]
            args[1:] = [rng.choice(LEX_KEYS)]
            for member in members:
                args += [0, member]
        return
    key = LEX_COMMANDS[name]
    if len(args) > key and (name.endswith(("LEX", "COUNT")) or b"BYLEX" in [to_bytes(arg).upper() for arg in args]):
        args[key] = rng.choice(LEX_KEYS)


def _few_at_random(args: List[Arg], _rng: random.Random) -> None:
    """ZRANDMEMBER replies with as many members as it is asked for, if they may repeat; with scores, half of all counts are an
    error."""
    if len(args) > 2 and _within(args[2], -values.I64_MAX if len(args) == 3 else -(2**62), -1000):
        args[2] = -1000


def _short_wait(at: int):
    """BLPOP and its kin with a timeout that passes soon."""

    def tame_timeout(args: List[Arg], _rng: random.Random) -> None:
        if at < len(args) and abs(at) < len(args) and _is_wait(args[at]):
            args[at] = b"0.01"

    return tame_timeout


def _is_wait(arg: Arg) -> bool:
    """Whether a timeout is for ever, or more than a moment."""
    try:
        seconds = float.fromhex(to_bytes(arg).decode()) if b"x" in to_bytes(arg).lower() else float(to_bytes(arg))
    except (ValueError, OverflowError):
        return False
    return not seconds < 0 and not 0.001 < seconds < 0.05


def _stable_sort(args: List[Arg], _rng: random.Random) -> None:
    """SORT that stores in one order only: no weights that may be equal, no numbers (known.py, sort-errno)."""
    words = [to_bytes(arg).upper() for arg in args]
    if b"STORE" in words[2:]:
        for at in range(2, len(args)):
            if words[at] == b"BY":
                args[at] = b"GET"
        args.append(b"ALPHA")


def _within(arg: Arg, least: int, most: int) -> bool:
    try:
        return least <= int(to_bytes(arg).lstrip(b"#")) <= most
    except ValueError:
        return False


# Commands that need a look of their own.
OTHERS = {
    "SET": _no_past,
    "HELLO": _name_last,
    "RESTORE": _sane_restore,
    "BITFIELD": _sane_bitfield,
    "BITFIELD_RO": _sane_bitfield,
    "WAIT": _no_endless_wait,
    "SPOP": _pop_all,
    "SORT": _stable_sort,
    "BLPOP": _short_wait(-1),
    "BRPOP": _short_wait(-1),
    "BLMOVE": _short_wait(5),
    "BRPOPLPUSH": _short_wait(3),
    "BLMPOP": _short_wait(1),
    "BZPOPMIN": _short_wait(-1),
    "BZPOPMAX": _short_wait(-1),
    "BZMPOP": _short_wait(1),
    "ZADD": _same_scores,
    "ZRANDMEMBER": _few_at_random,
    **dict.fromkeys(LEX_COMMANDS, _same_scores),
}
