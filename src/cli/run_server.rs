//! run
mod greeting;
