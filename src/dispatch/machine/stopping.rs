//! The server stops: what runs may finish, then all processes end.

use std::time::Duration;

use super::super::action::{Action, After};
use super::super::errors::{AcceptError, ConverseError};
use super::{Machine, Now};

/// How long processes may take to end when they are told to.
const DRAIN: Duration = Duration::from_secs(1);

impl Machine {
    pub(super) fn go_on_stopping(&mut self, now: Now) {
        let busy = self.is_busy();
        let Some(stop) = &mut self.stop else { return };
        if !stop.drained {
            if busy && now.at < stop.until {
                return;
            }
            stop.drained = true;
            stop.until = now.at + DRAIN;
            // Everybody who waits for replies is told that the server stops.
            self.collectors.fail_all(|| ConverseError::Accept(AcceptError::Stopping));
            // What no realm has begun with runs after the next start.
            let realms: Vec<_> = self.lines.keys().copied().collect();
            realms.into_iter().for_each(|realm| self.take_back(realm));
            self.fleet.stop();
        } else if (self.fleet.is_empty() || now.at > stop.until)
            && let Some(answer) = stop.answer.take()
        {
            self.actions.push(Action::AfterCommits(None, After::Stopped(answer)));
        }
    }

    /// Whether nothing is to be done any more.
    pub(in crate::dispatch) fn has_stopped(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.answer.is_none())
    }
}
