"""A handler that spoils the folder which it shares with the agent, again and again."""
import os, shutil, threading, time

FOLDER = '/run/tidepool'
STATUS = FOLDER + '/status.json'


def put_text(data):
    def put():
        with open(STATUS, 'wb') as file:
            file.write(data)
    return put


def put_huge():
    with open(STATUS, 'wb') as file:
        file.write(b'{"state":"serving","traceback":"')
        file.truncate(1 << 40)


tricks = [
    lambda: os.symlink('/etc/passwd', STATUS),
    lambda: os.symlink('/proc/kmsg', STATUS),
    lambda: os.symlink(STATUS, STATUS),
    lambda: os.mkfifo(STATUS),
    lambda: os.mkdir(STATUS),
    put_huge,
    put_text(b'[' * 100_000),
    put_text(b'{"state":"serving","message":' + b'"' + b'x' * 120_000 + b'"}'),
    put_text(b'{"state":"serving","restarts":1e308,"requests":-5,"inFlight":"many","errors":{}}'),
    put_text(b'\xff\xfe\x00'),
]


def spoil():
    while True:
        for trick in tricks:
            try:
                if os.path.isdir(STATUS) and not os.path.islink(STATUS):
                    shutil.rmtree(STATUS)
                elif os.path.lexists(STATUS):
                    os.unlink(STATUS)
                trick()
            except OSError:
                pass
            time.sleep(0.05)


def handler(request):
    """What it can do to the socket of the store."""
    for what, action in (('remove', lambda: os.unlink(FOLDER + '/store.sock')),
                         ('replace', lambda: os.rename(STATUS, FOLDER + '/store.sock')),
                         ('change', lambda: os.chmod(FOLDER + '/store.sock', 0)),
                         ('close', lambda: os.chmod(FOLDER, 0))):
        try:
            action()
            return 'could ' + what
        except OSError:
            pass
    return 'end'


threading.Thread(target=spoil, daemon=True).start()
