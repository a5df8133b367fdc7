//! The last errors of scripts, for those who write them: with their place and their code frame, as the log has them.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::config::secrets::Secrets;
use crate::model::EventId;
use crate::protocol::LogLine;

/// How many are kept.
const KEPT: usize = 30;
/// Bytes of each text of an error that are kept: scripts, or a worker that they have taken over, choose how long it is.
const LONGEST: usize = 4 << 10;

/// A ring of errors; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults {
    ring: Arc<Mutex<VecDeque<Fault>>>,
    /// What is not kept of them.
    secrets: Secrets,
}

/// An error of a script.
#[derive(Debug, Clone)]
pub struct Fault {
    /// What was logged.
    pub line: LogLine,
    /// The event in which it happened last, if it was in one.
    pub event: Option<EventId>,
    /// When it happened last, in milliseconds since the epoch.
    pub at: u64,
    /// How often, one after the other.
    pub times: u64,
}

impl Faults {
    pub(super) fn new(secrets: Secrets) -> Self {
        Self { secrets, ..Self::default() }
    }

    pub(super) fn keep(&self, mut line: LogLine, event: Option<EventId>, at: u64) {
        let LogLine { message, frame, file, hook, bot, .. } = &mut line;
        for text in [Some(message), frame.as_mut(), file.as_mut(), hook.as_mut(), bot.as_mut()].into_iter().flatten() {
            if let Cow::Owned(hidden) = self.secrets.hide(text) {
                *text = hidden;
            }
            text.truncate(text.floor_char_boundary(LONGEST));
            text.shrink_to_fit();
        }
        let mut ring = self.ring.lock();
        if let Some(last) = ring.back_mut().filter(|last| {
            (&last.line.message, &last.line.file, last.line.line) == (&line.message, &line.file, line.line)
        }) {
            (last.event, last.at, last.times) = (event, at, last.times + 1);
            return;
        }
        if ring.len() >= KEPT {
            ring.pop_front();
        }
        ring.push_back(Fault { line, event, at, times: 1 });
    }

    /// All that are kept, newest first.
    pub(super) fn recent(&self) -> Vec<Fault> {
        self.ring.lock().iter().rev().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(message: &str) -> LogLine {
        LogLine {
            level: "error".into(),
            message: message.into(),
            file: Some("hooks/a.js".into()),
            line: Some(1),
            column: None,
            frame: None,
            hook: None,
            bot: None,
        }
    }

    #[test]
    fn an_error_that_repeats_is_one_with_a_number() {
        let faults = Faults::default();
        faults.keep(line("a"), Some(EventId(1)), 1);
        faults.keep(line("a"), Some(EventId(2)), 2);
        faults.keep(line("b"), None, 3);
        let seen: Vec<_> =
            faults.recent().into_iter().map(|fault| (fault.line.message, fault.at, fault.times)).collect();
        assert_eq!(seen, [("b".to_owned(), 3, 1), ("a".to_owned(), 2, 2)]);
    }

    #[test]
    fn old_errors_make_room_and_long_ones_are_cut() {
        let faults = Faults::default();
        let long = "é".repeat(LONGEST);
        for number in 0..100 {
            let texts = [(); 4].map(|()| Some(long.clone()));
            let [frame, file, hook, bot] = texts;
            faults.keep(LogLine { frame, file, hook, bot, ..line(&format!("{number} {long}")) }, None, number);
        }
        let recent = faults.recent();
        assert_eq!((recent.len(), recent[0].at), (KEPT, 99));
        for LogLine { message, frame, file, hook, bot, .. } in recent.into_iter().map(|fault| fault.line) {
            for text in [Some(message), frame, file, hook, bot].into_iter().flatten() {
                assert!(text.len() <= LONGEST && text.capacity() <= 2 * LONGEST, "{}", text.len());
            }
        }
    }
}
