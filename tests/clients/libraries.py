"""Locks, limits and queues of Python: redis-py, python-redis-lock, limits, rq, Celery with kombu."""

import subprocess
import sys
import threading
import time
import uuid

import redis

HOST, PORT = sys.argv[1], int(sys.argv[2])
URL = f"redis://{HOST}:{PORT}/0"
client = redis.Redis(HOST, PORT)


def take_turns(make_lock):
    """Several threads under one lock; how often it was held."""
    inside, turns, failures = [], [], []

    def work():
        for _ in range(5):
            with make_lock():
                inside.append(1)
                if len(inside) != 1:
                    failures.append("two hold the lock")
                client.ping()
                inside.pop()
                turns.append(1)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    assert len(turns) == 30, turns
    return len(turns)


def redis_py():
    turns = take_turns(lambda: client.lock("lock:py", timeout=10, sleep=0.002))
    lock = client.lock("lock:mine", timeout=10)
    assert lock.acquire()
    assert lock.extend(5) and lock.reacquire() and lock.owned()
    other = client.lock("lock:mine", timeout=10, blocking=False)
    assert not other.acquire()
    lock.release()
    script = client.register_script("return {KEYS[1], ARGV[1], redis.call('INCR', KEYS[1])}")
    assert script(keys=["counter"], args=["x"]) == [b"counter", b"x", 1]
    client.script_flush()
    assert script(keys=["counter"], args=["x"])[2] == 2, "it is loaded again"
    client.function_load("#!lua name=lib\nredis.register_function('twice', function(keys) return redis.call('INCRBY', keys[1], 2) end)", True)
    assert client.fcall("twice", 1, "counter") == 4
    return f"redis-py {redis.__version__}, {turns} turns"


def python_redis_lock():
    import redis_lock

    turns = take_turns(lambda: redis_lock.Lock(client, "shared", expire=10))
    with redis_lock.Lock(client, "renewed", expire=1, auto_renewal=True) as lock:
        time.sleep(1.2)
        assert redis_lock.Lock(client, "renewed").locked()
        lock.extend(5)
    redis_lock.reset_all(client)
    return f"python-redis-lock, {turns} turns"


def limits():
    from limits import RateLimitItemPerMinute, storage, strategies

    store = storage.RedisStorage(URL)
    for strategy in (strategies.FixedWindowRateLimiter, strategies.MovingWindowRateLimiter, strategies.SlidingWindowCounterRateLimiter):
        limiter, item, name = strategy(store), RateLimitItemPerMinute(5), strategy.__name__
        assert [limiter.hit(item, name) for _ in range(7)] == [True] * 5 + [False] * 2, name
        assert limiter.get_window_stats(item, name).remaining == 0
    return "limits"


def rq():
    import logging

    from rq import Queue, Retry, SimpleWorker

    logging.disable(logging.CRITICAL)  # One of the jobs fails on purpose.

    queue = Queue("jobs", connection=client)
    jobs = [queue.enqueue(divmod, number, 7) for number in range(20)]
    behind = queue.enqueue(abs, -5, depends_on=jobs[-1])
    failing = queue.enqueue(divmod, 1, 0, retry=Retry(max=1))
    SimpleWorker([queue], connection=client).work(burst=True, logging_level="ERROR")
    assert [tuple(job.return_value()) for job in jobs] == [divmod(number, 7) for number in range(20)]
    assert behind.return_value() == 5
    assert failing.get_status(refresh=True).name == "FAILED"
    return f"rq, {len(jobs) + 2} jobs"


def celery():
    from celery import chord, group

    import tasks

    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "tasks", "worker", "--pool=threads", "-c", "4", "--loglevel=ERROR",
         "--without-gossip", "--without-mingle", "-n", uuid.uuid4().hex],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    try:
        assert group(tasks.add.s(number, number) for number in range(20))().get(timeout=30) == [2 * number for number in range(20)]
        assert chord((tasks.add.s(number, 1) for number in range(10)), tasks.total.s())().get(timeout=30) == 55
        assert tasks.add.apply_async((1, 2), countdown=0.2, priority=5).get(timeout=30) == 3
    finally:
        worker.terminate()
        worker.wait(20)
    return "Celery, 32 tasks"


if __name__ == "__main__":
    for part in (redis_py, python_redis_lock, limits, rq, celery):
        print("ok:", part(), flush=True)
