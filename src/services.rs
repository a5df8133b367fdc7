//! services (being built).
