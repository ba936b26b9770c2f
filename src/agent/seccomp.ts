/**
 * The system calls that a job may make. What is not named here answers ENOSYS, so that a library which tries something
 * newer falls back; what is refused on purpose answers EPERM, which tells a person more.
 *
 * Written from what CPython, NumPy, SciPy, pandas, scikit-learn, OpenCV, PyTorch and Matplotlib call, compared with the
 * default profile of moby (profiles/seccomp/default.json), and narrower: jobs have no capability and need no debugger.
 */
const allowed: Readonly<Record<string, readonly string[]>> = {
  files: words(`access chdir chmod chown close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2
    fadvise64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync flock fstat fstatfs fsync
    ftruncate futimesat getcwd getdents getdents64 ioctl lchown link linkat lseek lstat mkdir mkdirat mknod mknodat
    newfstatat open openat openat2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat
    readv rename renameat renameat2 rmdir sendfile splice stat statfs statx symlink symlinkat sync sync_file_range
    syncfs tee truncate umask unlink unlinkat utime utimensat utimes vmsplice write writev`),
  attributes: words(`fgetxattr flistxattr fremovexattr fsetxattr getxattr lgetxattr listxattr llistxattr lremovexattr
    lsetxattr removexattr setxattr`),
  watching: words('inotify_add_watch inotify_init inotify_init1 inotify_rm_watch'),
  memory: words(`brk madvise membarrier memfd_create mincore mlock mlock2 mlockall mmap mprotect mremap msync munlock
    munlockall munmap pkey_alloc pkey_free pkey_mprotect`),
  processes: words(`arch_prctl capget capset execve execveat exit exit_group fork get_robust_list getcpu getegid geteuid
    getgid getgroups getpgid getpgrp getpid getppid getpriority getresgid getresuid getrlimit getrusage getsid gettid
    getuid ioprio_get kill pidfd_open pidfd_send_signal prctl prlimit64 rseq set_robust_list set_tid_address setfsgid
    setfsuid setgid setgroups setpgid setpriority setregid setresgid setresuid setreuid setrlimit setsid setuid sysinfo
    tgkill times tkill uname vfork wait4 waitid`),
  scheduling: words(`sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam
    sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam sched_setscheduler
    sched_yield`),
  signals: words(`alarm getitimer pause restart_syscall rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo
    rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo setitimer sigaltstack signalfd signalfd4`),
  time: words(`clock_getres clock_gettime clock_nanosleep gettimeofday nanosleep time timer_create timer_delete
    timer_getoverrun timer_gettime timer_settime timerfd_create timerfd_gettime timerfd_settime`),
  waiting: words(`epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 futex
    futex_waitv pipe pipe2 poll ppoll pselect6 select`),
  'shared memory and messages': words(`mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink msgctl
    msgget msgrcv msgsnd semctl semget semop semtimedop shmat shmctl shmdt shmget`),
  sockets:
    words(`accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg recvmsg sendmmsg
    sendmsg sendto setsockopt shutdown socketpair`),
  'giving rights away': words('landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp'),
  random: words('getrandom'),
};

/** Refused on purpose, by reason. */
const refused: Readonly<Record<string, readonly string[]>> = {
  'changes what is mounted': words(`chroot fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree
    pivot_root quotactl quotactl_fd swapoff swapon umount umount2`),
  'makes or enters namespaces, where more of the kernel can be reached': words('setns unshare'),
  'looks into other processes': words(`kcmp pidfd_getfd process_madvise process_mrelease process_vm_readv
    process_vm_writev ptrace`),
  'large, often broken parts of the kernel that no job needs': words(`bpf io_uring_enter io_uring_register
    io_uring_setup perf_event_open userfaultfd`),
  'keyrings are not kept apart by namespaces': words('add_key keyctl request_key'),
  'opens files past their folders': words('fanotify_init fanotify_mark name_to_handle_at open_by_handle_at'),
  'belongs to the machine': words(`acct clock_adjtime clock_settime delete_module finit_module init_module ioperm iopl
    kexec_file_load kexec_load lookup_dcookie reboot setdomainname sethostname settimeofday syslog vhangup`),
  'moves memory between nodes': words('mbind migrate_pages move_pages set_mempolicy'),
};

const errno = { EPERM: 1, ENOSYS: 38, EAFNOSUPPORT: 97 } as const;
const addressFamilies = { unix: 1, inet: 2, inet6: 10 } as const;
/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
const cloneNamespaces = 0x7e020000;
/** The usual personality, and the question which one it is. */
const personalities = [0, 0xffffffff];

interface Condition {
  readonly index: number;
  readonly value: number;
  readonly valueTwo?: number;
  readonly op: 'SCMP_CMP_EQ' | 'SCMP_CMP_GT' | 'SCMP_CMP_MASKED_EQ';
}

interface Rule {
  readonly names: readonly string[];
  readonly action: 'SCMP_ACT_ALLOW' | 'SCMP_ACT_ERRNO';
  readonly errnoRet?: number;
  readonly args?: readonly Condition[];
}

/** The profile as the OCI runtime specification has it (`linux.seccomp`). Without `architectures`: the native one only. */
export const seccompProfile: { defaultAction: string; defaultErrnoRet: number; syscalls: readonly Rule[] } = {
  defaultAction: 'SCMP_ACT_ERRNO',
  defaultErrnoRet: errno.ENOSYS,
  syscalls: [
    allow(Object.values(allowed).flat()),
    { names: Object.values(refused).flat(), action: 'SCMP_ACT_ERRNO', errnoRet: errno.EPERM },
    // The C library falls back from clone3, whose flags a filter cannot see, to clone.
    allow(['clone'], { index: 0, value: cloneNamespaces, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }),
    ...personalities.map((value) => allow(['personality'], { index: 0, value, op: 'SCMP_CMP_EQ' })),
    ...Object.values(addressFamilies).map((value) => allow(['socket'], { index: 0, value, op: 'SCMP_CMP_EQ' })),
    // Netlink, packet, AF_ALG, VSOCK and the rest: a library then takes them for not built into the kernel.
    {
      names: ['socket'],
      action: 'SCMP_ACT_ERRNO',
      errnoRet: errno.EAFNOSUPPORT,
      args: [{ index: 0, value: addressFamilies.inet6, op: 'SCMP_CMP_GT' }],
    },
  ],
};

function allow(names: readonly string[], condition?: Condition): Rule {
  return { names, action: 'SCMP_ACT_ALLOW', ...(condition === undefined ? {} : { args: [condition] }) };
}

function words(text: string): string[] {
  return text.split(/\s+/);
}
