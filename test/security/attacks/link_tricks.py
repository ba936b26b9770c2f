import os, socket

os.makedirs('out/folder')
open('out/good.txt', 'w').write('good')
open('out/folder/inner.txt', 'w').write('inner')
os.symlink('/etc/passwd', 'out/link')
os.symlink('/var/lib/tidepool', 'out/link-to-folder')
os.symlink('/proc/self/environ', 'out/folder/link')
os.mkfifo('out/pipe')
socket.socket(socket.AF_UNIX).bind('out/socket')
open('out/back\\slash', 'w').close()
open('out/new\nline', 'w').close()
open(b'out/not-\xff-utf8', 'w').close()
with open('out/sparse', 'wb') as file:
    file.truncate(1 << 40)
