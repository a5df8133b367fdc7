//! What has compiled: only what is new is compiled, and a content type is evaluated again only when something that it may
//! require has changed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::value::RawValue;

use super::assemble::is_content_type;
use crate::program::closure::Closures;
use crate::program::identity::PartId;
use crate::program::{BlobId, CompileRequest, Program, Role, Script};
use crate::protocol::messages::{Compiled, ContentTypeInfo};

/// What has compiled, by path.
#[derive(Debug, Default)]
pub struct CompileCache {
    compiled: HashMap<Arc<str>, (BlobId, Role)>,
    evaluated: HashMap<Arc<str>, Evaluated>,
}

/// A content type.
#[derive(Debug)]
struct Evaluated {
    /// Identity of its file with all that it may require.
    closure: PartId,
    id: String,
    meta: Box<RawValue>,
}

impl CompileCache {
    /// What of a candidate is to be compiled. What failed is tried again: it may have been the machine that was too slow.
    pub fn request(&self, program: &Arc<Program>) -> CompileRequest {
        let mut closures = Closures::of(program);
        let mut is_new = |script: &Script, index: u32| {
            let known = self.compiled.get(&script.path) == Some(&(script.source.blob(), script.role));
            if known && is_content_type(script) {
                return self.evaluated.get(&script.path).map(|one| one.closure) != Some(closures.part(index));
            }
            !known && script.role != Role::Json
        };
        let scripts = program.scripts.iter().zip(0..);
        let only = scripts.filter(|(script, index)| is_new(script, *index)).map(|(_, index)| index).collect();
        CompileRequest { program: Arc::clone(program), only }
    }

    /// Takes in what came of a request, and adds what is known of content types that were not evaluated again.
    pub fn complete(&mut self, program: &Program, mut compiled: Compiled) -> Compiled {
        let failed: HashSet<u32> = compiled.failures.iter().map(|failure| failure.script).collect();
        let answered: HashMap<u32, usize> =
            compiled.content_types.iter().zip(0..).map(|(info, place)| (info.script, place)).collect();
        let mut closures = Closures::of(program);
        for (script, index) in program.scripts.iter().zip(0..) {
            if failed.contains(&index) {
                self.compiled.remove(&script.path);
                continue;
            }
            let known = (script.source.blob(), script.role);
            if self.compiled.get(&script.path) != Some(&known) {
                self.compiled.insert(Arc::clone(&script.path), known);
            }
            if !is_content_type(script) {
                continue;
            }
            match answered.get(&index).and_then(|place| compiled.content_types.get(*place)) {
                Some(info) => {
                    let (id, meta) = (info.id.clone(), info.meta.clone());
                    let one = Evaluated { closure: closures.part(index), id, meta };
                    self.evaluated.insert(Arc::clone(&script.path), one);
                }
                None => {
                    let known = self.evaluated.get(&script.path);
                    compiled.content_types.extend(known.map(|one| ContentTypeInfo {
                        script: index,
                        id: one.id.clone(),
                        meta: one.meta.clone(),
                    }));
                }
            }
        }
        self.forget(program);
        compiled
    }

    /// Forgets files that are gone, when they have become many.
    fn forget(&mut self, program: &Program) {
        if self.compiled.len() > 2 * program.scripts.len() {
            let paths: HashSet<&str> = program.scripts.iter().map(|script| &*script.path).collect();
            self.compiled.retain(|path, _| paths.contains(&**path));
            self.evaluated.retain(|path, _| paths.contains(&**path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;
    use crate::reload::candidate::tests::compile;
    use crate::reload::testing::{reader, workspace, write};

    const FILES: &[(&str, &str)] = &[
        ("content-types/a.js", "require('lib'); module.exports = { id: 'a' }"),
        ("content-types/b.js", "module.exports = { id: 'b' }"),
        ("hooks/before_incoming_middleware/x.js", "require('other')"),
        ("libraries/lib.js", "require('./deep')"),
        ("libraries/deep.js", ""),
        ("libraries/other.js", ""),
        ("bots/m/bot.config.json", "{}"),
    ];

    fn paths(request: &CompileRequest) -> Vec<&str> {
        let mut paths: Vec<&str> =
            request.only.iter().map(|index| &*request.program.scripts[*index as usize].path).collect();
        paths.sort_unstable();
        paths
    }

    /// What a worker answers that compiles nothing but what it is asked to.
    fn answer(request: &CompileRequest) -> Compiled {
        let mut compiled = compile(&request.program);
        compiled.content_types.retain(|info| request.only.contains(&info.script));
        compiled.failures.retain(|failure| request.only.contains(&failure.script));
        compiled
    }

    #[test]
    fn only_what_is_new_is_compiled_and_content_types_with_what_they_require() {
        let root = workspace(FILES);
        let mut reader = reader(root.path(), &[]);
        let mut cache = CompileCache::default();
        let mut save = |path: &str, text: &str| {
            write(root.path(), path, text);
            let program = reader.read(&Settings::default()).program;
            let request = cache.request(&program);
            let compiled = cache.complete(&program, answer(&request));
            let mut types: Vec<String> = compiled.content_types.iter().map(|info| info.id.clone()).collect();
            types.sort();
            assert_eq!(types, ["a", "b"], "{path}");
            paths(&request).join(" ")
        };
        assert_eq!(save(FILES[4].0, "").split(' ').count(), 6);
        assert_eq!(
            save("hooks/before_incoming_middleware/x.js", "require('other') // 2"),
            "hooks/before_incoming_middleware/x.js"
        );
        assert_eq!(save("bots/m/bot.config.json", r#"{ "name": "M" }"#), "");
        assert_eq!(save("libraries/other.js", "1"), "libraries/other.js");
        assert_eq!(save("libraries/deep.js", "1"), "content-types/a.js libraries/deep.js");
        assert_eq!(save("content-types/b.js", "module.exports = { id: 'b' } // 2"), "content-types/b.js");
    }

    #[test]
    fn what_failed_is_compiled_again() {
        let root = workspace(&[("actions/x.js", "fail()"), ("content-types/t.js", "fail()")]);
        let program = reader(root.path(), &[]).read(&Settings::default()).program;
        let mut cache = CompileCache::default();
        for _ in 0..2 {
            let request = cache.request(&program);
            assert_eq!(paths(&request), ["actions/x.js", "content-types/t.js"]);
            let compiled = cache.complete(&program, answer(&request));
            assert_eq!((compiled.failures.len(), compiled.content_types.len()), (2, 0));
        }
    }
}
