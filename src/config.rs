//! Checked configuration: what the server and the workers go by. Files are read by [`load()`].

mod address;
pub mod environment;
pub mod external_auth;
mod files;
mod former;
pub mod hosts;
pub mod jsonc;
pub mod keys;
pub mod layout;
mod links;
pub mod load;
pub mod modules;
pub mod nearest;
pub mod problem;
mod read_limits;
pub mod redact;
mod retention;
pub mod schema;
pub mod secrets;
pub mod settings;
mod store_limits;
pub mod values;

pub use address::{local_address, public_address};
pub use external_auth::ExternalAuth;
pub use files::ConfigFiles;
pub use hosts::HostPattern;
pub use layout::hook_folder;
pub use links::LinkSettings;
pub use load::{ConfigError, Overrides, load};
pub use problem::{MOST_PROBLEMS, Problem, at_most};
pub use read_limits::ReadLimits;
pub use retention::RetentionSettings;
pub use settings::*;
pub use store_limits::StoreLimits;
pub use values::parse_duration;
