# Runs pip inside the build's container: `install.py PIP_WHEEL [SOCKET] -- PIP_ARGUMENTS`. The container has no network;
# with SOCKET, a proxy on 127.0.0.1 passes everything on to that unix socket, where the builder lets through what it may.
import os
import socket
import sys
import threading

PORT = 8765


def copy(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    finally:
        try:
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def serve(path, listener):
    while True:
        client, _ = listener.accept()
        gateway = socket.socket(socket.AF_UNIX)
        gateway.connect(path)
        for pair in ((client, gateway), (gateway, client)):
            threading.Thread(target=copy, args=pair, daemon=True).start()


split = sys.argv.index('--')
wheel, *path = sys.argv[1:split]
arguments = sys.argv[split + 1:]
if path:
    listener = socket.create_server(('127.0.0.1', PORT))
    threading.Thread(target=serve, args=(path[0], listener), daemon=True).start()
    arguments += ['--proxy', f'http://127.0.0.1:{PORT}']

sys.path.insert(0, wheel)
os.environ['PYTHONPATH'] = wheel
from pip._internal.cli.main import main

sys.exit(main(arguments))
