//! Reads the sources as the compiler does: which module uses which, how long functions are, and what types are called.
//! Code of tests is left out.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

/// A place in the tree of modules: `["web", "realtime"]`.
pub(super) type ModulePath = Vec<String>;

/// All that was read.
#[derive(Default)]
pub(super) struct Crate {
    modules: BTreeMap<ModulePath, Module>,
    pub(super) functions: Vec<Function>,
    pub(super) types: Vec<Type>,
}

#[derive(Default)]
struct Module {
    /// What it names of other modules or of itself, as written, and the line.
    paths: Vec<(ModulePath, usize)>,
    /// What its `use` lines bring in, by the name that it has here.
    imports: BTreeMap<String, ModulePath>,
    children: BTreeSet<String>,
}

/// A function or method.
pub(super) struct Function {
    /// `web/serve.rs`.
    pub(super) file: String,
    pub(super) name: String,
    /// From the signature to the last brace.
    pub(super) lines: usize,
}

/// A struct, an enum, a trait or an alias.
pub(super) struct Type {
    pub(super) file: String,
    pub(super) name: String,
}

/// That one module names something of another.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Use {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) line: usize,
}

impl Crate {
    /// Reads files: their path in `src/` and their text.
    pub(super) fn read<'f>(files: impl Iterator<Item = (&'f str, &'f str)>) -> Self {
        let parsed: Vec<(&str, syn::File)> = files
            .filter(|(path, _)| !["main.rs", "lib.rs"].contains(path))
            .map(|(path, text)| (path, syn::parse_file(text).unwrap_or_else(|error| panic!("src/{path}: {error}"))))
            .collect();
        let mut tests = BTreeSet::new();
        for (path, file) in &parsed {
            for item in &file.items {
                if let syn::Item::Mod(child) = item
                    && is_test(&child.attrs)
                {
                    tests.insert(inside(&module_of(path), &child.ident.to_string()));
                }
            }
        }
        let mut all = Self::default();
        for (path, file) in &parsed {
            let module = module_of(path);
            if (1..=module.len()).any(|length| tests.contains(&module[..length])) {
                continue;
            }
            let mut reader = Reader { file: path, here: module.clone(), inner: Vec::new(), out: &mut all };
            reader.module();
            reader.visit_file(file);
        }
        let known: Vec<ModulePath> = all.modules.keys().cloned().collect();
        for path in known.iter().filter(|path| path.len() > 1) {
            if let Some((name, parent)) = path.split_last()
                && let Some(parent) = all.modules.get_mut(parent)
            {
                parent.children.insert(name.clone());
            }
        }
        all
    }

    /// Which module uses which other one, once for each pair. What a module passes on (`pub use`) is looked up where it is.
    pub(super) fn uses(&self) -> Vec<Use> {
        let mut found: BTreeMap<(String, String), usize> = BTreeMap::new();
        for (from, module) in &self.modules {
            for (path, line) in &module.paths {
                let Some(to) = self.absolute(from, path).and_then(|path| self.home(path)) else { continue };
                if to != *from {
                    found.entry((from.join("::"), to.join("::"))).or_insert(*line);
                }
            }
        }
        found.into_iter().map(|((from, to), line)| Use { from, to, line }).collect()
    }

    /// A path from the crate's root; `None` where it leads to another crate or to something of the module's own.
    fn absolute(&self, from: &ModulePath, path: &[String]) -> Option<ModulePath> {
        let (first, rest) = path.split_first()?;
        let module = &self.modules[from];
        let mut base = match first.as_str() {
            "crate" => Vec::new(),
            "self" => from.clone(),
            "super" => from[..from.len() - 1].to_vec(),
            name if module.children.contains(name) => inside(from, name),
            name => {
                let import = module.imports.get(name)?;
                // What is brought in by its own name, as `use url::Url`, is of another crate.
                if import[0] == *name { return None } else { self.absolute(from, import)? }
            }
        };
        let mut rest = rest;
        while let Some((first, after)) = rest.split_first()
            && first == "super"
        {
            base.pop();
            rest = after;
        }
        base.extend(rest.iter().cloned());
        Some(base)
    }

    /// The module in which something stands.
    fn home(&self, mut path: ModulePath) -> Option<ModulePath> {
        // A thing is passed on by a few modules at most.
        for _ in 0..8 {
            let length = (1..=path.len()).rev().find(|length| self.modules.contains_key(&path[..*length]))?;
            let (module, rest) = path.split_at(length);
            let module = module.to_vec();
            let Some(passed_on) = rest.first().and_then(|name| self.modules[&module].imports.get(name)) else {
                return Some(module);
            };
            let Some(mut further) = self.absolute(&module, passed_on) else { return Some(module) };
            further.extend(rest[1..].iter().cloned());
            path = further;
        }
        None
    }

    /// Modules that use each other, however far around: each group with the uses that hold it together.
    pub(super) fn circles(&self) -> Vec<Vec<Use>> {
        let uses = self.uses();
        let mut onward: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for one in &uses {
            onward.entry(&one.from).or_default().push(&one.to);
        }
        let reached: BTreeMap<&str, BTreeSet<&str>> = onward.keys().map(|from| (*from, reach(&onward, from))).collect();
        let both = |a: &str, b: &str| {
            let leads = |a: &str, b: &str| reached.get(a).is_some_and(|all| all.contains(b));
            leads(a, b) && leads(b, a)
        };
        let mut groups: BTreeMap<&str, Vec<Use>> = BTreeMap::new();
        for one in uses.iter().filter(|one| both(&one.from, &one.to)) {
            let name = reached[one.from.as_str()].iter().find(|other| both(&one.from, other));
            groups.entry(name.copied().unwrap_or_default()).or_default().push(one.clone());
        }
        groups.into_values().collect()
    }
}

