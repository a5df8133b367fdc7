//! How much it may take to read one file of a workspace.

use serde::{Deserialize, Serialize};

/// What one file may be and cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadLimits {
    /// `workspace.nesting`: how deep the brackets of a script may nest.
    pub nesting: usize,
    /// `workspace.requires`: names that one script may require.
    pub requires: usize,
    /// `workspace.nodes`: nodes of one flow.
    pub nodes: usize,
    /// `workspace.elements`: content elements of one file.
    pub elements: usize,
    /// `workspace.readTime`: milliseconds of computing for one file.
    pub read_time: u64,
    /// `workspace.readMemory`: bytes that the process which reads may have, a quarter of them as stack.
    pub read_memory: u64,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self {
            nesting: 2_000,
            requires: 1_000,
            nodes: 20_000,
            elements: 100_000,
            read_time: 5_000,
            read_memory: 512 << 20,
        }
    }
}

impl ReadLimits {
    /// The stack of what reads, in bytes. Only what is used of it is ever real.
    pub fn stack(&self) -> usize {
        usize::try_from(self.read_memory / 4).unwrap_or(usize::MAX)
    }
}
