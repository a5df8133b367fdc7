//! QuickJS and what makes it safe to hold: realms, limits, wrappers, errors. Knows nothing of bots.
//!
//! A realm is one `Runtime` with one `Context` in a process of its own. Everything in here is synchronous.

pub mod error;
pub mod heap;
pub mod json;
pub mod limits;
pub mod modules;
pub mod random;
pub mod realm;
pub mod web;
pub mod wrap;

pub use error::ScriptError;
pub use limits::{Meter, Overrun, Used};
pub use random::Random;
pub use realm::{Realm, RealmError, with_realm};
