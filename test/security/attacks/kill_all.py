import os

print('before')
os.kill(-1, 9)
print('alone')
os.kill(1, 9)
print('init lives')
