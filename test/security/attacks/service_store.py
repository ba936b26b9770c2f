"""A handler that floods the agent's end of the store, and never reads an answer; and asks properly when it is asked."""
import json, os, socket, threading

from tidepool import store

PATH = os.environ['TIDEPOOL_STORE']
kinds = [
    b'nonsense\n',
    b'\n' * 1000,
    b'x' * 200_000,
    json.dumps({'id': 1, 'op': 'get', 'key': 'k'}).encode() + b'\n',
    b''.join(json.dumps({'id': 1, 'op': 'get', 'key': 'large'}).encode() + b'\n' for _ in range(500)),
    json.dumps({'id': 1, 'op': 'put', 'key': 'k', 'value': 'A' * 80_000}).encode() + b'\n',
]


def flood(data):
    while True:
        try:
            with socket.socket(socket.AF_UNIX) as made:
                made.settimeout(1)
                made.connect(PATH)
                while True:
                    made.sendall(data)
        except OSError:
            pass


def handler(request):
    if request.path == '/start':
        for data in kinds * 2:
            threading.Thread(target=flood, args=(data,), daemon=True).start()
        return 'started'
    store.put('key', 'value')
    return store.get('key')
