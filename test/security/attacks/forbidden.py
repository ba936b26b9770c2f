"""Tries what a job may not do; prints one line for each thing that it could do after all."""
import ctypes, fcntl, mmap, os, socket, struct, subprocess, sys

libc = ctypes.CDLL(None, use_errno=True)

def attempt(name, action):
    try:
        result = action()
    except (OSError, subprocess.SubprocessError, ValueError):
        return
    if result is not False:
        print('could', name, repr(result)[:200])

def call(number, *args):
    result = libc.syscall(number, *args)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result

def write(path, text):
    with open(path, 'w') as file:
        file.write(text)

def connect(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as peer:
        peer.settimeout(2)
        peer.connect(address)

def readable(path):
    with open(path, 'rb') as file:
        return len(file.read(16))

# secrets and other attempts
attempt('read the agent key', lambda: readable('/sys/firmware/qemu_fw_cfg/by_name/opt/tidepool/agent-key/raw'))
for path in ('/sys/firmware', '/sys/fs', '/sys/kernel'):
    if os.path.exists(path):
        print('could see', path)
for path in ('/var/lib/tidepool', '/run/tidepool', '/opt/tidepool', '/proc/1/root/var/lib/tidepool', '/etc/shadow',
             '/proc/kcore', '/proc/keys', '/proc/kallsyms', '/proc/sched_debug', '/dev/vda', '/dev/mem', '/dev/kmsg'):
    attempt('list ' + path, lambda: os.path.isdir(path) and os.listdir(path))
    attempt('read ' + path, lambda: os.path.isfile(path) and readable(path) > 0)
if [entry for entry in os.listdir('/proc') if entry.isdigit() and int(entry) > 50]:
    print('could see processes of others')

# network
attempt('connect to the agent', lambda: connect(socket.AF_INET, ('127.0.0.1', 9000)))
attempt('connect to the guest', lambda: connect(socket.AF_INET, ('10.0.2.15', 9000)))
attempt('connect to the host', lambda: connect(socket.AF_INET, ('10.0.2.2', 22)))
attempt('connect outside', lambda: connect(socket.AF_INET, ('192.0.2.1', 80)))
with open('/proc/net/dev') as devices:
    names = [line.split(':')[0].strip() for line in devices if ':' in line]
    if names != ['lo']:
        print('could see network devices', names)
for family, name in ((16, 'netlink'), (17, 'packet'), (38, 'alg'), (40, 'vsock'), (15, 'key'), (31, 'bluetooth')):
    attempt('open a socket of family ' + name, lambda: socket.socket(family, socket.SOCK_RAW).close())
attempt('open a raw socket', lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close())

# kernel settings and cgroups
attempt('write /proc/sys', lambda: write('/proc/sys/kernel/hostname', 'x'))
attempt('write core_pattern', lambda: write('/proc/sys/kernel/core_pattern', '|/bin/sh'))
attempt('trigger sysrq', lambda: write('/proc/sysrq-trigger', 'b'))
attempt('lower its oom score', lambda: write('/proc/self/oom_score_adj', '-1000'))
attempt('write to a cgroup', lambda: write('/sys/fs/cgroup/cgroup.procs', str(os.getpid())))
attempt('write to the root', lambda: write('/x', 'x'))
attempt('write to /usr', lambda: write('/usr/x', 'x'))
attempt('write a uid map', lambda: write('/proc/self/uid_map', '0 0 1'))

# system calls (x86_64 numbers), each with arguments that would work for root
if os.uname().machine == 'x86_64':
    page = mmap.mmap(-1, 4096)
    buffer = ctypes.addressof(ctypes.c_char.from_buffer(page))
    refused = {
        'mount': (165, b'none', b'/tmp', b'tmpfs', 0, None), 'umount2': (166, b'/work', 2), 'chroot': (161, b'/tmp'),
        'pivot_root': (155, b'/tmp', b'/tmp'), 'unshare user': (272, 0x10000000), 'unshare mount': (272, 0x20000),
        'setns': (308, 0, 0), 'clone user': (56, 0x10000011, None, None, None, None), 'ptrace': (101, 16, 1, None, None),
        'process_vm_readv': (310, os.getpid(), buffer, 0, buffer, 0, 0), 'kcmp': (312, 1, 1, 0, 0, 0),
        'bpf': (321, 0, buffer, 72), 'userfaultfd': (323, 1), 'io_uring_setup': (425, 4, buffer),
        'perf_event_open': (298, buffer, 0, -1, -1, 0), 'add_key': (248, b'user', b'x', b'y', 1, -2),
        'keyctl': (250, 0, -3, 1), 'request_key': (249, b'user', b'x', None, -3), 'kexec_load': (246, 0, 0, None, 0),
        'init_module': (175, buffer, 0, b''), 'finit_module': (313, 0, b'', 0), 'delete_module': (176, b'ext4', 0),
        'open_by_handle_at': (304, -100, buffer, 0), 'name_to_handle_at': (303, -100, b'/work', buffer, buffer, 0),
        'reboot': (169, 0xfee1dead, 672274793, 0x01234567, None), 'swapon': (167, b'/work/x', 0),
        'sethostname': (170, b'x', 1), 'settimeofday': (164, buffer, None), 'clock_settime': (227, 0, buffer),
        'iopl': (172, 3), 'ioperm': (173, 0, 1, 1), 'acct': (163, b'/work/x'), 'quotactl': (179, 0, None, 0, None),
        'syslog': (103, 10, None, 0), 'fsopen': (430, b'tmpfs', 0), 'open_tree': (428, -100, b'/', 1),
        'mount_setattr': (442, -100, b'/', 0, buffer, 32), 'fanotify_init': (300, 0, 0), 'pidfd_getfd': (438, 0, 0, 0),
        'clone3': (435, buffer, 64), 'personality': (135, 0x0040000), 'vhangup': (153,), 'memfd_secret': (447, 0),
        'modify_ldt': (154, 0, buffer, 8), 'move_pages': (279, 0, 0, None, None, None, 0),
    }
    for name, args in refused.items():
        attempt('call ' + name, lambda: call(*args))

# devices, owners, setuid
attempt('make a disk node', lambda: os.mknod('disk', 0o060666, os.makedev(254, 0)))
attempt('make a memory node', lambda: os.mknod('/tmp/mem', 0o020666, os.makedev(1, 1)))
attempt('become root', lambda: os.setuid(0))
attempt('become another group', lambda: os.setgroups([0]))
attempt('give a file away', lambda: (write('mine', 'x'), os.chown('mine', 0, 0)))
with open('/proc/self/status') as status:
    for line in status:
        if line.startswith('Cap') and int(line.split()[1], 16) != 0:
            print('could keep', line.strip())
        if line.startswith('NoNewPrivs') and line.split()[1] != '1' or line.startswith('Seccomp:') and line.split()[1] != '2':
            print('could run without', line.strip())

# the quota: project id, and the flag that makes new files inherit it
FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR = 0x801c581f, 0x401c5820
folder = os.open('/work', os.O_RDONLY)
attributes = bytearray(28)
fcntl.ioctl(folder, FS_IOC_FSGETXATTR, attributes)
flags, extent, extents, project, cow = struct.unpack('IIIII8x', attributes)
if project < 1000 or not flags & 0x200:
    print('could run outside a quota', project, hex(flags))
attempt('change its project', lambda: fcntl.ioctl(folder, FS_IOC_FSSETXATTR, struct.pack('IIIII8x', flags, extent, extents, 0, cow)))
attempt('stop inheriting it', lambda: fcntl.ioctl(folder, FS_IOC_FSSETXATTR, struct.pack('IIIII8x', flags & ~0x200, extent, extents, project, cow)))

# a program with the setuid bit gains nothing
subprocess.run(['cp', '/usr/bin/id', '/work/id'], check=False)
if os.path.exists('/work/id'):
    os.chmod('/work/id', 0o4755)
    print(subprocess.run(['/work/id', '-u'], capture_output=True, text=True).stdout.strip())
print('end')
