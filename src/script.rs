//! script (being built).
