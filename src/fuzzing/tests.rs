//! Every committed input of every target runs in the ordinary test run: what fuzzing has found stays found.

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use super::{TARGETS, run};

/// Folders of `fuzz/`, each with one folder for each target: inputs made by hand, and what was found.
const FOLDERS: [&str; 2] = ["corpus", "findings"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

#[test]
fn what_holds_for_any_bytes_holds_for_all_inputs_that_are_committed() {
    for (target, _) in TARGETS {
        let mut count = 0;
        for kind in FOLDERS {
            let Ok(inputs) = fs::read_dir(folder().join(kind).join(target)) else { continue };
            let mut inputs: Vec<PathBuf> = inputs.map(|input| input.unwrap().path()).collect();
            inputs.sort();
            for input in inputs {
                let bytes = fs::read(&input).unwrap();
                let held = catch_unwind(|| run(target, &bytes));
                assert!(held.is_ok(), "{} does not hold: make fuzz TARGET={target} INPUT={0}", input.display());
                count += 1;
            }
        }
        assert!(count >= 5, "{target}: fuzz/corpus/{target} has only {count} inputs");
    }
}

#[test]
fn every_target_has_its_program_and_nothing_else_has_one() {
    let known: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let manifest = fs::read_to_string(folder().join("Cargo.toml")).unwrap();
    let named = manifest.split("[[bin]]").skip(1).filter_map(|bin| bin.split('"').nth(1).map(ToOwned::to_owned));
    assert_eq!(named.collect::<BTreeSet<_>>(), known, "fuzz/Cargo.toml");
    for kind in FOLDERS {
        let names = fs::read_dir(folder().join(kind)).into_iter().flatten();
        for name in names.map(|entry| entry.unwrap().file_name().into_string().unwrap()) {
            assert!(known.contains(&name), "fuzz/{kind}/{name}: there is no such target");
        }
    }
    for name in &known {
        let program = fs::read_to_string(folder().join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(program.contains(&format!("run(\"{name}\", bytes)")), "fuzz/fuzz_targets/{name}.rs");
    }
}
