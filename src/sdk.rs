//! sdk (being built).
