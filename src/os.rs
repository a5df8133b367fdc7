//! What the system offers and no library wraps safely: forking, memory that processes share, the processor time of another
//! process. The only file with `unsafe` besides `script/heap.rs`.

#![allow(unsafe_code, reason = "system calls without a safe wrapper; each block says why it is sound")]

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// The niceness of a realm that has computed for long, the most there is: its weight is a twentieth of what a realm has that has
/// just begun, and a seventieth of the server's. A policy that runs only when nothing else does would let it wait for ever.
pub const GIVES_WAY: i32 = 19;

/// Which of the two processes this is after [`fork`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forked {
    /// The one that called.
    Parent {
        /// The other one's number.
        child: u32,
    },
    /// The new one.
    Child,
}

/// Makes a copy of this process.
///
/// # Errors
/// The system has no room for another process (`EAGAIN`, `ENOMEM`), or this process has more than one thread: a lock that
/// another thread holds at this moment would never be free in the copy.
pub fn fork() -> io::Result<Forked> {
    if threads() > 1 {
        return Err(io::Error::other("a process with several threads must not be forked"));
    }
    // SAFETY: the process has a single thread, as was just looked up, and nobody but that thread could start another. So
    // no lock of the C library or of ours is held by anybody in the copy, and everything may go on there as it does here.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Forked::Child),
        child => Ok(Forked::Parent { child: child.unsigned_abs() }),
    }
}

/// Runs something in a copy of this process, which ends with the code that it gives, 101 after a panic. For tests, whose runner
/// has threads.
///
/// # Errors
/// The system refuses.
#[cfg(test)]
pub(crate) fn in_a_copy(run: impl FnOnce() -> u8) -> io::Result<u32> {
    // SAFETY: the runner's other thread does nothing but wait for this one, so it holds no lock that the copy could need.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_or(101);
            // SAFETY: it ends the process, and nothing of it is run any more.
            unsafe { libc::_exit(code.into()) }
        }
        child => Ok(child.unsigned_abs()),
    }
}

/// How many threads this process has, as far as the system tells.
#[cfg(target_os = "linux")]
fn threads() -> u64 {
    // A worker is locked in and sees no `/proc`; it has looked once before, and starts no threads afterwards: seccomp
    // refuses them.
    std::fs::metadata("/proc/self/task")
        .map_or(1, |task| std::os::unix::fs::MetadataExt::nlink(&task).saturating_sub(2))
}

#[cfg(not(target_os = "linux"))]
fn threads() -> u64 {
    1
}

/// Bytes of a page of memory: less cannot be mapped.
pub fn page_size() -> u64 {
    // SAFETY: it takes a number and looks nothing else up.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(bytes).unwrap_or(4_096)
}

/// Maps a part of a file of memory, which begins at a page, so that what one process writes all others see.
///
/// The memory stays mapped until the process ends.
///
/// # Errors
/// The system refuses.
pub fn share(file: impl AsFd, from: u64, words: usize) -> io::Result<&'static [AtomicU32]> {
    let bytes = words.checked_mul(size_of::<AtomicU32>()).ok_or(io::ErrorKind::InvalidInput)?;
    let from = libc::off_t::try_from(from).map_err(|_| io::ErrorKind::InvalidInput)?;
    let (fd, access) = (file.as_fd().as_raw_fd(), libc::PROT_READ | libc::PROT_WRITE);
    // SAFETY: the address is chosen by the system, so nothing that exists is mapped over; the descriptor is open, as it
    // is borrowed. What comes back is checked below.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, access, libc::MAP_SHARED, fd, from) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a mapping begins at a page, so it is aligned; it has `bytes` bytes and is never unmapped; every bit pattern is
    // an `AtomicU32`; other processes change it only by atomic stores of whole words. A file shorter than that would end
    // this process with SIGBUS when the missing part is touched, which is safe, if not kind.
    Ok(unsafe { std::slice::from_raw_parts(start.cast::<AtomicU32>(), words) })
}

