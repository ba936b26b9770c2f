import os

for _ in range(40_000):
    os.write(1, b'x')
print('end')
