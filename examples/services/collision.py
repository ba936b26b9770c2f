"""The smallest decimal number whose SHA-256 begins as that of a text: the first 6 hexadecimal digits are the same.

    ./tidepool service deploy examples/services/collision.py --port 21003 --min 1 --max 4 --policy backlog
    curl http://127.0.0.1:21003/tidepool
    {"input":"tidepool","result":"28749593","server":"collision-1"}

Numbers are tried from 0 up. On average it takes 16.8 million of them: seconds on a fast core, minutes on an emulated
one.
"""
from hashlib import sha256
from itertools import count

DIGITS = 6


def smallest_like(text: str) -> str:
    wanted = sha256(text.encode()).digest()[: DIGITS // 2]
    return next(str(n) for n in count() if sha256(b"%d" % n).digest().startswith(wanted))


def handler(request):
    text = request.path[1:]
    if not text:
        return 400, {"error": "the path is a text, as in /tidepool"}
    return {"input": text, "result": smallest_like(text), "server": request.server}
