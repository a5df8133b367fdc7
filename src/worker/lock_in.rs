//! A process of scripts gives up what it does not need, before its first script.
//!
//! Everywhere: no files written, no core dumps. On Linux also: it may not gain privileges, sees no file system (landlock,
//! where the kernel has it), and may make only the system calls of a process that computes, moves bytes over descriptors it
//! was given, and makes copies of itself (seccomp). A realm gives up more: it makes no copies and takes no descriptors.

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

/// Private memory of one process that the kernel gives at most. Far above what the server lets it have resident
/// (`scripts.realmResident`): this is for what happens between two looks.
const MOST_DATA: u64 = 4 << 30;

/// Descriptors of a zygote: its own, and those on their way to copies.
const MOST_DESCRIPTORS: u64 = 64;

/// Descriptors of a realm. `poll` takes no more of them at once than there may be, and a realm waits with one. It can have no
/// other all the same: there is always a standard input, and the next number is too large.
const MOST_POLLED: u64 = 1;

/// How a process is locked in, and what its realms give up beyond that.
#[derive(Debug)]
pub struct LockedIn {
    /// `seccomp+landlock`, `seccomp`, `limits`.
    pub how: String,
    strict: bool,
}

/// What a realm gives up, prepared once and put on by each copy.
pub(super) struct RealmLock {
    #[cfg(target_os = "linux")]
    filter: Option<seccompiler::BpfProgram>,
}

impl LockedIn {
    /// What realms give up.
    pub(super) fn of_realms(&self) -> Result<RealmLock, LockInError> {
        Ok(RealmLock {
            #[cfg(target_os = "linux")]
            filter: if self.strict { Some(linux::filter_of_realms()?) } else { None },
        })
    }
}

impl RealmLock {
    /// Gives it up.
    pub(super) fn apply(&self) -> Result<(), LockInError> {
        limit("NOFILE", Resource::Nofile, MOST_POLLED)?;
        #[cfg(target_os = "linux")]
        if let Some(filter) = &self.filter {
            seccompiler::apply_filter(filter)
                .map_err(|error| LockInError::Kernel { step: "seccomp of a realm", reason: error.to_string() })?;
        }
        Ok(())
    }
}

/// What a process that reads files still has to give up, on the thread that reads them.
pub(super) struct ReaderLock {
    how: String,
    strict: bool,
}

/// Has a process that reads files give up all that it can before it starts the thread which does so.
pub(super) fn before_reading(strict: bool, memory: u64) -> Result<ReaderLock, LockInError> {
    limits(memory, MOST_DESCRIPTORS)?;
    let how = if strict { platform()? } else { "limits".into() };
    Ok(ReaderLock { how, strict })
}

impl ReaderLock {
    /// Gives up the rest, for all threads; says how it is locked in.
    pub(super) fn apply(self) -> Result<String, LockInError> {
        limit("NOFILE", Resource::Nofile, MOST_POLLED)?;
        #[cfg(target_os = "linux")]
        if self.strict {
            linux::filter_readers()?;
        }
        Ok(self.how)
    }
}

/// Locks the process in; says how. With `strict` off only the resource limits are set.
pub(super) fn lock_in(strict: bool) -> Result<LockedIn, LockInError> {
    limits(MOST_DATA, MOST_DESCRIPTORS)?;
    if !strict {
        return Ok(LockedIn { how: "limits".into(), strict });
    }
    let how = platform()?;
    #[cfg(target_os = "linux")]
    linux::filter_system_calls()?;
    Ok(LockedIn { how, strict })
}

fn limits(data: u64, descriptors: u64) -> Result<(), LockInError> {
    // Should memory run out between two looks of the server, this process goes, not the server.
    #[cfg(target_os = "linux")]
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    limit("DATA", Resource::Data, data)?;
    limit("FSIZE", Resource::Fsize, 0)?;
    limit("CORE", Resource::Core, 0)?;
    limit("NOFILE", Resource::Nofile, descriptors)
}

fn limit(name: &'static str, resource: Resource, most: u64) -> Result<(), LockInError> {
    // What is limited further already stays so: it cannot be raised.
    let most = rustix::process::getrlimit(resource).maximum.map_or(most, |present| present.min(most));
    setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
        .map_err(|source| LockInError::Limit { name, source: source.into() })
}

#[cfg(not(target_os = "linux"))]
fn platform() -> Result<String, LockInError> {
    Ok("limits".into())
}

