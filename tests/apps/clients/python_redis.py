"""python3-redis, used as Python's users do: sessions, locks, queues and schedules as Celery and RQ keep them, rate
limits, messages, notices of keys that expire, places near a place.

    python_redis.py PORT USE ...     prints each USE when it has been done
"""

import sys
import threading
import time
import uuid

import redis

PORT = int(sys.argv[1])
WAIT_SECONDS = 20


def connect():
    return redis.Redis(port=PORT, decode_responses=True, socket_timeout=WAIT_SECONDS)


def next_message(pubsub):
    """The next message that is not about the subscription itself."""
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until:
        message = pubsub.get_message(ignore_subscribe_messages=True, timeout=WAIT_SECONDS)
        if message:
            return message
    raise AssertionError("no message")


def session(api):
    with api.pipeline() as pipe:
        pipe.hset("session:1", mapping={"user": "ada", "visits": 1}).expire("session:1", 100)
        pipe.hincrby("session:1", "visits", 1).hgetall("session:1")
        assert pipe.execute() == [2, True, 2, {"user": "ada", "visits": "2"}]
    assert api.hmget("session:1", "user", "absent") == ["ada", None]
    assert 90 < api.ttl("session:1") <= 100
    assert api.hdel("session:1", "user", "visits") == 2
    assert api.exists("session:1") == 0


def lock(api):
    """By SET NX and WATCH; redis-py's own Lock releases by a script."""
    token = str(uuid.uuid4())
    assert api.set("lock", token, nx=True, px=30_000) is True
    assert api.set("lock", "another", nx=True, px=30_000) is None

    def release(pipe):
        assert pipe.get("lock") == token
        pipe.multi()
        pipe.delete("lock")

    assert api.transaction(release, "lock") == [1]
    api.set("lock", "mine")
    with api.pipeline() as pipe:
        pipe.watch("lock")
        connect().set("lock", "theirs")
        pipe.multi()
        pipe.delete("lock")
        try:
            pipe.execute()
            raise AssertionError("the watched key had changed")
        except redis.WatchError:
            pass
    assert api.get("lock") == "theirs"


def counter(api):
    """Increments by WATCH, from many threads: none is lost."""

    def increment(pipe):
        value = int(pipe.get("counter") or 0)
        pipe.multi()
        pipe.set("counter", value + 1)

    def work():
        with connect() as own:
            for _ in range(25):
                own.transaction(increment, "counter")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert api.get("counter") == "100"


def queue(api):
    """Four workers wait on one list, and each job goes to one of them."""
    done = []

    def work():
        with connect() as own:
            while True:
                _, job = own.brpop(["urgent", "jobs"], timeout=0)
                if job == "stop":
                    return
                done.append(job)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    jobs = ["job:%d" % number for number in range(400)]
    for job in jobs:
        api.lpush("jobs", job)
    api.lpush("jobs", *["stop"] * len(workers))
    for worker in workers:
        worker.join()
    assert sorted(done) == sorted(jobs)


def acknowledged_queue(api):
    """As Celery keeps it: what a worker has taken is in a hash and a sorted set until it is acknowledged."""
    api.lpush("celery", "task")
    _, task = api.brpop("celery", timeout=1)
    with api.pipeline() as pipe:
        pipe.zadd("unacked_index", {"tag": 1.5}).hset("unacked", "tag", task)
        assert pipe.execute() == [1, 1]
    assert api.zrevrangebyscore("unacked_index", 2, 0, start=0, num=10, withscores=True) == [("tag", 1.5)]
    with api.pipeline() as pipe:
        pipe.hget("unacked", "tag").zrem("unacked_index", "tag").hdel("unacked", "tag")
        assert pipe.execute() == ["task", 1, 1]
    assert api.exists("unacked", "unacked_index", "celery") == 0


def rate_limit(api):
    def attempt(now, window=60, limit=3):
        with api.pipeline() as pipe:
            pipe.zremrangebyscore("rate", 0, now - window).zadd("rate", {str(now): now}).zcard("rate")
            return pipe.expire("rate", window).execute()[2] <= limit

    assert [attempt(now) for now in (1, 2, 3, 4, 200)] == [True, True, True, False, True]


def messages(api):
    with connect().pubsub() as pubsub:
        pubsub.subscribe("news")
        pubsub.psubscribe("user:*")
        while not (api.pubsub_numsub("news") == [("news", 1)] and api.pubsub_numpat() == 1):
            pass
        assert api.publish("news", "hello") == 1
        assert api.publish("user:7", "here") == 1
        assert next_message(pubsub) == {"type": "message", "pattern": None, "channel": "news", "data": "hello"}
        assert next_message(pubsub) == {
            "type": "pmessage", "pattern": "user:*", "channel": "user:7", "data": "here"}


def expiry_notices(api):
    api.config_set("notify-keyspace-events", "Ex")
    with connect().pubsub() as pubsub:
        pubsub.psubscribe("__keyevent@0__:expired")
        while api.pubsub_numpat() != 1:
            pass
        api.set("short", "lived", px=20)
        message = next_message(pubsub)
        assert (message["channel"], message["data"]) == ("__keyevent@0__:expired", "short")
    api.config_set("notify-keyspace-events", "")


def places(api):
    api.geoadd("cities", (13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania"))
    assert api.geosearch("cities", longitude=15, latitude=37, radius=100, unit="km") == ["Catania"]
    assert 166 < api.geodist("cities", "Palermo", "Catania", unit="km") < 167


def scans(api):
    members = {"member:%d" % number: number for number in range(1000)}
    api.zadd("ranks", members)
    api.sadd("names", *members)
    api.hset("numbers", mapping=members)
    assert dict(api.zscan_iter("ranks", count=37)) == members
    assert set(api.sscan_iter("names", match="member:99?")) == {"member:%d" % number for number in range(990, 1000)}
    assert {name: int(number) for name, number in api.hscan_iter("numbers")} == members
    assert api.sort("names", alpha=True, start=0, num=2) == ["member:0", "member:1"]
    assert "ranks" in set(api.scan_iter(_type="zset"))


USES = {
    "session": session,
    "lock": lock,
    "counter": counter,
    "queue": queue,
    "acknowledged queue": acknowledged_queue,
    "rate limit": rate_limit,
    "messages": messages,
    "expiry notices": expiry_notices,
    "places": places,
    "scans": scans,
}


def main():
    with connect() as api:
        for name in sys.argv[2:]:
            USES[name](api)
            print(name, flush=True)


if __name__ == "__main__":
    main()
