//! The worker gives up what it does not need, before its first thread and its first script.
//!
//! Everywhere: no new descriptors, no files written, no core dumps. On Linux also: ends with its parent, may not gain
//! privileges, sees no file system (landlock, where the kernel has it), and may make only the system calls of a process
//! that computes, moves bytes over descriptors it already has, and starts threads (seccomp).

use rustix::process::{Resource, Rlimit, setrlimit};

/// Why a process could not lock itself in.
#[derive(Debug, thiserror::Error)]
pub enum LockInError {
    /// A resource limit could not be set.
    #[error("resource limit {name}: {source}")]
    Limit {
        /// Which.
        name: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The kernel refused.
    #[error("{step}: {reason}")]
    Kernel {
        /// What was tried.
        step: &'static str,
        /// Why it failed.
        reason: String,
    },
}

/// Private memory of a worker, stacks of its threads included, that the kernel gives at most. Far above what the server
/// lets it have resident (`scripts.workerResident`): this is for what happens between two looks.
const MOST_DATA: u64 = 4 << 30;

/// Locks the process in; says how. With `strict` off only the resource limits are set.
pub(super) fn lock_in(strict: bool) -> Result<String, LockInError> {
    // Should memory run out between two looks of the server, this process goes, not the server.
    #[cfg(target_os = "linux")]
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    setrlimit(Resource::Data, Rlimit { current: Some(MOST_DATA), maximum: Some(MOST_DATA) })
        .map_err(|source| LockInError::Limit { name: "DATA", source: source.into() })?;
    for (name, resource) in [("FSIZE", Resource::Fsize), ("CORE", Resource::Core)] {
        limit(name, resource)?;
    }
    if !strict {
        limit("NOFILE", Resource::Nofile)?;
        return Ok("limits".into());
    }
    let how = platform()?;
    limit("NOFILE", Resource::Nofile)?;
    #[cfg(target_os = "linux")]
    linux::filter_system_calls()?;
    Ok(how)
}

fn limit(name: &'static str, resource: Resource) -> Result<(), LockInError> {
    setrlimit(resource, Rlimit { current: Some(0), maximum: Some(0) })
        .map_err(|source| LockInError::Limit { name, source: source.into() })
}

#[cfg(not(target_os = "linux"))]
fn platform() -> Result<String, LockInError> {
    Ok("limits".into())
}

#[cfg(target_os = "linux")]
fn platform() -> Result<String, LockInError> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .map_err(|error| LockInError::Kernel { step: "parent-death signal", reason: error.to_string() })?;
    rustix::thread::set_no_new_privs(true)
        .map_err(|error| LockInError::Kernel { step: "no new privileges", reason: error.to_string() })?;
    Ok(if linux::restrict_files()? { "seccomp+landlock".into() } else { "seccomp".into() })
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::BTreeMap;

