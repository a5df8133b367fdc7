//! worker (being built).