#[cfg(target_os = "linux")]
fn platform() -> Result<String, LockInError> {
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

    /// What a realm needs: it computes and moves bytes over the descriptors that it has. Everything else fails with EPERM.
    const REALM: &[i64] = &[
        libc::SYS_read,
        libc::SYS_readv,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_recvfrom,
        libc::SYS_sendto,
        libc::SYS_ppoll,
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
        libc::SYS_gettimeofday,
        libc::SYS_getrandom,
        libc::SYS_sched_yield,
        libc::SYS_gettid,
        libc::SYS_getpid,
        libc::SYS_restart_syscall,
        libc::SYS_getpriority,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ];

    /// What a zygote needs besides: to take descriptors, to make copies and to bury them.
    const ZYGOTE: &[i64] = &[
        libc::SYS_recvmsg,
        libc::SYS_sendmsg,
        libc::SYS_close,
        libc::SYS_fcntl,
        libc::SYS_wait4,
        libc::SYS_getrusage,
        libc::SYS_set_robust_list,
        libc::SYS_rseq,
        libc::SYS_prlimit64,
        libc::SYS_seccomp,
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

    type Rules = BTreeMap<i64, Vec<SeccompRule>>;

    /// A rule by which some arguments must have such values.
    fn arguments(values: &[(u8, u64)]) -> Result<SeccompRule, LockInError> {
        let condition = |(index, value): &(u8, u64)| {
            SeccompCondition::new(*index, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, *value)
        };
        let conditions = values.iter().map(condition).collect::<Result<_, _>>();
        conditions.and_then(SeccompRule::new).map_err(|error| refused("seccomp")(&error))
    }

    fn number(value: impl TryInto<u64>) -> u64 {
        value.try_into().unwrap_or_default()
    }

    /// The calls of a realm, with the one that has conditions: it may lower its own priority.
    fn calls_of_realms() -> Result<Rules, LockInError> {
        let mut rules: Rules = REALM.iter().map(|call| (*call, Vec::new())).collect();
        // Newer systems have only `ppoll`.
        #[cfg(target_arch = "x86_64")]
        rules.insert(libc::SYS_poll, Vec::new());
        rules.insert(libc::SYS_setpriority, vec![arguments(&[(0, 0), (1, 0)])?]);
        Ok(rules)
    }

    fn program(rules: Rules, otherwise: SeccompAction, matching: SeccompAction) -> Result<BpfProgram, LockInError> {
        let arch = std::env::consts::ARCH.try_into();
        let arch = arch.map_err(|error: seccompiler::BackendError| refused("seccomp")(&error))?;
        let filter = SeccompFilter::new(rules, otherwise, matching, arch);
        let program = filter.and_then(TryInto::try_into);
        program.map_err(|error: seccompiler::BackendError| refused("seccomp")(&error))
    }

    /// What a realm puts on, on top of what it has from its zygote.
    pub(super) fn filter_of_realms() -> Result<BpfProgram, LockInError> {
        program(calls_of_realms()?, SeccompAction::Errno(eperm()), SeccompAction::Allow)
    }

    fn eperm() -> u32 {
        u32::try_from(libc::EPERM).unwrap_or_default()
    }

    /// What a process that reads files puts on: it computes, and moves bytes over one socket.
    pub(super) fn filter_readers() -> Result<(), LockInError> {
        let mut allowed = calls_of_realms()?;
        allowed.insert(libc::SYS_recvmsg, Vec::new());
        for call in DEADLY {
            allowed.insert(*call, Vec::new());
        }
        let deadly = DEADLY.iter().map(|call| (*call, Vec::new())).collect();
        for (rules, otherwise, matching) in [
            (deadly, SeccompAction::Allow, SeccompAction::KillProcess),
            (allowed, SeccompAction::Errno(eperm()), SeccompAction::Allow),
        ] {
            // The first allows the call by which the second is put on; that one is the last of all.
            seccompiler::apply_filter_all_threads(&program(rules, otherwise, matching)?)
                .map_err(|error| refused("seccomp of a reader")(&error))?;
        }
        Ok(())
    }

    pub(super) fn filter_system_calls() -> Result<(), LockInError> {
        let mut allowed = calls_of_realms()?;
        allowed.extend(ZYGOTE.iter().map(|call| (*call, Vec::new())));
        // Copies, but no threads: those are clones with other flags. The arguments of clone3 cannot be looked at, and the
        // C library falls back to clone where clone3 does not exist.
        let copy = libc::CLONE_CHILD_SETTID | libc::CLONE_CHILD_CLEARTID | libc::SIGCHLD;
        let copies = [copy, libc::SIGCHLD].map(|flags| arguments(&[(0, number(flags))]));
        allowed.insert(libc::SYS_clone, copies.into_iter().collect::<Result<_, _>>()?);
        let options = [libc::PR_SET_NAME, libc::PR_SET_NO_NEW_PRIVS, libc::PR_SET_THP_DISABLE];
        let options = options.map(|option| arguments(&[(0, number(option))]));
        allowed.insert(libc::SYS_prctl, options.into_iter().collect::<Result<_, _>>()?);
        let missing = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
        let deadly = DEADLY.iter().map(|call| (*call, Vec::new())).collect();
        let enosys = u32::try_from(libc::ENOSYS).unwrap_or_default();
        // The strictest answer of all filters counts; among errors, that of the filter added last.
        allowed.insert(libc::SYS_clone3, Vec::new());
        for call in DEADLY {
            allowed.insert(*call, Vec::new());
        }
        for (rules, otherwise, matching) in [
            (deadly, SeccompAction::Allow, SeccompAction::KillProcess),
            (missing, SeccompAction::Allow, SeccompAction::Errno(enosys)),
            (allowed, SeccompAction::Errno(eperm()), SeccompAction::Allow),
        ] {
            seccompiler::apply_filter(&program(rules, otherwise, matching)?)
                .map_err(|error| refused("seccomp")(&error))?;
        }
        Ok(())
    }
}
