//! Memory for what requests bring and answers take: counted over all connections. Where it is used up the slowest clients are dropped, and
//! what finds no room then is refused before memory runs out.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::HttpError;
use super::multipart;
use super::slow_clients::{Client, SlowClients};
use super::turns::{Turn, Turns};
use crate::clock::Clock;
use crate::config::Settings;

/// Bodies as small are not counted: their number is bounded by that of the connections, and ordinary messages must get
/// through while somebody fills the rest.
pub(super) const SMALL: usize = 16 << 10;
/// So many answers are made at once of what is stored: until it is known how long they are, nobody counts them.
const MAKING: usize = 8;
/// How long what a client held that was dropped may take to come back.
const DROPPED: Duration = Duration::from_secs(1);

/// How many bytes of large bodies are held at once (`httpServer.bodies`). Cheap to clone.
#[derive(Debug, Clone)]
pub struct MemoryBudget {
    bytes: Arc<Semaphore>,
    /// Places for answers that are being made of what is stored.
    making: Arc<Turns>,
    clients: Arc<SlowClients>,
}

/// Bytes taken from a [`MemoryBudget`]; they go back when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Held {
    size: usize,
    permits: Option<OwnedSemaphorePermit>,
}

impl MemoryBudget {
    /// A budget of that many bytes; who has not taken an answer for `stalled` milliseconds may be dropped for others.
    pub fn new(bytes: usize, stalled: u64, clock: Clock) -> Self {
        let bytes = Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)));
        Self { bytes, making: Turns::new(MAKING), clients: Arc::new(SlowClients::new(clock, stalled)) }
    }

    /// As many bytes as are configured, and never fewer than the largest body may have.
    pub fn least(settings: &Settings) -> usize {
        let (http, beside) = (&settings.http, multipart::BESIDE);
        let files = http.max_file_size.max(settings.media.max_size).saturating_add(beside);
        http.bodies.max(http.body_limit).max(files)
    }

    /// How many clients were dropped to make room.
    pub(super) fn dropped(&self) -> u64 {
        self.clients.dropped()
    }

    /// A client that has connected.
    pub(super) fn enter(&self, address: std::net::IpAddr) -> Arc<Client> {
        self.clients.enter(address)
    }

    /// Takes what `held` lacks of `size` bytes: from the slowest clients where nothing is left, or it is refused. Nobody waits for memory
    /// that is not coming.
    pub(crate) async fn grow(&self, held: &mut Held, size: usize) -> Result<(), HttpError> {
        if size <= SMALL.max(held.size) {
            return Ok(());
        }
        let more = u32::try_from(size - held.size).map_err(|_| HttpError::NoRoom)?;
        let permits = match Arc::clone(&self.bytes).try_acquire_many_owned(more) {
            Ok(permits) => permits,
            Err(_) => self.make_room(more).await.ok_or(HttpError::NoRoom)?,
        };
        match &mut held.permits {
            Some(before) => before.merge(permits),
            none => *none = Some(permits),
        }
        held.size = size;
        Ok(())
    }

    /// Waits for a place to make an answer of what is stored; it is free again once this is dropped.
    pub(crate) async fn making(&self) -> Turn {
        self.making.take().await
    }

    /// Drops the slowest clients until so many bytes are free.
    async fn make_room(&self, bytes: u32) -> Option<OwnedSemaphorePermit> {
        loop {
            let mut freed = self.clients.drop_slowest()?;
            while freed < u64::from(bytes)
                && let Some(more) = self.clients.drop_slowest()
            {
                freed += more;
            }
            let coming = Arc::clone(&self.bytes).acquire_many_owned(bytes);
            // More of them, where these held less than is needed.
            if let Ok(permits) = tokio::time::timeout(DROPPED, coming).await {
                return permits.ok();
            }
        }
    }

    /// Counts so many bytes until what is given is dropped.
    pub(crate) async fn hold(&self, size: usize) -> Result<Held, HttpError> {
        let mut held = Held::default();
        self.grow(&mut held, size).await?;
        Ok(held)
    }

    /// An answer's body, counted until it is written to the connection.
    pub(crate) async fn answer(&self, text: Vec<u8>) -> Result<Bytes, HttpError> {
        struct Counted {
            text: Vec<u8>,
            _held: Held,
        }
        impl AsRef<[u8]> for Counted {
            fn as_ref(&self) -> &[u8] {
                &self.text
            }
        }
        // What it takes, not only what it says: a text that grew has room to spare.
        let mut text = text;
        text.shrink_to_fit();
        let held = self.hold(text.len()).await?;
        Ok(match held.permits {
            None => text.into(),
            Some(_) => Bytes::from_owner(Counted { text, _held: held }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(bytes: usize) -> (MemoryBudget, Clock) {
        let clock = Clock::manual(1_000);
        (MemoryBudget::new(bytes, 2_000, clock.clone()), clock)
    }

    #[tokio::test]
    async fn large_bodies_are_refused_while_the_budget_is_used_up_and_small_ones_never() {
        let (budget, _) = budget(100_000);
        let mut first = Held::default();
        for size in [10_000, 50_000, 90_000, 20_000] {
            budget.grow(&mut first, size).await.unwrap();
        }
        let mut second = Held::default();
        assert!(matches!(budget.grow(&mut second, 20_000).await, Err(HttpError::NoRoom)));
        budget.grow(&mut second, SMALL).await.unwrap();
        assert!(budget.answer(vec![b'x'; 20_000]).await.is_err());
        drop(first);
        let answer = budget.answer(vec![b'x'; 90_000]).await.unwrap();
        assert!(budget.grow(&mut second, 20_000).await.is_err(), "an answer counts until it is written");
        drop(answer.clone());
        assert!(budget.grow(&mut second, 20_000).await.is_err());
        drop(answer);
        budget.grow(&mut second, 20_000).await.unwrap();
    }

    #[tokio::test]
    async fn where_it_is_used_up_the_slowest_client_makes_room() {
        let (budget, clock) = budget(100_000);
        let client = budget.enter([8, 8, 8, 8].into());
        let untaken = budget.answer(vec![b'x'; 90_000]).await.unwrap();
        client.is_sent(90_000);
        let connection = tokio::spawn(async move {
            client.is_dropped().await;
            drop(untaken);
        });
        assert!(budget.answer(vec![b'x'; 20_000]).await.is_err(), "he has had no time");
        clock.advance(Duration::from_secs(2));
        assert!(budget.answer(vec![b'x'; 20_000]).await.is_ok());
        connection.await.unwrap();
        assert_eq!(budget.dropped(), 1);
    }
}
