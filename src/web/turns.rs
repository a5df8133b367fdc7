//! Places for answers that take long to make. Where all are taken, the next one is for who came last and for who came first, by turns: a flood
//! of requests does not stand before everybody who comes after it, and whoever was there first gets on all the same.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// The places.
#[derive(Debug)]
pub(super) struct Turns(Mutex<Waiting>);

#[derive(Debug)]
struct Waiting {
    free: usize,
    /// In the order in which they came.
    queue: VecDeque<oneshot::Sender<Turn>>,
    /// The next place is for who came last.
    last: bool,
}

/// A place, until this is dropped.
#[derive(Debug)]
pub(crate) struct Turn(Option<Arc<Turns>>);

impl Turns {
    pub(super) fn new(places: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Waiting { free: places, queue: VecDeque::new(), last: true })))
    }

    /// Waits for a place.
    pub(super) async fn take(self: &Arc<Self>) -> Turn {
        let place = {
            let mut waiting = self.0.lock();
            if let Some(less) = waiting.free.checked_sub(1) {
                waiting.free = less;
                return Turn(Some(Arc::clone(self)));
            }
            let (sender, place) = oneshot::channel();
            waiting.queue.push_back(sender);
            place
        };
        // Those who wait are asked one by one as long as somebody holds this.
        place.await.unwrap_or(Turn(None))
    }

    /// Who is next; nobody where the place is free from now on.
    fn next(&self) -> Option<oneshot::Sender<Turn>> {
        let mut waiting = self.0.lock();
        waiting.last = !waiting.last;
        let next = if waiting.last { waiting.queue.pop_front() } else { waiting.queue.pop_back() };
        if next.is_none() {
            waiting.free += 1;
        }
        next
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(turns) = self.0.take() else { return };
        while let Some(next) = turns.next() {
            match next.send(Self(Some(Arc::clone(&turns)))) {
                Ok(()) => return,
                // Nobody waits there any more.
                Err(mut refused) => drop(refused.0.take()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn who_came_last_and_who_came_first_are_next_by_turns() {
        let turns = Turns::new(1);
        let mut held = turns.take().now_or_never().unwrap();
        let mut waiting: Vec<_> = (0..5).map(|_| Box::pin(turns.take())).collect();
        assert!(waiting.iter_mut().all(|one| one.now_or_never().is_none()));
        let mut order = Vec::new();
        for _ in 0..5 {
            drop(held);
            let (at, next) = waiting
                .iter_mut()
                .enumerate()
                .filter(|(at, _)| !order.contains(at))
                .find_map(|(at, one)| Some((at, one.now_or_never()?)))
                .unwrap();
            order.push(at);
            held = next;
        }
        assert_eq!(order, [4, 0, 3, 1, 2]);
    }

    #[test]
    fn who_has_gone_takes_no_place_along() {
        let turns = Turns::new(1);
        let held = turns.take().now_or_never().unwrap();
        let mut gone: Vec<_> = (0..3).map(|_| Box::pin(turns.take())).collect();
        assert!(gone.iter_mut().all(|one| one.now_or_never().is_none()));
        drop(gone.pop());
        drop(held);
        // One was given the place and goes without having looked.
        drop(gone);
        assert!(turns.take().now_or_never().is_some());
        assert!(turns.take().now_or_never().is_some(), "it came back");
    }
}
