//! The event's way through a realm: stages, hooks, decision, replies; and the `bp` that scripts see.
//!
//! The order of the stages is Rust (`run`), what scripts touch is JavaScript (`js/`), so that an event is one object from
//! its arrival to the reply and nothing is serialised in between. The engine does no I/O: it writes frames and waits for
//! answers.

pub mod bot_realm;
pub mod compile;
pub mod dialog;
pub mod event_ids;
pub mod explain;
pub mod host;
pub mod loaded;
pub mod run;
pub mod timers;
pub mod trace;
pub mod wait;

pub use bot_realm::BotRealm;
pub use bot_realm::warm::NotPreloaded;
pub use compile::compile;
pub use event_ids::IdSource;
pub use host::Host;
pub use loaded::LoadedProgram;
pub use run::{Outcome, RealmJob, Resume};
pub use wait::{Inbox, Received};

#[cfg(test)]
mod attack_tests;
#[cfg(test)]
mod content_tests;
#[cfg(test)]
mod dialog_tests;
#[cfg(test)]
mod globals_tests;
#[cfg(test)]
mod limit_tests;
#[cfg(test)]
mod sweeps;
#[cfg(test)]
pub(crate) mod tests;
