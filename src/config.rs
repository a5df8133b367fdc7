//! Checked configuration: what the server and the workers go by. Files are read by `config::load`.

pub mod settings;

pub use settings::*;
