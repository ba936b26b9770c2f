"""Licence plates, each with a salted SHA-256 that any VM of the service can check, also after others are gone.

    ./tidepool service deploy examples/services/licence.py --port 21004 --min 2 --max 8 --warm 1
    curl -X POST http://127.0.0.1:21004/B-TP-2024                registers a plate; the answer's result is `hash:salt`
    curl http://127.0.0.1:21004/B-TP-2024                        the `hash:salt` that is stored, or 404
    curl "http://127.0.0.1:21004/B-TP-2024?hash=HASH:SALT"       whether this is it: true or false

Many at once, at most 10,000, as JSON in the body:

    curl -d '["B-TP-1", "B-TP-2"]' http://127.0.0.1:21004/       registers them; the result has the `hash:salt` of each
    curl -d '{"B-TP-1": "HASH:SALT"}' http://127.0.0.1:21004/    checks them; the result has those that are wrong

The hash is that of the salt followed by the plate. The first to register a plate wins: all later ones get its
`hash:salt`.
"""
import secrets
from hashlib import sha256

from tidepool import Reject, store

LONGEST = 64
MOST = 10_000


def salted(plate: str) -> str:
    salt = secrets.token_hex(16)
    return sha256((salt + plate).encode()).hexdigest() + ":" + salt


def many(asked: object) -> object:
    if not isinstance(asked, (list, dict)) or len(asked) > MOST:
        raise Reject(f"the body is a list of at most {MOST} plates, or as many with their hashes")
    if not all(isinstance(plate, str) and 1 <= len(plate) <= LONGEST for plate in asked):
        raise Reject(f"a plate is a text of 1 to {LONGEST} characters")
    if isinstance(asked, list):
        return {plate: value.decode() for plate, value in store.add_many({one: salted(one) for one in asked}).items()}
    stored = store.get_many(asked)
    return [plate for plate, result in asked.items() if (stored[plate] or b"").decode() != result]


def handler(request):
    plate = request.path[1:]
    if request.method == "POST" and not plate and request.body:
        return {"result": many(request.json()), "server": request.server}
    if not 1 <= len(plate) <= LONGEST:
        return 400, {"error": f"the path is a plate of 1 to {LONGEST} characters, as in /B-TP-2024"}
    if request.method == "POST":
        stored = store.add(plate, salted(plate)).decode()
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
