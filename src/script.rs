//! QuickJS and what surrounds it. It knows nothing of bots.

pub mod error;
