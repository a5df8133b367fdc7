//! Why a call of a script failed.

use crate::store::StoreError;

/// Why a call failed; its text is what the script sees.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// An argument is not what it must be.
    #[error("bp.{method}: \"{argument}\" must be {expected}, got {got}")]
    Argument {
        /// The method, without `bp.`.
        method: &'static str,
        /// The argument's name.
        argument: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        got: String,
    },
    /// There is no such method.
    #[error("bp.{0} is not offered by this server")]
    Unknown(String),
    /// What was asked for does not exist or cannot be done.
    #[error("bp.{method}: {message}")]
    Refused {
        /// The method, without `bp.`.
        method: &'static str,
        /// Why.
        message: String,
    },
    /// The store refused.
    #[error("bp.{method}: {source}")]
    Store {
        /// The method, without `bp.`.
        method: &'static str,
        /// Why.
        source: StoreError,
    },
}

/// What a method gives: JSON text, empty for `undefined`.
pub(super) type Answer = Result<String, ServiceError>;
