//! "Did you mean …?": the word nearest to one that nobody knows, for so many comparisons and no more. Who has made thousands of
//! mistakes is not waited for.

use std::cell::Cell;

/// The most that advice may cost in all: looking at a word is 1, comparing it [`COMPARING`].
const MOST: usize = 2_000_000;
/// What comparing two words costs.
const COMPARING: usize = 100;
/// The longest word that is compared, in bytes: what comparing takes is the product of two lengths.
const LONGEST: usize = 100;
/// The most that two words may differ in.
const FARTHEST: usize = 2;

/// Gives advice until it has cost too much.
#[derive(Debug)]
pub struct Advice {
    left: Cell<usize>,
}

impl Default for Advice {
    fn default() -> Self {
        Self { left: Cell::new(MOST) }
    }
}

impl Advice {
    /// The word nearest to another, if it is near enough to be meant; nothing once there was too much advice.
    pub fn nearest<'a>(&self, word: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
        if word.len() > LONGEST {
            return None;
        }
        let (mut left, mut found) = (self.left.get(), None);
        let lower = word.to_lowercase();
        for candidate in words {
            // A character other than ASCII's has up to four bytes.
            let bytes = if word.is_ascii() && candidate.is_ascii() { FARTHEST } else { FARTHEST * 4 };
            let near = candidate.len().abs_diff(word.len()) <= bytes;
            let cost = if near { COMPARING } else { 1 };
            if left < cost {
                (left, found) = (0, None);
                break;
            }
            left -= cost;
            if !near {
                continue;
            }
            let distance = strsim::levenshtein(&lower, &candidate.to_lowercase());
            if distance <= FARTHEST.min(candidate.len() / 3) && found.is_none_or(|best| (distance, candidate) < best) {
                found = Some((distance, candidate));
            }
        }
        self.left.set(left);
        found.map(|(_, candidate)| candidate)
    }

    /// Whether so many words may be looked through; it is counted as if they were.
    pub fn may_look_through(&self, words: usize) -> bool {
        let left = self.left.get();
        self.left.set(left.saturating_sub(words));
        words <= left
    }
}

/// The word nearest to another, where it is asked for a few times at most, and the words are few.
pub fn nearest<'a>(word: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    Advice::default().nearest(word, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_is_found_and_a_far_one_is_not() {
        let words = ["before_incoming_middleware", "after_bot_mount", "host"];
        assert_eq!(nearest("before_incoming_middlewares", words.into_iter()), Some(words[0]));
        assert_eq!(nearest("After_Bot_Mont", words.into_iter()), Some(words[1]));
        assert_eq!(nearest("hst", words.into_iter()), Some("host"));
        assert_eq!(nearest("something", words.into_iter()), None);
        assert_eq!(nearest("häuser", ["hauser"].into_iter()), Some("hauser"));
        assert_eq!(nearest(&"x".repeat(101), ["x"].into_iter()), None);
    }

    #[test]
    fn advice_ends_when_it_has_cost_too_much() {
        let words: Vec<String> = (0..1_000).map(|number| format!("word-{number:04}")).collect();
        let advice = Advice::default();
        let given = (0..100).filter(|_| advice.nearest("word-0007x", words.iter().map(String::as_str)).is_some());
        assert_eq!(given.count(), MOST / COMPARING / 1_000);
        assert!(!advice.may_look_through(1));
        // Words of quite other lengths cost little.
        let advice = Advice::default();
        assert!(
            (0..1_000).all(|_| advice.nearest("a-very-much-longer-word", words.iter().map(String::as_str)).is_none())
        );
        assert!(advice.may_look_through(MOST / 2));
    }
}
