//! One call on its way: reads and writes of the store, in the order of the event's calls.

use std::pin::Pin;
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::oneshot;

use super::args::Args;
use super::caller::Caller;
use super::error::{Answer, ServiceError};
use super::state::ServiceState;
use crate::store::{Order, Store, StoreError};

type Later = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// An answer that is there, or one that comes.
pub(super) enum Outcome {
    Now(String),
    Later(Later),
}

/// One call, as the methods see it.
pub(super) struct Call<'c> {
    pub(super) services: &'c Arc<ServiceState>,
    pub(super) caller: &'c Caller,
    pub(super) method: &'static str,
    pub(super) args: Args<'c>,
}

impl Call<'_> {
    /// When a read of this call takes place: at once, unless its line has writes that are not committed yet.
    fn order(&self) -> Order {
        let unsettled = self.services.unsettled.lock();
        match self.caller.line {
            Some(line) if unsettled.contains_key(&line) => Order::AfterWrites,
            _ => Order::AtOnce,
        }
    }

    /// An answer made of what a read gives.
    pub(super) fn read<T: Send + 'static>(
        &self,
        start: impl FnOnce(&Store, Order, Completion<T>),
        answer: impl FnOnce(T) -> Answer + Send + 'static,
    ) -> Result<Outcome, ServiceError> {
        let (completion, receiver) = channel();
        start(&self.services.store, self.order(), completion);
        Ok(self.later(receiver, answer))
    }

    /// An answer made of what a write gives, once it is committed.
    pub(super) fn write<T: Send + 'static>(
        &self,
        start: impl FnOnce(&Store, Completion<T>),
        answer: impl FnOnce(T) -> Answer + Send + 'static,
    ) -> Result<Outcome, ServiceError> {
        let (completion, receiver) = channel();
        let Some(line) = self.caller.line else {
            start(&self.services.store, completion);
            return Ok(self.later(receiver, answer));
        };
        *self.services.unsettled.lock().entry(line).or_default() += 1;
        let services = self.services.clone();
        start(
            &self.services.store,
            Box::new(move |outcome| {
                let mut unsettled = services.unsettled.lock();
                if let Some(count) = unsettled.get_mut(&line) {
                    *count -= 1;
                    if *count == 0 {
                        unsettled.remove(&line);
                    }
                }
                drop(unsettled);
                completion(outcome);
            }),
        );
        Ok(self.later(receiver, answer))
    }

    fn later<T: Send + 'static>(
        &self,
        receiver: oneshot::Receiver<Result<T, StoreError>>,
        answer: impl FnOnce(T) -> Answer + Send + 'static,
    ) -> Outcome {
        let method = self.method;
        Outcome::Later(Box::pin(async move {
            let outcome = receiver.await.unwrap_or(Err(StoreError::Closed));
            answer(outcome.map_err(|source| ServiceError::Store { method, source })?)
        }))
    }

    pub(super) fn refused(&self, message: String) -> ServiceError {
        ServiceError::Refused { method: self.method, message }
    }
}

/// What the store calls when it is done.
type Completion<T> = Box<dyn FnOnce(Result<T, StoreError>) + Send>;

fn channel<T: Send + 'static>() -> (Completion<T>, oneshot::Receiver<Result<T, StoreError>>) {
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