    use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetStatus};
    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    };

    use super::LockInError;

    fn refused(step: &'static str) -> impl Fn(&dyn std::fmt::Display) -> LockInError {
        move |reason| LockInError::Kernel { step, reason: reason.to_string() }
    }

    /// No path and no port is allowed. `false` where the kernel has no landlock; seccomp refuses opening all the same.
    pub(super) fn restrict_files() -> Result<bool, LockInError> {
        let refused = refused("landlock");
        let status = Ruleset::default()
            .handle_access(AccessFs::from_all(ABI::V5))
            .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(ABI::V5)))
            .and_then(Ruleset::create)
            .and_then(landlock::RulesetCreated::restrict_self)
            .map_err(|error| refused(&error))?;
        Ok(status.ruleset != RulesetStatus::NotEnforced)
    }

    /// What a computing process with open descriptors needs. Everything else fails with EPERM.
    const ALLOWED: &[i64] = &[
        libc::SYS_read,
        libc::SYS_readv,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_recvfrom,
        libc::SYS_recvmsg,
        libc::SYS_sendto,
        libc::SYS_sendmsg,
        libc::SYS_close,
        libc::SYS_futex,
        libc::SYS_mmap,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_mprotect,
        libc::SYS_madvise,
        libc::SYS_brk,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        libc::SYS_clock_gettime,
        libc::SYS_clock_nanosleep,
        libc::SYS_nanosleep,
        libc::SYS_gettimeofday,
        libc::SYS_getrandom,
        libc::SYS_sched_yield,
        libc::SYS_sched_getaffinity,
        libc::SYS_set_robust_list,
        libc::SYS_rseq,
        libc::SYS_gettid,
        libc::SYS_getpid,
        libc::SYS_restart_syscall,
        libc::SYS_getpriority,
        libc::SYS_membarrier,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ];

    /// What only an attacker calls: the process ends at once.
    const DEADLY: &[i64] = &[
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_bpf,
        libc::SYS_kexec_load,
        libc::SYS_init_module,
    ];

    /// A rule by which an argument must have that value.
    fn argument(index: u8, value: u64) -> Result<SeccompRule, seccompiler::BackendError> {
        SeccompCondition::new(index, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
            .and_then(|condition| SeccompRule::new(vec![condition]))
    }

    pub(super) fn filter_system_calls() -> Result<(), LockInError> {
        let refused = refused("seccomp");
        let arch = std::env::consts::ARCH.try_into().map_err(|error: seccompiler::BackendError| refused(&error))?;
        let mut allowed: BTreeMap<i64, Vec<SeccompRule>> = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
        // Threads, but no processes: clone only with CLONE_THREAD. The arguments of clone3 cannot be looked at, and the
        // C library falls back to clone where clone3 does not exist.
        let thread = u64::try_from(libc::CLONE_THREAD).unwrap_or_default();
        let condition = SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(thread), thread)
            .and_then(|condition| SeccompRule::new(vec![condition]))
            .map_err(|error| refused(&error))?;
        allowed.insert(libc::SYS_clone, vec![condition]);
        let name =
            argument(0, u64::try_from(libc::PR_SET_NAME).unwrap_or_default()).map_err(|error| refused(&error))?;
        allowed.insert(libc::SYS_prctl, vec![name]);
        // Signals for its own threads alone (a failed assertion aborts so), and the priority of the calling thread alone.
        let own = u64::from(std::process::id());
        allowed.insert(libc::SYS_tgkill, vec![argument(0, own).map_err(|error| refused(&error))?]);
        let thread_only = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, 0)
            .and_then(|which| {
                let who = SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, 0)?;
                SeccompRule::new(vec![which, who])
            })
            .map_err(|error| refused(&error))?;
        allowed.insert(libc::SYS_setpriority, vec![thread_only]);
        let missing = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
        let deadly = DEADLY.iter().map(|call| (*call, Vec::new())).collect();
        let enosys = u32::try_from(libc::ENOSYS).unwrap_or_default();
        let eperm = u32::try_from(libc::EPERM).unwrap_or_default();
        // The strictest answer of all filters counts; among errors, that of the filter added last.
        allowed.insert(libc::SYS_clone3, Vec::new());
        allowed.insert(libc::SYS_seccomp, Vec::new());
        for call in DEADLY {
            allowed.insert(*call, Vec::new());
        }
        for (rules, otherwise, matching) in [
            (deadly, SeccompAction::Allow, SeccompAction::KillProcess),
            (missing, SeccompAction::Allow, SeccompAction::Errno(enosys)),
            (allowed, SeccompAction::Errno(eperm), SeccompAction::Allow),
        ] {
            let filter = SeccompFilter::new(rules, otherwise, matching, arch).map_err(|error| refused(&error))?;
            let program: BpfProgram = filter.try_into().map_err(|error: seccompiler::BackendError| refused(&error))?;
            seccompiler::apply_filter(&program).map_err(|error| refused(&error))?;
        }
        Ok(())
    }
}
