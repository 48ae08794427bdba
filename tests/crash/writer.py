"""A client with keys of its own, in one database: it writes values of all types in all the ways that a log has to carry,
keeps a model of what the server must hold, and notes each write in its history.

A key's first letter says what it holds: s strings, n integers, f numbers with halves, b bitmaps, e strings with deadlines
so near that they pass while the test runs, l lists, h hashes, x hashes whose fields have deadlines, t sets, z sorted
sets; u strings that are set once; capitals are large, of thousands of elements. What a write does never hangs on whether
a deadline has passed, so the model needs no clock: keys of the kind e are only set anew or taken.

Most writes are sent many at a time. Where the server makes a choice that only its reply tells (SPOP, a deadline counted from
its own clock), the batch ends, so that an answer which a crash has cut off is always about the client's last write.
"""

from history import Bag, History, State, fingerprint_of, now_ms

SMALL_KEYS = 6
LARGE_ELEMENTS = 2500
LIST_MOST = 40
DAY_MS = 86_400_000
NOISE = bytes((i * i * 31 + i * 7 + (i >> 5)) & 0xFF for i in range(1 << 16)) * 4


def element(number):
    """An element of a large list: numbered, so that the whole list is known by its ends."""
    return b"%012d:" % number + NOISE[number % 4096 : number % 4096 + 60]


def range_fingerprint(first, last):
    return ("range", first, last) if first <= last else None


