//! What is said once by name, however often it happens.

use std::collections::BTreeSet;

use parking_lot::Mutex;

/// Most names that are remembered. What comes after them is not said.
const MOST: usize = 1_000;

/// The names that were said.
#[derive(Debug, Default)]
pub struct Once(Mutex<BTreeSet<String>>);

impl Once {
    /// Nothing was said yet.
    pub const fn new() -> Self {
        Self(Mutex::new(BTreeSet::new()))
    }

    /// Whether a name is to be said: this time, and not again.
    pub fn says(&self, name: &str) -> bool {
        let mut said = self.0.lock();
        said.len() < MOST && !said.contains(name) && said.insert(name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_said_once_and_not_without_end() {
        let once = Once::new();
        assert_eq!(["a", "b", "a"].map(|name| once.says(name)), [true, true, false]);
        let said = (0..2 * MOST).filter(|number| once.says(&number.to_string())).count();
        assert_eq!(said, MOST - 2);
    }
}
