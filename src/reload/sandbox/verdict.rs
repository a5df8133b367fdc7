//! What a process that reads files ended of, and what is said of the file that it was at.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use crate::config::{Problem, ReadLimits};

/// What it ended of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It was given up after so much computing.
    Time(Duration),
    /// Its stack ran out.
    Stack,
    /// Its memory ran out.
    Memory,
    /// Somebody killed it, or stopped it.
    Killed,
    /// It failed, in words.
    Failed(String),
    /// It said what nobody asked for.
    Nonsense,
    /// It was never ready: why.
    Unusable(String),
}

impl Verdict {
    /// Of a process that ended by itself, with what it wrote to standard error.
    pub(super) fn of(status: ExitStatus, said: &str) -> Self {
        // The words are those of Rust's standard library, and tests hold them.
        if said.contains("has overflowed its stack") {
            return Self::Stack;
        }
        if said.contains("memory allocation of") {
            return Self::Memory;
        }
        match status.signal() {
            Some(9) => Self::Killed,
            _ => Self::Failed(status.to_string()),
        }
    }

    /// What is said of the file.
    pub(super) fn problem(&self, path: &str, limits: &ReadLimits) -> Problem {
        let memory = limits.read_memory >> 20;
        let (message, help) = match self {
            Self::Time(limit) if limit.as_millis() >= u128::from(limits.read_time) => (
                format!("given up after {} ms: reading it takes longer (`workspace.readTime`)", limits.read_time),
                "simplify or split the file",
            ),
            Self::Time(limit) => (
                format!(
                    "given up after {} ms: other files of the same bot took longer than {} ms (`workspace.readTime`) in vain",
                    limit.as_millis(),
                    limits.read_time
                ),
                "mend those first",
            ),
            Self::Stack => (
                format!(
                    "nested too deeply to be read: the parser ran out of its {} MB of stack, a quarter of {memory} MB \
                     (`workspace.readMemory`)",
                    memory / 4
                ),
                "break long chains of operators, functions or statements within one another into parts",
            ),
            Self::Memory => (
                format!("too much to be read: the parser ran out of {memory} MB of memory (`workspace.readMemory`)"),
                "simplify or split the file",
            ),
            Self::Killed => (
                "cannot be read: the process that read it was killed or did not answer, twice".to_owned(),
                "save it again to have it tried again",
            ),
            Self::Failed(how) => {
                (format!("cannot be read: the parser failed ({how})"), "simplify the file, and report this")
            }
            Self::Nonsense | Self::Unusable(_) => {
                ("cannot be read: the parser's answer makes no sense".to_owned(), "simplify the file, and report this")
            }
        };
        Problem::error(path, message).help(help)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn each_names_the_limit_its_value_and_its_key() {
        let limits = ReadLimits::default();
        let aborted = ExitStatus::from_raw(6);
        let verdicts = [
            Verdict::Time(Duration::from_millis(5_000)),
            Verdict::Time(Duration::from_millis(250)),
            Verdict::of(aborted, "thread 'reader' has overflowed its stack\nfatal runtime error"),
            Verdict::of(aborted, "memory allocation of 4096 bytes failed"),
            Verdict::of(ExitStatus::from_raw(9), ""),
            Verdict::of(aborted, ""),
            Verdict::Nonsense,
        ];
        let said: Vec<String> = verdicts.iter().map(|one| one.problem("x.js", &limits).to_string()).collect();
        expect![[r#"
            x.js: error: given up after 5000 ms: reading it takes longer (`workspace.readTime`)
            help: simplify or split the file
            x.js: error: given up after 250 ms: other files of the same bot took longer than 5000 ms (`workspace.readTime`) in vain
            help: mend those first
            x.js: error: nested too deeply to be read: the parser ran out of its 128 MB of stack, a quarter of 512 MB (`workspace.readMemory`)
            help: break long chains of operators, functions or statements within one another into parts
            x.js: error: too much to be read: the parser ran out of 512 MB of memory (`workspace.readMemory`)
            help: simplify or split the file
            x.js: error: cannot be read: the process that read it was killed or did not answer, twice
            help: save it again to have it tried again
            x.js: error: cannot be read: the parser failed (signal: 6 (SIGABRT))
            help: simplify the file, and report this
            x.js: error: cannot be read: the parser's answer makes no sense
            help: simplify the file, and report this"#]]
        .assert_eq(&said.join("\n"));
    }
}
