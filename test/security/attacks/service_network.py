"""Sent to a handler that runs it, after a line `targets = {...}`: tries to get anywhere from a service's network."""
import ctypes, fcntl, os, socket, struct, threading

TIMEOUT = 3


def attempt(what, action):
    try:
        result = action()
    except (OSError, ValueError) as error:
        return
    print('could', what, result)


def connect(host, port):
    with socket.create_connection((host, port), timeout=TIMEOUT) as made:
        return made.getpeername()


def shout(host, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        for source in (0, 8001):
            made.sendto(b'from the service', (host, port))


# The agent, by every way; the host and what it forwards to other machines, by both of QEMU's addresses; the world.
connections = [(host, 9000) for host in ('127.0.0.1', '10.0.3.15', '10.0.2.15', '10.0.3.2', '10.0.2.2')]
connections += [(host, port) for host in ('10.0.3.2', '10.0.2.2', '10.0.3.3', '127.0.0.1') for port in targets['tcp']]
connections += [('192.0.2.1', 80), ('10.0.3.2', 53), ('10.0.3.3', 53), ('169.254.169.254', 80)]
threads = [threading.Thread(target=attempt, args=(f'connect to {host}:{port}', lambda host=host, port=port: connect(host, port)))
           for host, port in connections]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for host in ('10.0.3.2', '10.0.2.2', '10.0.3.255', '255.255.255.255', '127.0.0.1'):
    for port in targets['udp']:
        try:
            shout(host, port)
        except OSError:
            pass

# The device: its address, whether it is up, its name, its routes.
SIOCADDRT, SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFHWADDR, SIOCSIFNAME = 0x890B, 0x8914, 0x8916, 0x8924, 0x8923
plain = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
address = struct.pack('16sH2s4s8s', b'eth1', socket.AF_INET, b'', socket.inet_aton('10.0.3.99'), b'')
attempt('change its address', lambda: fcntl.ioctl(plain, SIOCSIFADDR, address))
attempt('take it down', lambda: fcntl.ioctl(plain, SIOCSIFFLAGS, struct.pack('16sh14s', b'eth1', 0, b'')))
attempt('rename it', lambda: fcntl.ioctl(plain, SIOCSIFNAME, struct.pack('16s16s', b'eth1', b'mine')))
attempt('change its hardware address', lambda: fcntl.ioctl(plain, SIOCSIFHWADDR, address))
attempt('add a route', lambda: fcntl.ioctl(plain, SIOCADDRT, bytes(120)))
for name, family, kind, protocol in (('netlink', 16, 3, 0), ('packet', 17, 3, 0x0300), ('raw', 2, 3, 1), ('raw 6', 10, 3, 58), ('vsock', 40, 1, 0)):
    attempt(f'open a {name} socket', lambda: socket.socket(family, kind, protocol))
for path in ('net/ipv4/ip_forward', 'net/ipv4/conf/eth1/forwarding', 'net/core/somaxconn'):
    attempt(f'write {path}', lambda: open(f'/proc/sys/{path}', 'w').write('1'))
libc = ctypes.CDLL(None, use_errno=True)
for name, call in (('unshare', (272, 0x40000000)), ('setns', (308, os.open('/proc/self/ns/net', os.O_RDONLY), 0))):
    if libc.syscall(*call) == 0:
        print('could', name)
print('end')
