//! Why a call of another server came to nothing, for people, and with the codes that libraries of Node go by.

use std::io;
use std::net::IpAddr;

use super::address::Denied;
use crate::config::ISOLATION;
use crate::model::BotId;

/// Why a `fetch` rejects.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// The address cannot be read, or leads to no web server.
    #[error("{0}")]
    Address(String),
    /// Part of the request that no server could read: scripts cannot make it, but a worker may send anything.
    #[error("the request is malformed: {0}")]
    Malformed(String),
    /// `fetch.allow`, `fetch.deny`.
    #[error("the host {host} may not be called: {why}")]
    Host {
        /// As the script named it.
        host: String,
        /// Which list says so.
        why: &'static str,
    },
    /// `scripts.isolation`.
    #[error(
        "of this server a script of bot {0:?} may call /status and what begins with /api/v1/bots/{0}/ ({ISOLATION})"
    )]
    OtherBot(BotId),
    /// Every address that the host has is denied.
    #[error("the address {address} may not be called: {why}")]
    Denied {
        /// The address, not the name.
        address: IpAddr,
        /// Why.
        why: Denied,
    },
    /// The name leads nowhere.
    #[error("the host {host} is not known ({why})")]
    Unknown {
        /// As the script named it.
        host: String,
        /// What the system says.
        why: String,
    },
    /// Nobody answers there.
    #[error("the server could not be reached ({})", reason(.0))]
    Unreachable(io::Error),
    /// No trust.
    #[error("no secure connection could be made ({0})")]
    Insecure(String),
    /// What came is no HTTP, or ended too early.
    #[error("the connection broke off ({0})")]
    Broken(String),
    /// `fetch.redirects`.
    #[error("more than {0} redirects (fetch.redirects)")]
    Redirects(u32),
    /// `redirect: 'error'`.
    #[error("it redirects to {0}, and `redirect` is 'error'")]
    Redirected(String),
    /// `fetch.maxRequest`.
    #[error("the request has {bytes} bytes with its headers, at most {limit} are allowed (fetch.maxRequest)")]
    RequestTooLarge {
        /// All of it.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// `fetch.maxResponse`.
    #[error("the answer has more than {0} bytes (fetch.maxResponse)")]
    ResponseTooLarge(usize),
    /// Requests of the bot hold too much memory.
    #[error(
        "the requests of this bot that are under way have {0} bytes already; let some end first (fetch.concurrent, fetch.maxRequest)"
    )]
    Crowded(usize),
    /// `fetch.timeout`.
    #[error("{doing} after {ms} ms (fetch.timeout)")]
    TimedOut {
        /// What it was at.
        doing: &'static str,
        /// The limit.
        ms: u64,
    },
}

impl FetchError {
    /// The code that `error.code` has, as Node names it.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Address(_) => "ERR_INVALID_URL",
            Self::Malformed(_) => "ERR_INVALID_ARG_VALUE",
            Self::Host { .. } | Self::Denied { .. } | Self::OtherBot(_) => "EACCES",
            Self::Unknown { .. } => "ENOTFOUND",
            Self::Unreachable(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => "ECONNREFUSED",
                io::ErrorKind::HostUnreachable => "EHOSTUNREACH",
                io::ErrorKind::NetworkUnreachable => "ENETUNREACH",
                io::ErrorKind::ConnectionReset => "ECONNRESET",
                _ => "ECONNFAILED",
            },
            Self::Insecure(_) => "ERR_TLS",
            Self::Broken(_) => "ECONNRESET",
            Self::Redirects(_) | Self::Redirected(_) => "ERR_FR_TOO_MANY_REDIRECTS",
            Self::RequestTooLarge { .. } | Self::ResponseTooLarge(_) | Self::Crowded(_) => "ERR_TOO_LARGE",
            Self::TimedOut { .. } => "ETIMEDOUT",
        }
    }

    /// A failed exchange over HTTP, with its innermost reason.
    pub(super) fn broken(error: &hyper::Error) -> Self {
        if error.is_parse_too_large() {
            return Self::Broken("the head of the answer is too large".into());
        }
        let mut reason: &dyn std::error::Error = error;
        while let Some(source) = reason.source() {
            reason = source;
        }
        Self::Broken(reason.to_string())
    }
}

/// What went wrong, without the number that the system has for it.
fn reason(error: &io::Error) -> String {
    let text = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::HostUnreachable => "the host is unreachable",
        io::ErrorKind::NetworkUnreachable => "the network is unreachable",
        io::ErrorKind::ConnectionReset => "connection reset",
        _ => return error.to_string(),
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_what_went_wrong_and_programs_a_code() {
        let refused = FetchError::Unreachable(io::Error::from_raw_os_error(libc::ECONNREFUSED));
        assert_eq!(refused.to_string(), "the server could not be reached (connection refused)");
        assert_eq!(refused.code(), "ECONNREFUSED");
        let denied = FetchError::Denied { address: "169.254.0.1".parse().unwrap(), why: Denied::LinkLocal };
        assert_eq!(denied.to_string(), "the address 169.254.0.1 may not be called: it is link-local");
        let late = FetchError::TimedOut { doing: "no answer", ms: 14_000 };
        assert_eq!(late.to_string(), "no answer after 14000 ms (fetch.timeout)");
    }
}
