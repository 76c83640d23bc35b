"""redis-py over TLS: pipelines, messages, big values, both protocol versions, and no trust in strangers."""

import sys

import redis

HOST, PORT, AUTHORITY = sys.argv[1], int(sys.argv[2]), sys.argv[3]


def connect(**options):
    return redis.Redis(HOST, PORT, ssl=True, ssl_check_hostname=True, **options)


for protocol in (2, 3):
    client = connect(ssl_ca_certs=AUTHORITY, protocol=protocol)
    big = b"tls " * (1 << 18)
    assert client.set("tls:big", big) and client.get("tls:big") == big
    pipe = client.pipeline(transaction=False)
    for number in range(2000):
        pipe.incrby("tls:n", number)
    assert pipe.execute()[-1] == 1999000
    assert client.pipeline().set("tls:a", 1).get("tls:a").execute() == [True, b"1"]
    listener = client.pubsub(ignore_subscribe_messages=True)
    listener.subscribe("tls:news")
    assert listener.get_message(timeout=10) is None, "the confirmation"
    assert client.publish("tls:news", "hello") == 1
    assert listener.get_message(timeout=10)["data"] == b"hello"
    listener.close()
    client.delete("tls:big", "tls:n", "tls:a")

try:
    connect().ping()
except redis.ConnectionError as error:
    assert "CERTIFICATE_VERIFY_FAILED" in str(error), error
else:
    raise AssertionError("a stranger was trusted")
print(f"ok: redis-py {redis.__version__} over TLS")
