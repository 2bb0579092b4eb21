//! Which system calls hands and guardian may make at all: any other ends the process at once.
//!
//! A filter is inherited by every child, and the programs of the groups may do what they like.
//! So the guardian, which starts no program, is filtered whole, its children with it; in the hands
//! every thread is filtered but the one that starts processes, which does nothing else.

use std::collections::BTreeMap;
use std::io;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

/// What both need: memory, time, files that are there, sockets that are open, signals.
const BOTH: &[i64] = &[
    libc::SYS_accept4,
    libc::SYS_bind,
    libc::SYS_brk,
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    libc::SYS_dup,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    libc::SYS_futex,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getrandom,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_getuid,
    libc::SYS_ioctl,
    libc::SYS_kill,
    libc::SYS_lseek,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_newfstatat,
    libc::SYS_openat,
    libc::SYS_ppoll,
    libc::SYS_prctl,
    libc::SYS_pread64,
    libc::SYS_prlimit64,
    libc::SYS_read,
    libc::SYS_readlinkat,
    libc::SYS_readv,
    libc::SYS_reboot,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
    libc::SYS_sigaltstack,
    libc::SYS_statfs,
    libc::SYS_statx,
    libc::SYS_tgkill,
    libc::SYS_timer_settime,
    libc::SYS_timerfd_settime,
    libc::SYS_umount2,
    libc::SYS_wait4,
    libc::SYS_write,
    libc::SYS_writev,
];

/// The older calls of the same kind that the C library still makes on this processor.
#[cfg(target_arch = "x86_64")]
const BOTH_OLD: &[i64] = &[
    libc::SYS_access,
    libc::SYS_lstat,
    libc::SYS_open,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_stat,
    libc::SYS_time,
];
#[cfg(not(target_arch = "x86_64"))]
const BOTH_OLD: &[i64] = &[];

/// What the hands need besides: threads, mounts, directories, the ends of children.
const HANDS: &[i64] = &[
    // Refused by the first filter, so that the C library takes `clone`, whose flags can be seen.
    libc::SYS_clone3,
    libc::SYS_dup3,
    libc::SYS_flock,
    libc::SYS_mkdirat,
    libc::SYS_mount,
    libc::SYS_rseq,
    libc::SYS_set_robust_list,
    libc::SYS_syncfs,
    libc::SYS_unlinkat,
    libc::SYS_waitid,
];

#[cfg(target_arch = "x86_64")]
const HANDS_OLD: &[i64] = &[libc::SYS_mkdir, libc::SYS_rmdir, libc::SYS_unlink];
#[cfg(not(target_arch = "x86_64"))]
const HANDS_OLD: &[i64] = &[];

/// From now on the calling thread, and every thread that it starts, makes only the calls of the
/// hands; a process it cannot start at all.
///
/// # Errors
/// The kernel does not filter.
pub fn for_hands() -> io::Result<()> {
    let no_clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let enosys = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    install(no_clone3, SeccompAction::Allow, enosys)?;
    let thread = libc::CLONE_THREAD as u64;
    let thread = condition(SeccompCmpOp::MaskedEq(thread), thread)?;
    let mut rules = allowed(&[BOTH, BOTH_OLD, HANDS, HANDS_OLD])?;
    rules.insert(libc::SYS_clone, vec![thread]);
    install(rules, SeccompAction::KillProcess, SeccompAction::Allow)
}

/// From now on the calling thread makes only the calls of the guardian. It can make a copy of
/// itself, which makes no others, and run no other program.
///
/// # Errors
/// The kernel does not filter.
pub fn for_guardian() -> io::Result<()> {
    let mut rules = allowed(&[BOTH, BOTH_OLD])?;
    let child = condition(SeccompCmpOp::Eq, libc::SIGCHLD as u64)?;
    rules.insert(libc::SYS_clone, vec![child]);
    install(rules, SeccompAction::KillProcess, SeccompAction::Allow)
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Of sockets those that leave the machine are left out: only local ones, the kernel's own, and
/// whole frames for ARP and neighbour discovery.
fn allowed(lists: &[&[i64]]) -> io::Result<Rules> {
    let mut rules: Rules = lists.concat().into_iter().map(|call| (call, Vec::new())).collect();
    let families = [libc::AF_UNIX, libc::AF_NETLINK, libc::AF_PACKET];
    let family = |family: i32| condition(SeccompCmpOp::Eq, u64::from(family.cast_unsigned()));
    rules.insert(libc::SYS_socket, families.into_iter().map(family).collect::<Result<_, _>>()?);
    Ok(rules)
}

/// A condition on the first argument.
fn condition(holds: SeccompCmpOp, value: u64) -> io::Result<SeccompRule> {
    let condition = SeccompCondition::new(0, SeccompCmpArgLen::Dword, holds, value);
    condition.and_then(|condition| SeccompRule::new(vec![condition])).map_err(io::Error::other)
}

fn install(rules: Rules, otherwise: SeccompAction, then: SeccompAction) -> io::Result<()> {
    let here = std::env::consts::ARCH.try_into().map_err(io::Error::other)?;
    let filter = SeccompFilter::new(rules, otherwise, then, here).map_err(io::Error::other)?;
    let program = BpfProgram::try_from(filter).map_err(io::Error::other)?;
    seccompiler::apply_filter(&program).map_err(io::Error::other)
}