/// From now on this process and its group end when the last writer of the pipe at `reader` is gone, whatever they are at.
///
/// # Errors
/// The system refuses.
#[cfg(target_os = "linux")]
pub fn end_with_writer(reader: impl AsFd) -> io::Result<()> {
    let fd = reader.as_fd().as_raw_fd();
    // SAFETY: plain calls on a descriptor that is open, as it is borrowed; they touch no memory. SIGIO ends a process
    // that does not handle it, and goes to the whole group, its future members included.
    let group = unsafe { libc::getpgrp() };
    let calls = [(libc::F_SETOWN, -group), (libc::F_SETFL, libc::O_ASYNC | libc::O_NONBLOCK)];
    for (command, argument) in calls {
        // SAFETY: as above.
        if unsafe { libc::fcntl(fd, command, argument) } == -1 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Elsewhere a process notices by its socket that the server is gone.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub fn end_with_writer(_reader: impl AsFd) -> io::Result<()> {
    Ok(())
}

/// The processor time that another process has used so far; nothing once it is gone.
#[cfg(target_os = "linux")]
pub fn processor_time(process: u32) -> Option<Duration> {
    let process = libc::pid_t::try_from(process).ok()?;
    let mut clock: libc::clockid_t = 0;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: both are given places of the right type that live through the calls.
    let fine = unsafe {
        libc::clock_getcpuclockid(process, &raw mut clock) == 0 && libc::clock_gettime(clock, &raw mut time) == 0
    };
    let (seconds, nanos) = (u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?);
    fine.then(|| Duration::new(seconds, nanos))
}

/// The processor time that another process has used so far; nothing once it is gone.
#[cfg(target_os = "macos")]
pub fn processor_time(process: u32) -> Option<Duration> {
    let process = libc::c_int::try_from(process).ok()?;
    let mut usage = std::mem::MaybeUninit::<libc::rusage_info_v2>::zeroed();
    // SAFETY: the place has the size of the flavour that is asked for; all zeroes are a valid value of it.
    let usage = unsafe {
        let place = usage.as_mut_ptr().cast::<libc::rusage_info_t>();
        if libc::proc_pid_rusage(process, libc::RUSAGE_INFO_V2, place) != 0 {
            return None;
        }
        usage.assume_init()
    };
    let mut scale = libc::mach_timebase_info { numer: 0, denom: 0 };
    // SAFETY: it is given a place of the right type.
    if unsafe { libc::mach_timebase_info(&raw mut scale) } != 0 || scale.denom == 0 {
        return None;
    }
    let ticks = usage.ri_user_time.saturating_add(usage.ri_system_time);
    Some(Duration::from_nanos(ticks.saturating_mul(scale.numer.into()) / u64::from(scale.denom)))
}

/// How a child of this process ended.
#[derive(Debug, Clone, Copy)]
pub struct Burial {
    /// As the system says it.
    pub status: std::process::ExitStatus,
    /// Bytes by which it had grown beyond the most that this process has ever held. A copy begins with what its parent holds.
    pub grew: u64,
}

/// Waits for a child of this process to be gone, and takes its number from it.
///
/// # Errors
/// It is no child of this process.
pub fn bury(child: u32) -> io::Result<Burial> {
    use std::os::unix::process::ExitStatusExt as _;
    let child = libc::pid_t::try_from(child).map_err(|_| io::ErrorKind::InvalidInput)?;
    let (mut status, mut used) = (0, std::mem::MaybeUninit::<libc::rusage>::zeroed());
    let mut own = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: both places have the right types and live through the call. Only `child` itself can be meant: no number below 1
    // is let through, which would stand for any child.
    while child < 1 || unsafe { libc::wait4(child, &raw mut status, 0, used.as_mut_ptr()) } == -1 {
        let error = io::Error::last_os_error();
        if child < 1 || error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    // SAFETY: the place has the right type. All zeroes are a valid value of it, so both are whole whatever the calls have filled in.
    let (used, own) = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, own.as_mut_ptr());
        (used.assume_init(), own.assume_init())
    };
    let unit = if cfg!(target_os = "macos") { 1 } else { 1 << 10 };
    let grew = u64::try_from(used.ru_maxrss.saturating_sub(own.ru_maxrss)).unwrap_or(0).saturating_mul(unit);
    Ok(Burial { status: std::process::ExitStatus::from_raw(status), grew })
}

/// Whether a process is stopped by a signal: it does nothing until somebody lets it go on. One that is looked into by a
/// debugger is not meant.
#[cfg(target_os = "linux")]
pub fn is_stopped(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name before may hold anything.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
}

/// Elsewhere nobody is asked.
#[cfg(not(target_os = "linux"))]
pub fn is_stopped(_process: u32) -> bool {
    false
}

/// Has no process that is started from here on inherit what this one has open, whatever it was itself given by who started it.
#[cfg(target_os = "linux")]
pub fn hand_nothing_on() {
    // SAFETY: it takes numbers only, and changes one flag of descriptors, on which nobody here relies.
    let marked = unsafe { libc::close_range(3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC as libc::c_int) };
    if marked != 0 {
        // Linux before 5.11: they are inherited, and no script has a way to them.
        tracing::debug!("descriptors cannot be kept from other processes: {}", std::io::Error::last_os_error());
    }
}

/// Elsewhere what this process opens itself is not inherited, and nothing else is looked at.
#[cfg(not(target_os = "linux"))]
pub fn hand_nothing_on() {}

/// A file that becomes larger than `ulimit -f` allows is an error for whoever writes, and no reason to end this process or one that
/// it starts.
pub fn let_files_end() {
    // SAFETY: to ignore a signal runs nothing of ours when it comes.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}

/// Pages of memory are copied one by one after a fork, not two megabytes at a time; the C library gives back what it holds in
/// vain, and what a copy of this process allocates lies together.
pub fn settle_memory() {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: neither call has arguments that point anywhere.
        unsafe {
            libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0);
        }
        #[cfg(target_env = "gnu")]
        {
            // SAFETY: as above.
            unsafe {
                libc::malloc_trim(0);
            }
            fill_gaps();
        }
    }
}

