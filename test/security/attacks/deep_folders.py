import os

for _ in range(3_000):
    os.mkdir('a' * 200)
    os.chdir('a' * 200)
open('bottom', 'w').close()
print('deep')
