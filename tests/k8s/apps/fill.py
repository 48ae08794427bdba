"""`fill.py HOST BYTES`: writes values of a kilobyte with deadlines of some minutes, a hundred at a time, until so many bytes are written."""

import os
import sys

from resp import Client, ReplyError

SIZE, BATCH = 1024, 100
host, left = sys.argv[1], int(sys.argv[2])
client = Client(host, os.environ.get("REDISCLI_AUTH", ""), 60)
number = 0
while left > 0:
    request = b""
    for _ in range(BATCH):
        key, deadline = b"fill:%d" % number, b"%d" % (600 + number % 600)
        request += b"*5\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n$2\r\nEX\r\n$%d\r\n%s\r\n" % (
            len(key), key, SIZE, b"v" * SIZE, len(deadline), deadline)
        number += 1
        left -= SIZE
    client.socket.sendall(request)
    for _ in range(BATCH):
        try:
            client.read()
        except ReplyError as error:
            sys.exit("SET: %s" % error)
print(number, "written")
