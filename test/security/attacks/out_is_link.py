import os

os.rmdir('out')
os.symlink('/', 'out')
