//! reload (being built).
