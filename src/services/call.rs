//! One call on its way: reads and writes of the store, in the order of the event's calls, in turns of its bot.

use std::pin::Pin;
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use super::args::Args;
use super::caller::Caller;
use super::error::{Answer, ServiceError};
use super::fair_turns::FairTurn;
use super::state::ServiceState;
use crate::store::{Store, StoreError};

/// A call that goes through more bytes than that takes long.
pub(super) const LONG: u64 = 128 << 10;

/// An answer that comes.
pub(super) type Later = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// What a method makes of a call.
pub(super) enum Outcome {
    /// The answer.
    Now(String),
    /// It was submitted, and takes effect before whatever is called after it.
    Later(Later),
    /// It takes long, since it has about so many bytes to go through: it begins when there is a turn for that, and nothing
    /// that its line calls after it begins before it is over.
    Long { bytes: u64, work: Later },
}

/// A call that has begun.
pub enum Begun {
    /// It is answered.
    Answered(Answer),
    /// Its answer comes.
    Pending(Pending),
}

/// A call whose answer comes. It takes effect also where nobody waits for that.
pub struct Pending {
    pub(super) answer: Later,
    pub(super) turn: Option<FairTurn>,
}

impl Begun {
    /// Waits for the answer.
    ///
    /// # Errors
    /// The call failed.
    pub async fn answer(self) -> Answer {
        match self {
            Self::Answered(answer) => answer,
            Self::Pending(pending) => pending.answer().await,
        }
    }
}

impl Pending {
    /// Waits for the answer.
    ///
    /// # Errors
    /// The call failed.
    pub async fn answer(self) -> Answer {
        let Self { answer, mut turn } = self;
        let answer = answer.await;
        took(turn.as_mut(), &answer);
        answer
    }
}

/// An answer counts for whose it is.
pub(super) fn took(turn: Option<&mut FairTurn>, answer: &Answer) {
    if let (Some(turn), Ok(text)) = (turn, answer) {
        turn.took(text.len() as u64);
    }
}

/// One call, as the methods see it.
pub(super) struct Call<'c> {
    pub(super) services: &'c Arc<ServiceState>,
    pub(super) caller: &'c Caller,
    pub(super) method: &'static str,
    pub(super) args: Args<'c>,
}

impl Call<'_> {
    /// What a short read of the store gives, here and now.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Store) -> Result<T, StoreError>) -> Result<T, ServiceError> {
        read(&self.services.store).map_err(|source| self.failed(source))
    }

    /// An answer made beside all others, when there is a turn for it.
    pub(super) fn beside(&self, bytes: u64, work: impl FnOnce(&ServiceState) -> Answer + Send + 'static) -> Outcome {
        let (services, method) = (Arc::clone(self.services), self.method);
        let work = Box::pin(async move {
            let done = spawn_blocking(move || work(&services)).await;
            done.unwrap_or_else(|error| Err(ServiceError::Refused { method, message: error.to_string() }))
        });
        Outcome::Long { bytes, work }
    }

    /// An answer made of what a write gives, once it is committed.
    pub(super) fn write<T: Send + 'static>(
        &self,
        start: impl FnOnce(&Store, Completion<T>),
        answer: impl FnOnce(T) -> Answer + Send + 'static,
    ) -> Result<Outcome, ServiceError> {
        let (completion, receiver) = completion();
        let store = self.services.store.of(self.caller.bot.as_ref());
        match self.caller.line {
            None => start(&store, completion),
            Some(line) => {
                self.services.unsettled.lock().entry(line).or_default().writes += 1;
                let services = self.services.clone();
                let completion = Box::new(move |outcome| {
                    services.settle(line);
                    completion(outcome);
                });
                start(&store, completion);
            }
        }
        let method = self.method;
        Ok(Outcome::Later(Box::pin(async move {
            let outcome = receiver.await.unwrap_or(Err(StoreError::Closed));
            answer(outcome.map_err(|source| ServiceError::Store { method, source })?)
        })))
    }

    pub(super) fn refused(&self, message: String) -> ServiceError {
        ServiceError::Refused { method: self.method, message }
    }

    pub(super) fn failed(&self, source: StoreError) -> ServiceError {
        ServiceError::Store { method: self.method, source }
    }
}

/// What the store calls when it is done.
pub(super) type Completion<T> = Box<dyn FnOnce(Result<T, StoreError>) + Send>;

/// A completion and what it tells.
pub(super) fn completion<T: Send + 'static>() -> (Completion<T>, oneshot::Receiver<Result<T, StoreError>>) {
    let (sender, receiver) = oneshot::channel();
    let completion = Box::new(move |outcome| {
        // Who no longer waits does not need the answer.
        let _ = sender.send(outcome);
    });
    (completion, receiver)
}

/// JSON text of a value.
pub(super) fn json(value: &impl Serialize) -> Answer {
    serde_json::to_string(value)
        .map_err(|error| ServiceError::Refused { method: "", message: format!("an answer cannot be written: {error}") })
}

/// No answer: `undefined`.
pub(super) fn undefined() -> Answer {
    Ok(String::new())
}
