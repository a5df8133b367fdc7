//! The store: everything that must survive a crash, in one SQLite file. SQL appears only here and in `store/`.
//!
//! One thread writes (`writer`); operations that wait are committed together, so the price of an fsync is shared. A
//! completion runs after the COMMIT, in order of submission, on that thread: who is told "stored" can rely on it. Reads
//! run where they are asked for, on connections of their own, and see what was committed before.

mod accept;
mod advice;
mod batch;
mod begin;
mod checkpoint;
#[cfg(test)]
mod clock_tests;
mod connections;
mod conversations;
mod error;
mod fair_queue;
mod files;
mod follow_ups;
mod handle;
mod history;
mod inspection;
mod kvs;
mod listing;
mod lock;
mod memory;
mod messages;
mod open;
mod operations;
mod peek;
mod poison;
#[cfg(test)]
mod property_tests;
mod queue;
mod read_threads;
mod replies;
mod retention;
mod retention_marks;
mod rows;
mod rules;
mod schema;
mod secrets;
mod sessions;
mod settle;
mod settling;
mod short_links;
mod state_cache;
#[cfg(test)]
pub(crate) mod testing;
mod timeouts;
mod timestamp;
mod transcript;
mod trouble;
mod tx;
mod unstored;
mod users;
mod writer;

pub use accept::{Accepted, ConversationTarget};
pub use batch::{BatchEffect, EffectOutcome, EventBatch, EventEnd, Settlement};
pub use begin::Begun;
pub use error::StoreError;
pub use follow_ups::FollowUp;
pub use handle::Store;
pub use history::{Ahead, Undelivered};
pub use kvs::{Expiry, KvsFound, KvsPlace, KvsWrite};
pub use listing::{Conversation, ConversationRow};
pub use messages::{OutgoingMessage, StoredMessage, UserMessage};
pub use peek::Peek;
pub use poison::Poisoned;
pub use queue::Pending;
pub use replies::Reply;
pub use rules::Rules;
pub use sessions::Lifetimes;
pub use short_links::ShortLink;
pub use timeouts::{DueSession, TimedOut};
pub use timestamp::Timestamp;
pub use transcript::Transcript;
pub use trouble::Trouble;
pub use users::{Attributes, NewUser, UserRow};
