//! What is said once by name, however often it happens.

use std::collections::BTreeSet;

use parking_lot::Mutex;

/// Most names that are remembered. What comes after them is not said, and the last one says so.
const MOST: usize = 1_000;
const THE_LAST: &str = " (further ones are not said until the next start)";

/// The names that were said.
#[derive(Debug, Default)]
pub struct Once(Mutex<BTreeSet<String>>);

impl Once {
    /// Nothing was said yet.
    pub const fn new() -> Self {
        Self(Mutex::new(BTreeSet::new()))
    }

    /// Something if a name is to be said, this time and not again: what is to be said behind it.
    pub fn says(&self, name: &str) -> Option<&'static str> {
        let mut said = self.0.lock();
        if said.len() == MOST || said.contains(name) {
            return None;
        }
        said.insert(name.to_owned());
        Some(if said.len() == MOST { THE_LAST } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_said_once_and_not_without_end() {
        let once = Once::new();
        assert_eq!(["a", "b", "a"].map(|name| once.says(name)), [Some(""), Some(""), None]);
        let said: Vec<&str> = (0..2 * MOST).filter_map(|number| once.says(&number.to_string())).collect();
        assert_eq!(said.len(), MOST - 2);
        let last = said.iter().position(|behind| !behind.is_empty());
        assert_eq!((last, once.says("one past")), (Some(MOST - 3), None), "the last one says that it is");
    }
}
