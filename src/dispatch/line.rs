//! What a realm has been given to do: what it is at, and what was sent ahead.

use std::collections::VecDeque;

use crate::protocol::is_before;

/// What a realm has been given, what it is at first.
#[derive(Debug, Default)]
pub(super) struct Line {
    given: VecDeque<Given>,
    /// The number of what was sent last.
    last: u16,
}

/// A dispatch, and its number among what the realm was sent, once it was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given {
    dispatch: u64,
    pub(super) number: Option<u16>,
}

impl Line {
    /// What the realm is at.
    pub(super) fn head(&self) -> Option<u64> {
        self.given.front().map(|given| given.dispatch)
    }

    /// How many it has, what it is at included.
    pub(super) fn len(&self) -> usize {
        self.given.len()
    }

    /// Whether it has that dispatch.
    #[cfg(test)]
    pub(super) fn has(&self, dispatch: u64) -> bool {
        self.given.iter().any(|given| given.dispatch == dispatch)
    }

    pub(super) fn push(&mut self, dispatch: u64) {
        self.given.push_back(Given { dispatch, number: None });
    }

    /// It is sent: what is sent first runs first, in whichever order it was given. Gives its number.
    pub(super) fn send(&mut self, dispatch: u64) -> u16 {
        self.last = self.next_number();
        self.remove(dispatch);
        let sent = self.given.iter().take_while(|given| given.number.is_some()).count();
        self.given.insert(sent, Given { dispatch, number: Some(self.last) });
        self.last
    }

    /// What it is at is over.
    pub(super) fn pop(&mut self) {
        self.given.pop_front();
    }

    /// The number of what is sent next.
    pub(super) fn next_number(&self) -> u16 {
        self.last.wrapping_add(1)
    }

    /// Whether what it is at was sent.
    pub(super) fn is_sent(&self) -> bool {
        self.given.front().is_some_and(|given| given.number.is_some())
    }

    /// It is not to have that.
    pub(super) fn remove(&mut self, dispatch: u64) {
        self.given.retain(|given| given.dispatch != dispatch);
    }

    /// Takes out what comes after the one with which the realm has begun last, and before that number; without it also what was
    /// not sent.
    pub(super) fn take_after(&mut self, begun: u16, below: Option<u16>) -> Vec<u64> {
        self.take(|_, given| match (given.number, below) {
            (Some(number), Some(below)) => is_before(begun, number) && is_before(number, below),
            (Some(number), None) => is_before(begun, number),
            (None, below) => below.is_none(),
        })
    }

    /// Takes out those that meet that.
    pub(super) fn take(&mut self, mut which: impl FnMut(usize, &Given) -> bool) -> Vec<u64> {
        let (mut taken, mut at) = (Vec::new(), 0);
        self.given.retain(|given| {
            let goes = which(at, given);
            at += 1;
            if goes {
                taken.push(given.dispatch);
            }
            !goes
        });
        taken
    }
}
