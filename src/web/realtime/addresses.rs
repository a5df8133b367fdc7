//! How many connections each address has: nobody takes all places (`realtime.socketsPerAddress`).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

/// The addresses that have connections.
pub(super) struct Addresses {
    /// Connections of one address at once; 0 is as many as it likes.
    most: usize,
    open: Arc<Mutex<HashMap<IpAddr, Open>>>,
}

#[derive(Default)]
struct Open {
    connections: usize,
    /// It was said that this address has as many as it may.
    said: bool,
}

/// One connection of an address, for as long as it is held. A connection's first request carries it, which lives as long
/// as the connection: so what is refused or breaks off on its way counts no longer, either.
#[derive(Clone)]
pub(super) struct Counted(#[allow(dead_code, reason = "it is held, never looked at")] Arc<One>);

struct One {
    address: IpAddr,
    open: Arc<Mutex<HashMap<IpAddr, Open>>>,
}

impl Addresses {
    pub(super) fn new(most: usize) -> Self {
        Self { most, open: Arc::default() }
    }

    /// Counts one more connection of an address; the error is how many it may have.
    pub(super) fn enter(&self, address: IpAddr) -> Result<Counted, usize> {
        let mut all = self.open.lock();
        let open = all.entry(address).or_default();
        if self.most != 0 && open.connections >= self.most {
            if !std::mem::replace(&mut open.said, true) {
                tracing::warn!(
                    "{address} has {} connections and gets no more (`realtime.socketsPerAddress`); if that is a proxy, say \
                     so with `httpServer.trustedProxies`",
                    self.most
                );
            }
            return Err(self.most);
        }
        open.connections += 1;
        Ok(Counted(Arc::new(One { address, open: Arc::clone(&self.open) })))
    }
}

impl Drop for One {
    fn drop(&mut self) {
        let mut all = self.open.lock();
        if let Some(open) = all.get_mut(&self.address) {
            open.connections -= 1;
            if open.connections == 0 {
                all.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_places_gets_them_back_and_leaves_nothing_behind() {
        let addresses = Addresses::new(2);
        let (ann, bob) = ([1, 2, 3, 4].into(), [5, 6, 7, 8].into());
        let first = addresses.enter(ann).ok().unwrap();
        let second = addresses.enter(ann).ok();
        assert_eq!(addresses.enter(ann).err(), Some(2));
        assert!(addresses.enter(bob).is_ok());
        let copy = first.clone();
        drop(first);
        assert_eq!(addresses.enter(ann).err(), Some(2));
        drop(copy);
        assert!(addresses.enter(ann).is_ok());
        drop(second);
        assert!(addresses.open.lock().is_empty());
    }

    #[test]
    fn without_a_limit_an_address_has_as_many_as_it_likes() {
        let addresses = Addresses::new(0);
        let held: Vec<_> = (0..1_000).map(|_| addresses.enter([1, 2, 3, 4].into())).collect();
        assert!(held.iter().all(Result::is_ok));
    }
}
