//! `nudge types`: TypeScript declarations of what scripts see, for editors and for `tsc --checkJs`.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use crate::cli::output;
use crate::program::{HOOK_KINDS, HookKind};
use crate::sdk::{ACTION_ARGUMENTS, ARGUMENTS, MEMBERS, Member, TYPES};

/// Print TypeScript declarations of what scripts see: `bp`, the event, the arguments of hooks and actions.
#[derive(Debug, Args)]
pub(super) struct TypesArgs {
    /// Write them to this file instead, such as `bp.d.ts` in the workspace.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Prints them, or writes them to a file.
pub(super) fn run(args: &TypesArgs) -> anyhow::Result<()> {
    let text = declarations();
    match &args.out {
        None => output::line(format_args!("{}", text.trim_end())),
        Some(path) => {
            std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
            output::line(format_args!("wrote {}", path.display()));
        }
    }
    Ok(())
}

const HEAD: &str = "\
// What scripts see, for editors and type checkers. Made by `nudge types`; make it anew instead of editing it.
//
// Save it as bp.d.ts in the workspace, with this jsconfig.json beside it:
//
//   {
//     \"compilerOptions\": { \"target\": \"es2022\", \"lib\": [\"es2022\"], \"module\": \"esnext\", \"moduleDetection\": \"force\", \"types\": [] },
//     \"include\": [\"bp.d.ts\", \"hooks\", \"actions\", \"content-types\", \"bots/*/hooks\", \"bots/*/actions\"]
//   }
//
// and `// @ts-check` on the first line of a script that is to be checked.
";

/// The whole file.
fn declarations() -> String {
    let mut out = format!("{HEAD}\n{}\n\n// `bp`.\n", TYPES.trim_end());
    let mut namespaces: Vec<&str> = Vec::new();
    for member in MEMBERS {
        if !namespaces.contains(&member.namespace) {
            namespaces.push(member.namespace);
        }
    }
    // Writing to a string cannot fail.
    for namespace in &namespaces {
        let _ = writeln!(out, "\ninterface {} {{", interface(namespace));
        for member in MEMBERS.iter().filter(|member| member.namespace == *namespace) {
            let _ = writeln!(out, "  /** {} */\n  {}", member.doc, declaration(member));
        }
        out.push_str("}\n");
    }
    out.push_str("\ninterface Bp extends BpConstants {\n");
    for namespace in &namespaces {
        let _ = writeln!(out, "  readonly {namespace}: {}", interface(namespace));
    }
    out.push_str("}\n\n// What each kind of hook has in scope.\n\ndeclare namespace hooks {\n");
    for row in &HOOK_KINDS {
        let later = if row.called { "" } else { " Not called by this version yet." };
        let _ = writeln!(out, "  /** {}.{later} */\n  interface {} {{", row.when, row.folder);
        for name in row.args {
            let _ = writeln!(out, "    {name}: {}", type_of(name, row.kind));
        }
        out.push_str("  }\n");
    }
    out.push_str("}\n");
    globals(&mut out);
    out
}

/// The arguments of the kinds that are called, as globals: TypeScript cannot tell by its folder what a file has in scope.
fn globals(out: &mut String) {
    let called: Vec<_> = HOOK_KINDS.iter().filter(|row| row.called).collect();
    for (name, kind) in ARGUMENTS {
        let with: Vec<&str> = called.iter().filter(|row| row.args.contains(name)).map(|row| row.folder).collect();
        if with.is_empty() {
            continue;
        }
        let hooks = if with.len() == called.len() { "every hook".to_owned() } else { with.join(", ") };
        let actions = if ACTION_ARGUMENTS.contains(&(name, kind)) { ", and in actions" } else { "" };
        let scope = format!("In {hooks}{actions}.");
        let note = if *name == "event" { " Before outgoing middleware it is an `OutgoingEvent`." } else { "" };
        let _ = writeln!(out, "\n/** {scope}{note} */\ndeclare const {name}: {kind}");
    }
    for (name, kind) in ACTION_ARGUMENTS.iter().filter(|argument| !ARGUMENTS.contains(argument)) {
        let _ = writeln!(out, "\n/** In actions. */\ndeclare const {name}: {kind}");
    }
}

/// `BpEvents` for `events`.
fn interface(namespace: &str) -> String {
    let mut letters = namespace.chars();
    let first = letters.next().map_or(String::new(), |letter| letter.to_uppercase().to_string());
    format!("Bp{first}{}", letters.as_str())
}

fn declaration(member: &Member) -> String {
    format!("{}{}", member.name, member.signature)
}

fn type_of(argument: &str, kind: HookKind) -> &'static str {
    if argument == "event" && kind == HookKind::BeforeOutgoingMiddleware {
        return "OutgoingEvent";
    }
    ARGUMENTS.iter().find(|(name, _)| *name == argument).map_or("any", |(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_declarations_are_as_expected_and_typescript() {
        let text = declarations();
        expect_test::expect_file!["../../tests/golden/bp.d.ts"].assert_eq(&text);
        let allocator = oxc_allocator::Allocator::default();
        let parsed = oxc_parser::Parser::new(&allocator, &text, oxc_span::SourceType::d_ts()).parse();
        let errors: Vec<String> = parsed.diagnostics.errors().map(|error| error.message.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
    }

    #[test]
    fn every_type_that_a_signature_names_is_declared() {
        let text = declarations();
        let known = ["Promise", "Map", "Error", "T", "Partial", "Pick", "Uint8Array", "ArrayBuffer"];
        let signatures = MEMBERS.iter().map(|member| member.signature).chain(ARGUMENTS.iter().map(|(_, kind)| *kind));
        for signature in signatures {
            let words = signature.split(|c: char| !c.is_ascii_alphanumeric());
            for name in words.filter(|word| word.starts_with(|c: char| c.is_ascii_uppercase())) {
                let declared = ["interface", "type", "class"].map(|what| format!("{what} {name} "));
                assert!(
                    known.contains(&name) || declared.iter().any(|text_of| text.contains(text_of.as_str())),
                    "{name} in {signature}"
                );
            }
        }
    }
}
