//! What a realm asks of the server: requests, and calls of other servers.

use super::Host;
use crate::protocol::FrameKind;
use crate::protocol::frame::write_head;

impl Host {
    /// Sends a request; gives its number.
    pub fn send_request(&self, method: &str, arguments: &str) -> Result<u32, String> {
        let what = format!("bp.{method}");
        let number = self.ask(&what, "arguments", method.len() + 1 + arguments.len(), arguments.len())?;
        let mut body = Vec::with_capacity(1 + method.len() + arguments.len());
        body.push(u8::try_from(method.len()).unwrap_or(0));
        body.extend_from_slice(method.as_bytes());
        body.extend_from_slice(arguments.as_bytes());
        self.frame(FrameKind::Request, number, &body);
        self.flush_if_slow();
        Ok(number)
    }

    /// Sends a call of another server; gives its number.
    pub fn send_fetch(&self, head: &str, body: &[u8]) -> Result<u32, String> {
        let bytes = head.len() + body.len();
        let number = self.ask("fetch", "request", bytes + 4, bytes)?;
        self.frame(FrameKind::Fetch, number, &write_head(head, body));
        self.flush_if_slow();
        Ok(number)
    }

    /// A call of another server is not waited for any more.
    pub fn abandon(&self, number: u32) {
        if self.outstanding.borrow_mut().remove(&number).is_some() {
            self.frame(FrameKind::Abandon, number, &[]);
        }
    }

    /// Counts a request that has so many bytes in its frame and says so much; gives its number.
    pub(super) fn ask(&self, what: &str, part: &str, frame: usize, said: usize) -> Result<u32, String> {
        let limits = &self.hello.limits;
        if self.outstanding.borrow().len() >= limits.requests as usize {
            return Err(format!("{what}: at most {} calls may be outstanding (scripts.requests)", limits.requests));
        }
        if frame as u64 > limits.frame {
            return Err(format!("{what}: the {part} may be at most {} bytes (scripts.frame)", limits.frame));
        }
        self.send_bytes(said)?;
        let number = self.request.get();
        self.request.set(number.wrapping_add(1));
        self.outstanding.borrow_mut().insert(number, self.blamed());
        Ok(number)
    }
}
