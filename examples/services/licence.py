"""Licence plates, each with a salted SHA-256 that any VM of the service can check, also after others are gone.

    ./tidepool service deploy examples/services/licence.py --port 21004 --min 2 --max 8 --warm 1
    curl -X POST http://127.0.0.1:21004/B-TP-2024                registers a plate; the answer's result is `hash:salt`
    curl http://127.0.0.1:21004/B-TP-2024                        the `hash:salt` that is stored, or 404
    curl "http://127.0.0.1:21004/B-TP-2024?hash=HASH:SALT"       whether this is it: true or false

The hash is that of the salt followed by the plate. The first to register a plate wins: all later ones get its
`hash:salt`.
"""
import secrets
from hashlib import sha256

from tidepool import store

LONGEST = 64


def salted(plate: str, salt: str) -> str:
    return sha256((salt + plate).encode()).hexdigest() + ":" + salt


def handler(request):
    plate = request.path[1:]
    if not 1 <= len(plate) <= LONGEST:
        return 400, {"error": f"the path is a plate of 1 to {LONGEST} characters, as in /B-TP-2024"}
    if request.method == "POST":
        stored = store.add(plate, salted(plate, secrets.token_hex(16))).decode()
        return {"input": plate, "result": stored, "server": request.server}
    if request.method != "GET":
        return 405, {"error": "only GET and POST are known here"}, {"Allow": "GET, POST"}
    stored = store.get(plate)
    if stored is None:
        return 404, {"error": f"the plate {plate} is not registered"}
    result = stored.decode()
    if "hash" in request.query:
        result = request.query["hash"] == result
    return {"input": plate, "result": result, "server": request.server}
