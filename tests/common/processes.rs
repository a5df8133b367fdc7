//! The processes of scripts of a server, as `/proc` shows them: the root zygote is a child of the server and leads a group of
//! processes, all others are copies of it or of one another, and stay in its group when the one that made them is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// What a process is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// All others come from it.
    Root,
    /// It makes copies of itself.
    Zygote,
    /// It runs events, or compiles: it has given up making copies.
    Realm,
}

/// A process of scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    /// Whoever made it, or took it over when that one was gone.
    pub(crate) parent: i32,
    pub(crate) group: i32,
    pub(crate) role: Role,
}

/// Of one line of `/proc/<pid>/stat`.
struct Stat {
    state: char,
    parent: i32,
    group: i32,
}

fn stat(pid: i32) -> Option<Stat> {
    // A process may go while it is looked at.
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(") ")?.1.split(' ');
    Some(Stat {
        state: fields.next()?.chars().next()?,
        parent: fields.next()?.parse().ok()?,
        group: fields.next()?.parse().ok()?,
    })
}

fn all() -> BTreeMap<i32, Stat> {
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some((pid, stat(pid)?))).collect()
}

/// The groups of a server's root zygotes that are not buried yet.
#[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
pub(crate) fn groups(server: u32) -> BTreeSet<i32> {
    let own = i32::try_from(server).unwrap();
    // Until it has a group of its own, it is a copy of the server that will be one. What reads files is no process of scripts.
    let all = all();
    let leads = all.iter().filter(|(pid, stat)| stat.parent == own && stat.group == **pid).map(|(pid, _)| *pid);
    leads
        .filter(|pid| !fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"nudge-reader")))
        .collect()
}

/// The processes of a server that live, those first that were made first.
#[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
pub(crate) fn of_server(server: u32) -> Vec<Process> {
    of_groups(&groups(server))
}

/// The processes of these groups that live.
#[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
pub(crate) fn of_groups(groups: &BTreeSet<i32>) -> Vec<Process> {
    let members =
        all().into_iter().filter(|(_, stat)| groups.contains(&stat.group) && !matches!(stat.state, 'Z' | 'X'));
    members
        .filter_map(|(pid, Stat { parent, group, .. })| Some(Process { pid, parent, group, role: role(pid, group)? }))
        .collect()
}

/// Those of these groups that are gone and that nobody has buried.
#[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
pub(crate) fn zombies(groups: &BTreeSet<i32>) -> Vec<i32> {
    all()
        .into_iter()
        .filter(|(_, stat)| groups.contains(&stat.group) && stat.state == 'Z')
        .map(|(pid, _)| pid)
        .collect()
}

fn role(pid: i32, group: i32) -> Option<Role> {
    if pid == group {
        return Some(Role::Root);
    }
    // Zygotes put on three filters: what kills, what is missing, and what is allowed. A realm puts on a fourth.
    Some(if filters(&pid.to_string())? <= filters("self")? + 3 { Role::Zygote } else { Role::Realm })
}

/// How many filters of system calls a process has put on, or inherited.
pub(crate) fn filters(pid: &str) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Seccomp_filters:"))?.trim().parse().ok()
}

/// Whether it is there, and not only because nobody has buried it.
#[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
pub(crate) fn lives(pid: i32) -> bool {
    stat(pid).is_some_and(|stat| !matches!(stat.state, 'Z' | 'X'))
}

/// `kill -9`; false if it was gone already.
#[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
pub(crate) fn kill(pid: i32) -> bool {
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).is_ok()
}

/// Ends it as a fault of the engine does (the first SIGSEGV would be taken for a full stack, and come to nothing); false if it was gone already.
#[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
pub(crate) fn crash(pid: i32) -> bool {
    kill_process(Pid::from_raw(pid).unwrap(), Signal::ABORT).is_ok()
}

/// Of `role` among them.
#[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
pub(crate) fn pids(processes: &[Process], role: Role) -> Vec<i32> {
    processes.iter().filter(|process| process.role == role).map(|process| process.pid).collect()
}