class Writer:
    """The model and the choice of writes; client.py sends them. `features`: what the server under test knows."""

    def __init__(self, name, rng, databases, features):
        self.rng = rng
        self.history = History(name)
        self.databases = list(databases)
        self.db = self.databases[0]
        self.features = features
        self.values = {}  # (db, key): bytes, list or Bag; of a large list its ends
        self.deadlines = {}  # (db, key): Unix milliseconds
        self.touched = []
        self.between = None
        self.fits = None
        self.number = -1
        self.fresh = self.round = 0
        self.writes = [(weight, write) for name, weight in WEIGHTS.items()
                       for write in [getattr(self, "write_" + name)] if self.offers(name)]
        self.weights = [weight for weight, _ in self.writes]

    def offers(self, name):
        if name in ("field_deadline", "field_taken"):
            return name in self.features
        return name not in ("flush", "swap") or len(self.databases) > 1

    def adopt(self, observed):
        """Begins anew with what the server was found to hold."""
        name = self.history.name
        self.history = History(name)
        self.round += 1
        for key, (value, deadline) in observed.items():
            self.values[key] = value
            if deadline is None:
                self.deadlines.pop(key, None)
            else:
                self.deadlines[key] = deadline
            self.history.know(key, State(self.fingerprint(key), deadline))
        for key in [key for key in self.values if key not in observed]:
            del self.values[key]
            self.deadlines.pop(key, None)

    # ---- the model ------------------------------------------------------------------------------------------

    def key(self, name):
        return (self.db, name)

    def get(self, name):
        return self.values.get(self.key(name))

    def fingerprint(self, key):
        value = self.values.get(key)
        return range_fingerprint(*value) if key[1][:1] == b"L" and value is not None else fingerprint_of(value)

    def change(self, name, value):
        """The value has changed in place: a deadline stays, unless nothing is left."""
        key = self.key(name)
        gone = value is None or isinstance(value, Bag) and not value.items or isinstance(value, list) and not value
        if gone:
            self.values.pop(key, None)
            self.deadlines.pop(key, None)
        else:
            self.values[key] = value
        self.touched.append(key)

    def replace(self, name, value, deadline=None):
        self.deadlines.pop(self.key(name), None)
        self.change(name, value)
        if deadline is not None and value is not None:
            self.deadlines[self.key(name)] = deadline

    def name(self, kind, number):
        """Writers may share a database, but no keys."""
        return b"%s%d.%s" % (kind, number, self.history.name.encode())

    def pick(self, kind, there=False):
        """A key of a kind, by its letter; `there`: one that exists, or None."""
        if not there:
            return self.name(kind, self.rng.randrange(SMALL_KEYS))
        names = [self.name(kind, number) for number in range(SMALL_KEYS)]
        names = [name for name in names if self.key(name) in self.values]
        return self.rng.choice(names) if names else None

    def text(self, longest=None):
        """A value that no other write has had: mostly short, at times of kilobytes, compressible or not."""
        head = b"%s.%d.%d." % (self.history.name.encode(), self.round, self.number)
        size = longest or self.rng.choice((4, 9, 30, 30, 60, 60, 200, 900, 5000))
        if self.rng.random() < 0.003 and not longest:
            size = 150_000
        start = self.rng.randrange(1000)
        return head + (b"x" * size if self.rng.random() < 0.5 else NOISE[start : start + size])

    def member(self):
        return b"m%d" % self.rng.randrange(30)

    # ---- one write --------------------------------------------------------------------------------------------

    def compose(self):
        """Chooses a write. Returns (commands, whether the batch ends with it, what to do with the last reply)."""
        self.number = self.history.begin(None)
        commands, ends, on_reply = None, False, None
        while commands is None:
            self.touched, self.between, self.fits = [], None, None
            made = self.rng.choices(self.writes, self.weights)[0][1]()
            if made is not None:
                commands, ends, on_reply = made if isinstance(made, tuple) else (made, False, None)
        self.history.commands[self.number] = commands
        states = []
        for key in dict.fromkeys(self.touched):
            state = State(self.fingerprint(key), self.deadlines.get(key), self.between, self.fits)
            self.history.change(key, self.number, state)
            states.append(state)
        if on_reply is None:
            return commands, ends, None
        return commands, ends, lambda reply: on_reply(reply, states[0])

    # strings

    def write_set(self):
        name, value = self.pick(b"s"), self.text()
        self.replace(name, value)
        return [("SET", name, value)]

    def write_set_keepttl(self):
        name, value = self.pick(b"s", True), self.text()
        if name is None:
            return None
        self.change(name, value)
        return [("SET", name, value, "KEEPTTL")]

    def write_set_deadline(self):
        name, value, at = self.pick(b"s"), self.text(), now_ms() + DAY_MS + self.rng.randrange(DAY_MS)
        self.replace(name, value, at)
        return [("SET", name, value, "PXAT", at)]

    def write_set_expiring(self):
        name, value, at = self.pick(b"e"), self.text(), now_ms() + self.rng.randrange(50, 4000)
        self.replace(name, value, at)
        return [("SET", name, value, "PXAT", at)]

    def write_take_expiring(self):
        name = self.pick(b"e")
        self.replace(name, None)
        return [("GETDEL", name)]

    def told_deadline(self, name, ttl):
        """The server works the deadline out from its clock, and tells it with PEXPIRETIME."""
        key = self.key(name)
        self.deadlines.pop(key, None)
        self.between = (now_ms() + ttl - 100, now_ms() + ttl + 60_000)

        def on_reply(reply, state):
            state.deadline, state.between = reply, None
            self.deadlines[key] = reply

        return on_reply

    def write_set_ttl(self):
        name, value, seconds = self.pick(b"s"), self.text(), self.rng.randrange(4000, 9000)
        self.replace(name, value)
        way = self.rng.choice((("SET", name, value, "EX", seconds), ("SETEX", name, seconds, value),
                               ("PSETEX", name, seconds * 1000, value), ("SET", name, value, "PX", seconds * 1000)))
        return [way, ("PEXPIRETIME", name)], True, self.told_deadline(name, seconds * 1000)

    def write_expire(self):
        name, seconds = self.pick(self.rng.choice((b"s", b"l", b"h", b"t", b"z", b"n")), True), self.rng.randrange(4000, 9000)
        if name is None:
            return None
        self.change(name, self.get(name))
        way = ("GETEX", name, "EX", seconds) if name[:1] in b"sn" and self.rng.random() < 0.4 else ("EXPIRE", name, seconds)
        return [way, ("PEXPIRETIME", name)], True, self.told_deadline(name, seconds * 1000)

    def write_expire_at(self):
        name = self.pick(self.rng.choice((b"s", b"l", b"h", b"t", b"z", b"b")), True)
        if name is None:
            return None
        at = now_ms() + DAY_MS + self.rng.randrange(DAY_MS)
        self.deadlines[self.key(name)] = at
        self.change(name, self.get(name))
        return [("PEXPIREAT", name, at)]

    def write_expire_now(self):
        name = self.pick(self.rng.choice((b"s", b"l", b"h", b"t", b"z")))
        self.replace(name, None)
        return [self.rng.choice((("PEXPIRE", name, -1), ("EXPIREAT", name, 1), ("DEL", name), ("UNLINK", name)))]

    def write_persist(self):
        name = self.pick(self.rng.choice((b"s", b"l", b"h")), True)
        if name is None:
            return None
        self.replace(name, self.get(name))
        return [("GETEX", name, "PERSIST") if name[:1] == b"s" and self.rng.random() < 0.5 else ("PERSIST", name)]

    def write_getset(self):
        name, value = self.pick(b"s"), self.text()
        self.replace(name, value)
        return [self.rng.choice((("GETSET", name, value), ("SET", name, value, "GET")))]

    def write_setnx(self):
        name, value = self.pick(b"s"), self.text()
        if self.get(name) is None:
            self.replace(name, value)
        return [self.rng.choice((("SETNX", name, value), ("SET", name, value, "NX")))]

    def write_getdel(self):
        name = self.pick(b"s")
        self.replace(name, None)
        return [("GETDEL", name)]

    def write_append(self):
        name, tail = self.pick(b"s"), b".%d" % self.number
        value = (self.get(name) or b"") + tail
        if len(value) > 20_000:
            return None
        self.change(name, value)
        return [("APPEND", name, tail)]

    def write_setrange(self):
        name, patch = self.pick(b"s", True), b"<%d>" % self.number
        if name is None:
            return None
        value = self.get(name)
        at = self.rng.randrange(min(len(value), 3000))
        self.change(name, value[:at] + patch + value[at + len(patch) :])
        return [("SETRANGE", name, at, patch)]

    def write_incr(self):
        name, by = self.pick(b"n"), self.rng.randrange(1, 1000)
        self.change(name, b"%d" % (int(self.get(name) or 0) + by))
        return [("INCRBY", name, by)]

    def write_incr_float(self):
        name, halves = self.pick(b"f"), self.rng.randrange(1, 30)
        total = int(float(self.get(name) or 0) * 2) + halves
        self.change(name, b"%d" % (total // 2) if total % 2 == 0 else b"%d.5" % (total // 2))
        return [("INCRBYFLOAT", name, "%g" % (halves / 2))]

    def write_setbit(self):
        name, bit, to = self.pick(b"b"), self.rng.randrange(2000), self.rng.randrange(2)
        value = bytearray(self.get(name) or b"")
        value.extend(bytes(max(0, bit // 8 + 1 - len(value))))
        value[bit // 8] = value[bit // 8] & ~(128 >> bit % 8) | (128 >> bit % 8) * to
        self.change(name, bytes(value))
        return [("SETBIT", name, bit, to)]

    def write_mset(self):
        names = self.rng.sample([self.name(b"s", number) for number in range(SMALL_KEYS)], 3)
        words = []
        for name in names:
            value = self.text()
            self.replace(name, value)
            words += [name, value]
        return [("MSET", *words)]

    def write_fresh(self):
        self.fresh += 1
        name, value = self.name(b"u", self.fresh), self.text(12)
        self.replace(name, value)
        return [("SET", name, value)]

    def write_del_many(self):
        names = [self.pick(kind) for kind in (b"s", b"l", b"h", b"t", b"z")]
        for name in names:
            self.replace(name, None)
        return [(self.rng.choice(("DEL", "UNLINK")), *names)]

    def write_rename(self):
        kind = self.rng.choice((b"s", b"l", b"h", b"t", b"z", b"H", b"T"))
        source, target = self.pick(kind, True), self.pick(kind)
        if source is None or source == target:
            return None
        value, deadline = self.get(source), self.deadlines.get(self.key(source))
        self.replace(source, None)
        self.replace(target, value, deadline)
        return [("RENAME", source, target)]

    def write_copy(self):
        kind = self.rng.choice((b"s", b"l", b"h", b"t", b"z"))
        source, target = self.pick(kind, True), self.pick(kind)
        if source is None or source == target:
            return None
        value = self.get(source)
        copied = Bag(value.kind, value.items) if isinstance(value, Bag) else list(value) if isinstance(value, list) else value
        self.replace(target, copied, self.deadlines.get(self.key(source)))
        return [("COPY", source, target, "REPLACE")]

    # lists

    def write_push(self):
        name, values = self.pick(b"l"), [self.text(self.rng.choice((4, 30, 300))) for _ in range(self.rng.randrange(1, 4))]
        values = [b"%s.%d" % (value, place) for place, value in enumerate(values)]
        items = self.get(name) or []
        if len(items) > LIST_MOST:
            return None
        if self.rng.random() < 0.5:
            self.change(name, items + values)
            return [("RPUSH", name, *values)]
        self.change(name, values[::-1] + items)
        return [("LPUSH", name, *values)]

    def write_pop(self):
        name = self.pick(b"l", True)
        if name is None:
            return None
        items, count = self.get(name), self.rng.randrange(1, 4)
        way = self.rng.randrange(6)
        if way == 0:
            self.change(name, items[count:])
            return [("LPOP", name, count)]
        if way == 1:
            self.change(name, items[: -count])
            return [("LMPOP", 2, b"lnone", name, "RIGHT", "COUNT", count)]
        if way in (2, 3):
            self.change(name, items[1:])
            return [("LPOP", name) if way == 2 else ("BLPOP", name, 0)]
        self.change(name, items[:-1])
        return [("RPOP", name) if way == 4 else ("BRPOP", name, 0)]

    def write_move(self):
        source, target = self.pick(b"l", True), self.pick(b"l")
        if source is None or len(self.get(target) or []) > LIST_MOST:
            return None
        item, rest = self.get(source)[0], self.get(source)[1:]
        if source == target:
            self.change(source, rest + [item])
        else:
            self.change(source, rest)
            self.change(target, (self.get(target) or []) + [item])
        return [self.rng.choice((("LMOVE", source, target, "LEFT", "RIGHT"), ("BLMOVE", source, target, "LEFT", "RIGHT", 0)))]

    def write_list_edit(self):
        name = self.pick(b"l", True)
        if name is None:
            return None
        items = list(self.get(name))
        at, value, way = self.rng.randrange(len(items)), self.text(20), self.rng.randrange(4)
        old = items[at]
        if way == 0:
            items[at] = value
            command = ("LSET", name, at, value)
        elif way == 1:
            items.insert(items.index(old), value)
            command = ("LINSERT", name, "BEFORE", old, value)
        elif way == 2:
            items = items[: at + 1]
            command = ("LTRIM", name, 0, at)
        else:
            items = [item for item in items if item != old]
            command = ("LREM", name, 0, old)
        self.change(name, items)
        return [command]

    # hashes, sets, sorted sets

    def bag(self, name, kind):
        value = self.get(name)
        return Bag(kind) if value is None else value

    def write_hset(self):
        name = self.pick(b"h")
        bag, words = self.bag(name, "hash"), []
        for _ in range(self.rng.randrange(1, 5)):
            field, value = self.member(), self.text(self.rng.choice((4, 20, 100)))
            bag.put(field, value)
            words += [field, value]
        self.change(name, bag)
        return [("HSET", name, *words)]

    def write_hash_edit(self):
        name, field = self.pick(b"h", True), self.member()
        if name is None:
            return None
        bag = self.bag(name, "hash")
        if self.rng.random() < 0.5:
            bag.drop(field)
            self.change(name, bag)
            return [("HDEL", name, field)]
        field = b"count"
        bag.put(field, b"%d" % (int(bag.items.get(field, 0)) + 7))
        self.change(name, bag)
        return [("HINCRBY", name, field, 7)]

    def write_field_deadline(self):
        name, field, way = self.pick(b"x"), self.member(), self.rng.randrange(4)
        bag = self.bag(name, "hash")
        if way == 0 or field not in bag.items:
            value = self.text(10)
            bag.put(field, (value, None))
            command = ("HSET", name, field, value)
        elif way == 3:
            bag.put(field, (bag.items[field][0], None))
            command = ("HPERSIST", name, "FIELDS", 1, field)
        else:
            at = now_ms() + DAY_MS + self.rng.randrange(DAY_MS)
            bag.put(field, (bag.items[field][0], at))
            command = ("HPEXPIREAT", name, at, "FIELDS", 1, field)
        self.change(name, bag)
        return [command]

    def write_field_taken(self):
        name, field = self.pick(b"x", True), self.member()
        if name is None:
            return None
        bag = self.bag(name, "hash")
        bag.drop(field)
        self.change(name, bag)
        return [("HGETDEL", name, "FIELDS", 1, field)]

    def write_sadd(self):
        name = self.pick(b"t")
        bag = self.bag(name, "set")
        numbers = self.rng.random() < 0.3
        members = [b"%d" % self.rng.randrange(50) if numbers else self.member() for _ in range(self.rng.randrange(1, 5))]
        for member in members:
            bag.put(member)
        self.change(name, bag)
        return [("SADD", name, *members)]

    def write_srem(self):
        name, member = self.pick(b"t"), self.member()
        bag = self.bag(name, "set")
        bag.drop(member)
        self.change(name, bag)
        return [("SREM", name, member)]

    def write_smove(self):
        source, target = self.pick(b"t", True), self.pick(b"t")
        if source is None or source == target:
            return None
        member = self.rng.choice(list(self.get(source).items))
        from_bag, to_bag = self.bag(source, "set"), self.bag(target, "set")
        from_bag.drop(member)
        to_bag.put(member)
        self.change(source, from_bag)
        self.change(target, to_bag)
        return [("SMOVE", source, target, member)]

    def write_spop(self):
        name = self.pick(b"t", True)
        if name is None:
            return None
        key, bag = self.key(name), self.bag(name, "set")
        members = list(bag.items)

        def one_less(found):
            return found in [Bag("set", dict.fromkeys(members[:place] + members[place + 1 :])).fingerprint()
                             for place in range(len(members))]

        def on_reply(reply, state):
            bag.drop(reply)
            state.fits, state.fingerprint = None, bag.fingerprint()
            state.deadline = self.deadlines.get(key) if bag.items else None
            if not bag.items:
                del self.values[key]
                self.deadlines.pop(key, None)

        self.touched.append(key)
        self.fits = one_less
        return [("SPOP", name)], True, on_reply

    def write_set_store(self):
        one, two, target = self.pick(b"t"), self.pick(b"t"), self.pick(b"t")
        command, operation = self.rng.choice((("SUNIONSTORE", set.union), ("SINTERSTORE", set.intersection),
                                              ("SDIFFSTORE", set.difference)))
        made = operation(set(self.bag(one, "set").items), set(self.bag(two, "set").items))
        self.replace(target, Bag("set", dict.fromkeys(made)) if made else None)
        return [(command, target, one, two)]

    def write_zadd(self):
        name = self.pick(b"z")
        bag, words = self.bag(name, "zset"), []
        for _ in range(self.rng.randrange(1, 5)):
            member, score = self.member(), self.rng.choice((b"%d", b"%d.5")) % self.rng.randrange(1000)
            bag.put(member, score)
            words += [score, member]
        self.change(name, bag)
        return [("ZADD", name, *words)]

    def write_zset_edit(self):
        name, member, way = self.pick(b"z", True), self.member(), self.rng.randrange(3)
        if name is None:
            return None
        bag = self.bag(name, "zset")
        if way == 0:
            score = float(bag.items.get(member, 0)) + 3
            bag.put(member, b"%g" % score)
            command = ("ZINCRBY", name, 3, member)
        elif way == 1:
            bag.drop(member)
            command = ("ZREM", name, member)
        else:
            bag.drop(min(bag.items, key=lambda one: (float(bag.items[one]), one)))
            command = self.rng.choice((("ZPOPMIN", name), ("BZPOPMIN", name, 0), ("ZMPOP", 1, name, "MIN"),
                                       ("ZREMRANGEBYRANK", name, 0, 0)))
        self.change(name, bag)
        return [command]

    # large collections: a snapshot takes them in several steps, or hands them over

    def write_large_bag(self):
        kind, what, command = self.rng.choice(((b"H", "hash", "HSET"), (b"T", "set", "SADD"), (b"Z", "zset", "ZADD")))
        name = self.name(kind, self.rng.randrange(2))
        bag, words = self.bag(name, what), []
        for _ in range(3 if len(bag.items) >= LARGE_ELEMENTS else 250):
            member, score = b"member-%d" % self.rng.randrange(2 * LARGE_ELEMENTS), b"%d" % self.rng.randrange(9999)
            bag.put(member, None if what == "set" else score)
            words += [member] if what == "set" else [member, score] if what == "hash" else [score, member]
        self.change(name, bag)
        return [(command, name, *words)]

    def write_large_list(self):
        name = self.name(b"L", self.rng.randrange(2))
        first, last = self.get(name) or (1, 0)
        if last - first > LARGE_ELEMENTS or last >= first and self.rng.random() < 0.3:
            count = min(self.rng.randrange(1, 30), last - first + 1)
            self.change(name, (first + count, last) if first + count <= last else None)
            return [("LPOP", name, count)]
        count = self.rng.randrange(1, 200)
        self.change(name, (first, last + count))
        return [("RPUSH", name, *(element(number) for number in range(last + 1, last + count + 1)))]

    def write_large_gone(self):
        name = self.name(self.rng.choice((b"H", b"T", b"Z", b"L")), self.rng.randrange(2))
        self.replace(name, None)
        return [(self.rng.choice(("DEL", "UNLINK")), name)]

    # several at once, and whole databases

    def write_transaction(self):
        commands, changed = [], []
        for _ in range(self.rng.randrange(2, 6)):
            made = getattr(self, "write_" + self.rng.choice(IN_TRANSACTIONS))()
            commands += made or []
            changed += self.touched
        self.touched = changed
        if len(commands) < 2:
            commands.append(("PING",))
        return [("MULTI",), *commands, ("EXEC",)]

    def write_select(self):
        self.db = self.rng.choice(self.databases)
        return [("SELECT", self.db)]

    def write_flush(self):
        for key in [key for key in self.values if key[0] == self.db]:
            del self.values[key]
            self.deadlines.pop(key, None)
            self.touched.append(key)
        return [("FLUSHDB", self.rng.choice(("SYNC", "ASYNC")))]

    def write_swap(self):
        one, other = self.rng.sample(self.databases, 2)

        def swapped(table):
            return {({one: other, other: one}.get(db, db), name): value for (db, name), value in table.items()}

        before = [key for key in self.values if key[0] in (one, other)]
        self.values, self.deadlines = swapped(self.values), swapped(self.deadlines)
        self.touched += before + [key for key in self.values if key[0] in (one, other)]
        return [("SWAPDB", one, other)]


WEIGHTS = {
    "set": 8, "set_keepttl": 2, "set_deadline": 3, "set_expiring": 5, "take_expiring": 2, "set_ttl": 1, "expire": 1,
    "expire_at": 3, "expire_now": 2, "persist": 2, "getset": 2, "setnx": 2, "getdel": 3, "append": 4, "setrange": 3,
    "incr": 5, "incr_float": 2, "setbit": 3, "mset": 3, "fresh": 12, "del_many": 1, "rename": 3, "copy": 2, "push": 8,
    "pop": 6, "move": 5, "list_edit": 4, "hset": 6, "hash_edit": 4, "field_deadline": 4, "field_taken": 1, "sadd": 6,
    "srem": 3, "smove": 3, "spop": 1, "set_store": 2, "zadd": 6, "zset_edit": 5, "large_bag": 2, "large_list": 2,
    "large_gone": 0.1, "transaction": 6, "select": 4, "flush": 0.04, "swap": 0.1,
}
IN_TRANSACTIONS = ("set", "set_deadline", "incr", "append", "mset", "push", "hset", "sadd", "zadd", "getdel", "smove",
                   "rename", "expire_at", "large_list")
