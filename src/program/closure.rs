//! Scripts together with all that they may require: whether anything has changed that a script sees.

use std::borrow::Cow;
use std::collections::HashMap;

use super::identity::{PartId, Summing};
use super::resolve::bot_of;
use super::workspace::{Program, Role};

/// The identities of a program's scripts with all that they may require, made out when they are asked for, each once.
#[derive(Debug)]
pub struct Closures<'p> {
    program: &'p Program,
    modules: HashMap<&'p str, u32>,
    known: HashMap<u32, PartId>,
    /// All modules that a computed name may lead to, by bot; those of no bot under the empty name.
    reach: Option<HashMap<Cow<'p, str>, PartId>>,
}

/// A script whose requires are being followed.
#[derive(Debug)]
struct Open {
    /// Position among the scripts that are open or belong to one that is.
    order: usize,
    /// The lowest such position that it leads back to.
    lowest: usize,
    requires: Vec<u32>,
    next: usize,
}

impl<'p> Closures<'p> {
    /// Of a program's scripts.
    pub fn of(program: &'p Program) -> Self {
        let modules = program.scripts.iter().zip(0..).filter(|(script, _)| is_module(script.role));
        let modules = modules.map(|(script, index)| (&*script.path, index)).collect();
        Self { program, modules, known: HashMap::new(), reach: None }
    }

    /// The identity of a script and all that it may require. Modules that require each other have one identity: this is
    /// Tarjan's way to find them, without recursion.
    pub fn part(&mut self, script: u32) -> PartId {
        let mut members: Vec<u32> = Vec::new();
        let mut orders: HashMap<u32, usize> = HashMap::new();
        let mut open: Vec<Open> = Vec::new();
        let mut enter = Some(script).filter(|script| !self.known.contains_key(script));
        loop {
            if let Some(script) = enter.take() {
                let order = members.len();
                members.push(script);
                orders.insert(script, order);
                open.push(Open { order, lowest: order, requires: self.requires(script), next: 0 });
            }
            let Some(top) = open.last_mut() else { break };
            if let Some(required) = top.requires.get(top.next).copied() {
                top.next += 1;
                match orders.get(&required) {
                    Some(order) => top.lowest = top.lowest.min(*order),
                    None if self.known.contains_key(&required) => {}
                    None => enter = Some(required),
                }
                continue;
            }
            let Some(done) = open.pop() else { break };
            if let Some(below) = open.last_mut() {
                below.lowest = below.lowest.min(done.lowest);
            }
            if done.lowest == done.order {
                let circle = members.split_off(done.order);
                for member in &circle {
                    orders.remove(member);
                }
                self.close(&circle);
            }
        }
        self.known.get(&script).copied().unwrap_or_else(|| Summing::default().into())
    }

    /// Modules that lead to each other, everything else that they lead to being known.
    fn close(&mut self, circle: &[u32]) {
        let mut own = Vec::new();
        let mut others = Vec::new();
        for member in circle {
            let Some(script) = self.program.scripts.get(*member as usize) else { continue };
            own.push((&script.path, script.source.blob()));
            others.extend(self.requires(*member).iter().filter_map(|required| self.known.get(required)).copied());
            if script.shape.computed {
                others.extend(self.reach(&script.path));
            }
        }
        own.sort_unstable();
        others.sort_unstable();
        others.dedup();
        let mut sum = Summing::default();
        sum.number(own.len() as u64);
        for (path, blob) in own {
            sum.text(path).identity(blob.bytes());
        }
        for other in others {
            sum.identity(other.bytes());
        }
        let part = PartId::from(sum);
        self.known.extend(circle.iter().map(|member| (*member, part)));
    }

    fn requires(&self, script: u32) -> Vec<u32> {
        let Some(script) = self.program.scripts.get(script as usize) else { return Vec::new() };
        let files = script.shape.requires.iter().flat_map(|require| require.manifest.iter().chain(&require.file));
        files.filter_map(|file| self.modules.get(&**file).copied()).collect()
    }

