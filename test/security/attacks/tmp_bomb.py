# Files in /tmp are memory; two tmpfs of half the limit each hold more than the limit.
for path in ('/tmp/fill', '/dev/shm/fill'):
    with open(path, 'wb') as file:
        try:
            while True:
                file.write(bytes(1 << 20))
        except OSError as error:
            print(path, error.strerror)
data = bytearray(64 << 20)
print('still here')
