import assert from 'node:assert/strict';
import { test } from 'node:test';
import { containerSpec, jobEnvironment } from './container-spec.ts';
import { seccompProfile } from './seccomp.ts';

const specOf = (options: Partial<Parameters<typeof containerSpec>[0]> = {}) =>
  containerSpec({
    rootPath: '/runtimes/python',
    argv: ['python3', 'x.py'],
    environment: { A: 'b=c' },
    firstUid: 100_000,
    tmpBytes: 1024 * 1024,
    ...options,
  });

test('the process has no rights: no root, no capability, no way to more', () => {
  const { process, linux, root } = specOf();
  assert.deepEqual(process.user, { uid: 1000, gid: 1000 });
  assert.deepEqual(new Set(Object.values(process.capabilities).flat()), new Set());
  assert.equal(process.noNewPrivileges, true);
  assert.equal(root.readonly, true);
  assert.ok(process.oomScoreAdj > 0, 'the agent is -1000 and children inherit it');
  const kinds = linux.namespaces.map(({ type }) => type).sort();
  assert.deepEqual(kinds, ['cgroup', 'ipc', 'mount', 'network', 'pid', 'user', 'uts']);
  assert.ok(
    linux.namespaces.every((one) => !('path' in one)),
    'none is shared with the guest',
  );
});

test('a service joins one network namespace, and still shares nothing else', () => {
  const { linux } = specOf({ networkPath: '/run/service-network' });
  const withPath = linux.namespaces.filter((one) => 'path' in one);
  assert.deepEqual(withPath, [{ type: 'network', path: '/run/service-network' }]);
  assert.equal(linux.namespaces.length, 7);
});

test('containers share no user id with each other or the guest', () => {
  for (const maps of ['uidMappings', 'gidMappings'] as const) {
    const [first] = specOf({ firstUid: 100_000 }).linux[maps];
    const [second] = specOf({ firstUid: 165_536 }).linux[maps];
    assert.ok(first !== undefined && second !== undefined);
    assert.equal(first.containerID, 0);
    assert.ok(first.hostID + first.size <= second.hostID);
    assert.ok(first.hostID >= 100_000);
  }
});

test('whoever it runs as, in the guest it is the owner of the slot, and every id has one place', () => {
  for (const id of [0, 1, 999, 1000, 1001, 4321, 65_534]) {
    const { process, linux } = specOf({ user: { uid: id, gid: 1000 } });
    assert.deepEqual(process.user, { uid: id, gid: 1000 });
    assert.deepEqual(linux.gidMappings, [{ containerID: 0, hostID: 100_000, size: 65_536 }]);
    const hostOf = (inside: number): number | undefined => {
      const range = linux.uidMappings.find((one) => inside >= one.containerID && inside < one.containerID + one.size);
      return range === undefined ? undefined : range.hostID + inside - range.containerID;
    };
    assert.equal(hostOf(id), 101_000);
    const all = new Set(Array.from({ length: 65_536 }, (_, inside) => hostOf(inside)));
    assert.equal(all.size, 65_536);
    assert.ok([...all].every((host) => host !== undefined && host >= 100_000 && host < 165_536));
  }
});

test('the working folder is mounted where it should be, and is the working directory', () => {
  const { process, mounts } = specOf({ workPath: '/slots/1/work', workFolder: '/app' });
  assert.equal(process.cwd, '/app');
  assert.equal(mounts.find(({ source }) => source === '/slots/1/work')?.destination, '/app');
});

test('every writable mount is without setuid and devices, and sized when it is memory', () => {
  const spec = specOf({
    workPath: '/slots/1/work',
    files: [{ from: '/a', to: '/dev/a', writable: true }],
    emptyFolders: ['/run'],
  });
  for (const mount of spec.mounts) {
    assert.ok(mount.options.includes('nosuid'), mount.destination);
    if (mount.type === 'tmpfs') assert.ok(mount.options.some((option) => option.startsWith('size=')));
    // crun binds the few device files into /dev.
    if (mount.destination !== '/dev' && mount.destination !== '/dev/shm') {
      assert.ok(mount.options.includes('nodev'), mount.destination);
    }
  }
  assert.ok(!spec.mounts.some(({ destination }) => destination.startsWith('/sys')));
});

test('it works in /work when there is one', () => {
  assert.equal(specOf({ workPath: '/slots/1/work' }).process.cwd, '/work');
  assert.equal(specOf().process.cwd, '/');
});

test("a job's own variables win; library threads follow the CPUs", () => {
  const environment = jobEnvironment(2.5, { MPLBACKEND: 'svg', OWN: '1' });
  assert.deepEqual([environment.MPLBACKEND, environment.OWN, environment.OMP_NUM_THREADS], ['svg', '1', '2']);
  assert.equal(jobEnvironment(0.1, {}).OMP_NUM_THREADS, '1');
});

test('seccomp: what is not named is refused, and no call is named twice without a condition', () => {
  const { defaultAction, syscalls } = seccompProfile;
  assert.equal(defaultAction, 'SCMP_ACT_ERRNO');
  const seen = new Set<string>();
  for (const rule of syscalls) {
    if (rule.args !== undefined) continue;
    for (const name of rule.names) {
      assert.match(name, /^[a-z0-9_]+$/);
      assert.ok(!seen.has(name), name);
      seen.add(name);
    }
  }
});

test('seccomp: the ways out are refused', () => {
  const allowed = new Set(
    seccompProfile.syscalls
      .filter((rule) => rule.action === 'SCMP_ACT_ALLOW' && rule.args === undefined)
      .flatMap((rule) => rule.names),
  );
  const ways = `mount umount2 pivot_root chroot unshare setns clone clone3 ptrace process_vm_readv bpf keyctl add_key
    userfaultfd io_uring_setup perf_event_open open_by_handle_at kexec_load init_module finit_module reboot swapon
    socket personality move_mount open_tree fsopen quotactl syslog iopl modify_ldt`;
  for (const name of ways.split(/\s+/)) assert.ok(!allowed.has(name), name);
  for (const name of ['execve', 'mmap', 'futex', 'openat', 'vfork', 'epoll_wait']) assert.ok(allowed.has(name), name);
});

test('seccomp: sockets are of three families', () => {
  const sockets = seccompProfile.syscalls.filter((rule) => rule.names.includes('socket'));
  const families = sockets
    .filter((rule) => rule.action === 'SCMP_ACT_ALLOW')
    .map((rule) => rule.args?.map(({ index, op, value }) => [index, op, value]));
  assert.deepEqual(families, [[[0, 'SCMP_CMP_EQ', 1]], [[0, 'SCMP_CMP_EQ', 2]], [[0, 'SCMP_CMP_EQ', 10]]]);
});
