"""One request over HTTP: `ask.py URL` gets, `ask.py URL BODY` posts. Writes what came."""

import sys
import urllib.request

body = sys.argv[2].encode() if len(sys.argv) > 2 else None
request = urllib.request.Request(sys.argv[1], data=body, headers={"content-type": "application/json"})
with urllib.request.urlopen(request, timeout=30) as response:
    print(response.read().decode())
