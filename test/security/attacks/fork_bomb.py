import os, time

refused = False
while not refused:
    try:
        if os.fork() == 0:
            while True:
                try:
                    os.fork()
                except OSError:
                    time.sleep(0.01)
    except OSError as error:
        refused = True
        print(error.strerror)
raise SystemExit(5)
