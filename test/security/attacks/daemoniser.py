import os, signal, sys, time

def ignore_all():
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass

ignore_all()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        ignore_all()
        os.closerange(0, 3)
        while True:
            time.sleep(1)
    os._exit(0)
print('started')
while True:
    time.sleep(1)
