//! Identities: the first 16 bytes of the SHA-256 of what they stand for. Equal identities, the same thing; so only what is
//! new need cross the wall, and only what has changed is made anew.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

macro_rules! identity {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// From bytes.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// As bytes.
            pub fn bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", u128::from_be_bytes(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
                let number = u128::from_str_radix(&text, 16).map_err(serde::de::Error::custom)?;
                Ok(Self(number.to_be_bytes()))
            }
        }

        impl From<Summing> for $name {
            fn from(sum: Summing) -> Self {
                Self(sum.finish())
            }
        }
    )+};
}

identity! {
    /// Identity of a text.
    BlobId,
    /// Identity of all that a bot runs.
    ImageKey,
    /// Identity of the modules that all bots share.
    LayerKey,
    /// Identity of some part of those.
    PartId,
}

impl BlobId {
    /// The identity of a text.
    pub fn of(text: &str) -> Self {
        Self(first_half(Sha256::digest(text.as_bytes()).as_slice()))
    }
}

/// What an identity is made of, one thing after the other: each is told from the next, so that no two sequences sum up to
/// the same bytes.
#[derive(Debug, Default)]
pub struct Summing(Vec<u8>);

impl Summing {
    /// Adds a text.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    /// Adds texts.
    pub fn texts(&mut self, texts: &[String]) -> &mut Self {
        self.number(texts.len() as u64);
        for text in texts {
            self.text(text);
        }
        self
    }

    /// Adds a number.
    pub fn number(&mut self, number: u64) -> &mut Self {
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }

    /// Adds positions.
    pub fn positions(&mut self, positions: impl ExactSizeIterator<Item = u32>) -> &mut Self {
        self.number(positions.len() as u64);
        for position in positions {
            self.0.extend_from_slice(&position.to_le_bytes());
        }
        self
    }

    /// Adds an identity.
    pub fn identity(&mut self, bytes: &[u8; 16]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn finish(self) -> [u8; 16] {
        first_half(Sha256::digest(&self.0).as_slice())
    }
}

fn first_half(digest: &[u8]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    half
}

/// A text with its identity, which is made out once.
#[derive(Clone)]
pub struct Source {
    text: Arc<str>,
    blob: BlobId,
}

impl Source {
    /// A text whose identity is known.
    pub fn known(text: Arc<str>, blob: BlobId) -> Self {
        Self { text, blob }
    }

    /// The text.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// Its identity.
    pub fn blob(&self) -> BlobId {
        self.blob
    }
}

impl From<Arc<str>> for Source {
    fn from(text: Arc<str>) -> Self {
        let blob = BlobId::of(&text);
        Self { text, blob }
    }
}

impl From<&str> for Source {
    fn from(text: &str) -> Self {
        Arc::<str>::from(text).into()
    }
}

impl From<String> for Source {
    fn from(text: String) -> Self {
        Arc::<str>::from(text).into()
    }
}

impl Deref for Source {
    type Target = str;
    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        self.blob == other.blob
    }
}

impl Eq for Source {}

impl std::hash::Hash for Source {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.blob.hash(state);
    }
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Arc::<str>::deserialize(deserializer)?.into())
    }
}

/// What successive programs share as long as its files stay the same, with its identity. Changing it makes a copy, whose
/// identity is that of its JSON.
#[derive(Debug, Default)]
pub struct Shared<T> {
    value: Arc<T>,
    part: Option<PartId>,
}

impl<T> Shared<T> {
    /// Something of a known identity.
    pub fn new(value: T, part: PartId) -> Self {
        Self { value: Arc::new(value), part: Some(part) }
    }

    /// Whether both are the same object.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.value, &other.value)
    }

    /// Where the object is: it is the same as another one's as long as both are there and are the same.
    pub fn address(&self) -> usize {
        Arc::as_ptr(&self.value).addr()
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), part: self.part }
    }
}

impl<T: PartialEq> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        self.is(other) || *self.value == *other.value
    }
}

impl<T: Serialize> Shared<T> {
    /// Its identity.
    pub fn part(&self) -> PartId {
        self.part.unwrap_or_else(|| {
            let mut sum = Summing::default();
            // What cannot be written has no reader either.
            sum.text(&serde_json::to_string(&*self.value).unwrap_or_default());
            sum.into()
        })
    }
}

impl<T> From<T> for Shared<T> {
    fn from(value: T) -> Self {
        Self { value: Arc::new(value), part: None }
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Clone> DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.part = None;
        Arc::make_mut(&mut self.value)
    }
}

impl<T: Serialize> Serialize for Shared<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Shared<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(T::deserialize(deserializer)?.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_hexadecimal_in_json_and_reads_back() {
        let blob = BlobId::of("abc");
        let json = serde_json::to_string(&blob).unwrap();
        assert_eq!(json, "\"ba7816bf8f01cfea414140de5dae2223\"");
        assert_eq!(serde_json::from_str::<BlobId>(&json).unwrap(), blob);
        assert!(serde_json::from_str::<BlobId>("\"x\"").is_err());
    }

    #[test]
    fn what_is_added_to_an_identity_is_told_from_what_follows() {
        let sum = |texts: &[&str]| {
            let mut sum = Summing::default();
            for text in texts {
                sum.text(text);
            }
            PartId::from(sum)
        };
        assert_ne!(sum(&["ab", "c"]), sum(&["a", "bc"]));
        assert_ne!(sum(&["a", ""]), sum(&["a"]));
        assert_eq!(sum(&["a", "b"]), sum(&["a", "b"]));
    }

    #[test]
    fn what_is_changed_has_another_identity() {
        let first: Shared<Vec<u32>> = vec![1].into();
        let mut second = first.clone();
        assert!(second.is(&first));
        second.push(2);
        assert_ne!(first.part(), second.part());
        assert_eq!(first.len(), 1);
        let mut sum = Summing::default();
        sum.number(7);
        let part = sum.into();
        let mut known = Shared::new(vec![1], part);
        assert_eq!(known.part(), part);
        known.push(2);
        assert_ne!(known.part(), part);
    }
}
