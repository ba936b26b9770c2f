count = 0
try:
    while True:
        open(f'f{count}', 'w').close()
        count += 1
except OSError as error:
    print(error.strerror, count > 10_000)
    raise
