//! No circles among modules, no long functions, one name for one thing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::syntax::Crate;
use super::{report, sources};

/// The longest function, in lines.
const LONGEST: usize = 70;

/// Top modules within which circles are known, each with its reason.
const CIRCLES: [(&str, &str); 0] = [];

/// Functions that are longer, each with its reason.
const LONG: [(&str, &str, &str); 0] = [];

/// Names that say so little that each may be given once.
const ONCE: [&str; 7] = ["Place", "Message", "Kind", "Inner", "Job", "Stage", "Conversation"];

/// Names among those that are given more often, with how often and the reason.
const MORE_OFTEN: [(&str, usize, &str); 0] = [];

/// All of `src/`, read once.
static ALL: LazyLock<Crate> = LazyLock::new(|| {
    let files = sources();
    Crate::read(files.iter().map(|file| (file.path.as_str(), file.text.as_str())))
});

fn top(module: &str) -> &str {
    module.split("::").next().unwrap_or_default()
}

#[test]
fn no_modules_use_each_other() {
    let mut faults = Vec::new();
    let mut met = BTreeSet::new();
    for circle in ALL.circles() {
        let tops: BTreeSet<&str> = circle.iter().map(|one| top(&one.from)).collect();
        if let [one] = tops.iter().collect::<Vec<_>>()[..]
            && let Some((known, _)) = CIRCLES.iter().find(|(known, _)| known == one)
        {
            met.insert(*known);
            continue;
        }
        faults.push(format!("{} modules use each other; move what they share to a module of its own:", {
            circle.iter().map(|one| &one.from).collect::<BTreeSet<_>>().len()
        }));
        faults.extend(circle.iter().map(|one| format!("    {} uses {} (line {})", one.from, one.to, one.line)));
    }
    for (known, reason) in CIRCLES {
        assert!(!reason.is_empty(), "{known} has no reason");
        if !met.contains(known) {
            faults.push(format!("{known} has no circle any more: take it off the list (tests/tidy/structure.rs)"));
        }
    }
    report(&faults);
}

#[test]
fn no_function_is_too_long() {
    let mut faults = Vec::new();
    let long: Vec<_> = ALL.functions.iter().filter(|function| function.lines > LONGEST).collect();
    for one in &long {
        if !LONG.iter().any(|(file, name, _)| *file == one.file && *name == one.name) {
            faults.push(format!(
                "src/{}: {} has {} lines; split it, {LONGEST} is the most",
                one.file, one.name, one.lines
            ));
        }
    }
    for (file, name, reason) in LONG {
        assert!(!reason.is_empty(), "{name} has no reason");
        if !long.iter().any(|one| one.file == file && one.name == name) {
            faults.push(format!(
                "src/{file}: {name} is not too long any more: take it off the list (tests/tidy/structure.rs)"
            ));
        }
    }
    report(&faults);
}

#[test]
fn a_name_that_says_little_is_given_once() {
    let mut files: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for one in ALL.types.iter().filter(|one| ONCE.contains(&one.name.as_str())) {
        files.entry(&one.name).or_default().push(&one.file);
    }
    let mut faults = Vec::new();
    for name in ONCE {
        let files = files.get(name).map_or(&[][..], Vec::as_slice);
        let known = MORE_OFTEN.iter().find(|(known, ..)| *known == name).map(|(_, count, _)| *count);
        if files.len() > known.unwrap_or(1) {
            faults.push(format!("{} types are called {name} ({}): say of what", files.len(), files.join(", ")));
        } else if let Some(known) = known.filter(|known| files.len() < *known) {
            let left = files.len();
            faults.push(format!(
                "{left} types are called {name}, not {known}: say so in the list (tests/tidy/structure.rs), or take it off \
                 if that is one"
            ));
        }
    }
    report(&faults);
}

#[test]
fn the_reader_of_this_test_sees_who_uses_whom() {
    let files = [
        ("a.rs", "mod one; mod two; #[cfg(test)] mod tests; pub use one::One; pub struct A; fn f() { two::g() }"),
        (
            "a/one.rs",
            "use super::two::Two as Other; pub(super) struct One(Other); mod tests { use super::*; use super::super::A; }",
        ),
        (
            "a/two.rs",
            "use crate::a::One; pub struct Two; pub fn g(_: &One) {}\n#[cfg(test)] mod tests { use super::super::A; }",
        ),
        ("a/tests.rs", "use super::A;"),
        ("b.rs", "use crate::a; use url::Url; fn f() { println!(\"{:?} {}\", a::A, Url::parse()); }"),
        ("c.rs", "pub fn long() {\n\n\n}"),
    ];
    let all = Crate::read(files.into_iter());
    let uses: Vec<String> = all.uses().iter().map(|one| format!("{} > {}", one.from, one.to)).collect();
    assert_eq!(uses, ["a > a::one", "a > a::two", "a::one > a", "a::one > a::two", "a::two > a::one", "b > a"]);
    let circles = all.circles();
    assert_eq!(circles.len(), 1);
    assert_eq!(circles[0].len(), 5);
    assert_eq!(all.functions.iter().map(|one| one.lines).max(), Some(4));
}