fn reach<'a>(onward: &BTreeMap<&'a str, Vec<&'a str>>, from: &'a str) -> BTreeSet<&'a str> {
    let (mut found, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(at) = next.pop() {
        for to in onward.get(at).into_iter().flatten() {
            if found.insert(*to) {
                next.push(to);
            }
        }
    }
    found
}

/// Walks through one file.
struct Reader<'r> {
    file: &'r str,
    here: ModulePath,
    /// Modules within the file that the walk is in.
    inner: Vec<String>,
    out: &'r mut Crate,
}

impl Reader<'_> {
    fn module(&mut self) -> &mut Module {
        self.out.modules.entry(self.here.clone()).or_default()
    }

    /// Notes a path. `super` in a module within the file leads to the file's own.
    fn path(&mut self, mut path: ModulePath, line: usize) {
        for _ in 0..self.inner.len() {
            match path.first().map(String::as_str) {
                Some("super") => drop(path.remove(0)),
                Some("self") => return,
                _ => break,
            }
        }
        if path.len() > 1 || path.first().is_some_and(|first| first == "super") {
            self.module().paths.push((path, line));
        }
    }

    fn imports(&mut self, tree: &syn::UseTree, mut before: ModulePath, line: usize) {
        match tree {
            syn::UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.imports(&path.tree, before, line);
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.imports(tree, before.clone(), line);
                }
            }
            syn::UseTree::Glob(_) => self.path(before, line),
            syn::UseTree::Name(name) if name.ident == "self" => {
                let name = before.last().cloned().unwrap_or_default();
                self.import(name, before, line);
            }
            syn::UseTree::Name(name) => {
                self.import(name.ident.to_string(), inside(&before, &name.ident.to_string()), line)
            }
            syn::UseTree::Rename(rename) => {
                self.import(rename.rename.to_string(), inside(&before, &rename.ident.to_string()), line);
            }
        }
    }

    fn import(&mut self, name: String, path: ModulePath, line: usize) {
        if self.inner.is_empty() {
            self.module().imports.insert(name, path.clone());
        }
        self.path(path, line);
    }

    fn function(&mut self, name: &syn::Ident, from: &impl syn::spanned::Spanned, to: &syn::Block) {
        let lines = to.span().end().line + 1 - from.span().start().line;
        self.out.functions.push(Function { file: self.file.to_owned(), name: name.to_string(), lines });
    }

    fn named(&mut self, name: &syn::Ident) {
        self.out.types.push(Type { file: self.file.to_owned(), name: name.to_string() });
    }

    /// Paths in what is given to a macro, which the parser leaves as it is.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path = ModulePath::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(word) => {
                    if colons != 2 {
                        self.path(std::mem::take(&mut path), word.span().start().line);
                    }
                    path.push(word.to_string());
                    colons = 0;
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' => colons += 1,
                other => {
                    self.path(std::mem::take(&mut path), other.span().start().line);
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.path(path, 0);
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes = match item {
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            _ => &Vec::new(),
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if is_test(&item.attrs) {
            return;
        }
        if item.content.is_some() {
            self.inner.push(item.ident.to_string());
            visit::visit_item_mod(self, item);
            self.inner.pop();
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.imports(&item.tree, Vec::new(), item.span().start().line);
    }

    // `pub(super)` uses nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.path(names, path.span().start().line);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.tokens(item.tokens.clone());
        visit::visit_macro(self, item);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig.ident, &item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_test(&item.attrs) {
            self.function(&item.sig.ident, &item.sig, &item.block);
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.named(&item.ident);
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.named(&item.ident);
        visit::visit_item_enum(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.named(&item.ident);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.named(&item.ident);
        visit::visit_item_type(self, item);
    }
}

/// `["web", "realtime"]` of `web/realtime.rs`.
fn module_of(path: &str) -> ModulePath {
    path.trim_end_matches(".rs").split('/').map(ToOwned::to_owned).collect()
}

fn inside(module: &[String], name: &str) -> ModulePath {
    let mut path = module.to_vec();
    path.push(name.to_owned());
    path
}

/// Whether something is there in tests alone.
fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) => attribute.path().is_ident("cfg") && list.tokens.to_string() == "test",
        other => other.path().is_ident("test"),
    })
}