/// Gives back to the system what the C library keeps of memory that was freed.
pub fn give_back_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: the call has no argument that points anywhere.
        unsafe {
            libc::malloc_trim(0);
        }
    }
}

/// Bytes of this process that are in memory, where the system tells.
pub fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

/// Takes the gaps between what is allocated, for good. A copy would put its first objects into them, here and there, and each
/// would cost it a page of its own.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn fill_gaps() {
    /// What is larger than those of the C library's lists; what is left of one is filled by smaller ones.
    const LARGE: [usize; 6] = [64 << 10, 32 << 10, 16 << 10, 8 << 10, 4 << 10, 2 << 10];
    // SAFETY: none of the calls takes or gives a place that is used here; `sbrk(0)` changes nothing.
    let (info, end) = unsafe { (libc::mallinfo(), libc::sbrk(0) as usize) };
    // What is too much for these numbers is left as it is. Those without this limit came with glibc 2.33.
    let (Ok(keeps), Ok(free)) = (usize::try_from(info.keepcost), usize::try_from(info.fordblks)) else { return };
    // From there on nothing has been handed out.
    let top = end.saturating_sub(keeps);
    // Each list's sizes are 16 bytes apart.
    for size in LARGE.into_iter().chain((24..=1_032).rev().step_by(16)) {
        // No more than there is: where the C library takes memory from elsewhere, places say nothing.
        for _ in 0..=free / size {
            // SAFETY: any size may be asked for; what is not given back here is nobody's, and stays so.
            let place = unsafe { libc::malloc(size) };
            if place.is_null() {
                break;
            }
            if place as usize >= top {
                // SAFETY: it was handed out just now and is used by nobody.
                unsafe { libc::free(place) };
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn what_one_mapping_writes_the_other_sees() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(2 * page_size()).unwrap();
        let (first, second) = (share(&file, page_size(), 16).unwrap(), share(&file, page_size(), 16).unwrap());
        first[3].store(7, Ordering::Relaxed);
        assert_eq!(second[3].load(Ordering::Relaxed), 7);
    }

    #[test]
    fn a_process_with_threads_is_not_forked() {
        // The test runner has some.
        let other = std::thread::spawn(std::thread::park);
        let refused = fork();
        other.thread().unpark();
        other.join().unwrap();
        if cfg!(target_os = "linux") {
            assert!(refused.unwrap_err().to_string().contains("several threads"));
        }
    }

    #[test]
    fn a_process_tells_the_processor_time_it_has_used() {
        if cfg!(any(target_os = "linux", target_os = "macos")) {
            assert!(processor_time(std::process::id()).unwrap() > Duration::ZERO);
            assert_eq!(processor_time(u32::MAX), None);
        }
    }
}
