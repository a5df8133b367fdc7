//! Memory for what requests bring and answers take: counted over all connections, refused before it runs out.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::HttpError;
use super::multipart;
use crate::config::Settings;

/// Bodies as small are not counted: their number is bounded by that of the connections, and ordinary messages must get
/// through while somebody fills the rest.
const SMALL: usize = 16 << 10;

/// How many bytes of large bodies are held at once (`httpServer.bodies`). Cheap to clone.
#[derive(Debug, Clone)]
pub struct MemoryBudget(Arc<Semaphore>);

/// Bytes taken from a [`MemoryBudget`]; they go back when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Held {
    size: usize,
    permits: Option<OwnedSemaphorePermit>,
}

impl MemoryBudget {
    /// A budget of that many bytes.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))))
    }

    /// As many bytes as are configured, and never fewer than the largest body may have.
    pub fn least(settings: &Settings) -> usize {
        let (http, beside) = (&settings.http, multipart::BESIDE);
        let files = http.max_file_size.max(settings.media.max_size).saturating_add(beside);
        http.bodies.max(http.body_limit).max(files)
    }

    /// Takes what `held` lacks of `size` bytes, or refuses: nobody waits for memory while holding some.
    pub(crate) fn grow(&self, held: &mut Held, size: usize) -> Result<(), HttpError> {
        if size <= SMALL.max(held.size) {
            return Ok(());
        }
        let full = || HttpError::Unavailable {
            retry_after: 1,
            detail: "too many large bodies at once (`httpServer.bodies`)".into(),
        };
        let more = u32::try_from(size - held.size).map_err(|_| full())?;
        let permits = Arc::clone(&self.0).try_acquire_many_owned(more).map_err(|_| full())?;
        match &mut held.permits {
            Some(before) => before.merge(permits),
            none => *none = Some(permits),
        }
        held.size = size;
        Ok(())
    }

    /// An answer's body, counted until it is written to the connection.
    pub(crate) fn answer(&self, text: Vec<u8>) -> Result<Bytes, HttpError> {
        struct Counted {
            text: Vec<u8>,
            _held: Held,
        }
        impl AsRef<[u8]> for Counted {
            fn as_ref(&self) -> &[u8] {
                &self.text
            }
        }
        let mut held = Held::default();
        self.grow(&mut held, text.len())?;
        Ok(match held.permits {
            None => text.into(),
            Some(_) => Bytes::from_owner(Counted { text, _held: held }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_bodies_are_refused_while_the_budget_is_used_up_and_small_ones_never() {
        let budget = MemoryBudget::new(100_000);
        let mut first = Held::default();
        for size in [10_000, 50_000, 90_000, 20_000] {
            budget.grow(&mut first, size).unwrap();
        }
        let mut second = Held::default();
        assert!(matches!(budget.grow(&mut second, 20_000), Err(HttpError::Unavailable { retry_after: 1, .. })));
        budget.grow(&mut second, SMALL).unwrap();
        assert!(budget.answer(vec![b'x'; 20_000]).is_err());
        drop(first);
        let answer = budget.answer(vec![b'x'; 90_000]).unwrap();
        assert!(budget.grow(&mut second, 20_000).is_err(), "an answer counts until it is written");
        drop(answer.clone());
        assert!(budget.grow(&mut second, 20_000).is_err());
        drop(answer);
        budget.grow(&mut second, 20_000).unwrap();
    }
}
