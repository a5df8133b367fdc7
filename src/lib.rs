//! `nudge`: a scriptable bot server. People drop JavaScript files into `hooks/`, and the files act on real events.
//!
//! See `ARCHITECTURE.md` for the map. In short: a *server* process owns everything real (HTTP, the store, files), *worker*
//! processes own every line of JavaScript and nothing else, and they meet only in [`protocol`].

pub mod app;
pub mod beneath;
pub mod cli;
pub mod clock;
pub mod code_frame;
pub mod config;
pub mod dispatch;
pub mod engine;
pub mod fleet;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod model;
pub mod os;
pub mod parsing;
pub mod program;
pub mod protocol;
pub mod reading;
pub mod reload;
pub mod script;
pub mod sdk;
pub mod services;
pub mod shares;
pub mod shutdown;
pub mod store;
pub mod telemetry;
pub mod web;
pub mod worker;