    /// All modules that a name which is computed may lead to.
    fn reach(&mut self, from: &'p str) -> Vec<PartId> {
        let program = self.program;
        let reach = self.reach.get_or_insert_with(|| {
            let mut modules: Vec<_> = program.scripts.iter().filter(|script| is_module(script.role)).collect();
            modules.sort_unstable_by(|a, b| a.path.cmp(&b.path));
            let mut sums: HashMap<Cow<'p, str>, Summing> = HashMap::new();
            for script in modules {
                let bot = bot_of(&script.path).unwrap_or_default();
                sums.entry(bot).or_default().text(&script.path).identity(script.source.blob().bytes());
            }
            sums.into_iter().map(|(bot, sum)| (bot, sum.into())).collect()
        });
        let own = bot_of(from).and_then(|bot| reach.get(&bot).copied());
        own.into_iter().chain(reach.get("").copied()).collect()
    }
}

fn is_module(role: Role) -> bool {
    matches!(role, Role::Module | Role::Json)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::program::{Require, Script, Shape};

    /// Files that require other files by their paths; `*` is a name that is computed.
    fn program(files: &[(&str, &str, &[&str])]) -> Program {
        let script = |(path, source, requires): &(&str, &str, &[&str])| {
            let require = |file: &&str| Require { name: (*file).into(), file: Some((*file).into()), manifest: None };
            let literal = requires.iter().filter(|file| **file != "*").map(require).collect();
            let shape = Shape { requires: literal, computed: requires.contains(&"*"), ..Shape::default() };
            Arc::new(Script { path: (*path).into(), source: (*source).into(), role: Role::Module, shape })
        };
        Program { scripts: files.iter().map(script).collect(), ..Program::default() }
    }

    /// Which files have another identity when one has another text.
    fn changed(files: &[(&str, &str, &[&str])], path: &str) -> Vec<String> {
        let other: Vec<_> =
            files.iter().map(|one| if one.0 == path { (one.0, "other", one.2) } else { *one }).collect();
        let (before, after) = (program(files), program(&other));
        let (mut old, mut new) = (Closures::of(&before), Closures::of(&after));
        let differs = (0..).zip(files).filter(|(index, _)| old.part(*index) != new.part(*index));
        differs.map(|(_, file)| file.0.to_owned()).collect()
    }

    #[test]
    fn a_script_changes_with_what_it_may_require_and_with_nothing_else() {
        let files: &[(&str, &str, &[&str])] = &[
            ("a", "", &["b", "c"]),
            ("b", "", &["d"]),
            ("c", "", &["d", "gone"]),
            ("d", "", &["e"]),
            // Two that require each other.
            ("e", "", &["f"]),
            ("f", "", &["e", "g"]),
            ("g", "", &[]),
            ("alone", "", &[]),
            ("h", "", &["f"]),
        ];
        assert_eq!(changed(files, "g"), ["a", "b", "c", "d", "e", "f", "g", "h"]);
        assert_eq!(changed(files, "e"), ["a", "b", "c", "d", "e", "f", "h"]);
        assert_eq!(changed(files, "b"), ["a", "b"]);
        assert_eq!(changed(files, "alone"), ["alone"]);
        let turned: Vec<_> = files.iter().rev().copied().collect();
        assert_eq!(changed(&turned, "g"), ["h", "g", "f", "e", "d", "c", "b", "a"]);
    }

    #[test]
    fn a_computed_name_may_lead_to_every_module_but_those_of_other_bots() {
        let files: &[(&str, &str, &[&str])] =
            &[("bots/a/x", "", &["*"]), ("bots/a/y", "", &[]), ("bots/b/x", "", &[]), ("lib", "", &[])];
        assert_eq!(changed(files, "bots/a/y"), ["bots/a/x", "bots/a/y"]);
        assert_eq!(changed(files, "lib"), ["bots/a/x", "lib"]);
        assert_eq!(changed(files, "bots/b/x"), ["bots/b/x"]);
    }
}
