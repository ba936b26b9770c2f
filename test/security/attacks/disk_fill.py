try:
    with open('fill', 'wb') as file:
        while True:
            file.write(bytes(1 << 20))
except OSError as error:
    print(error.strerror)
    raise
