//! Reads what the wrapper must know off a script, with oxc: syntax errors, top-level `await`, names assigned without
//! declaration, literal `require`s, and the mistakes worth a warning. The only part that knows oxc.

pub(super) mod expression;
mod free;
mod plain;
mod requires;

use oxc_allocator::Allocator;
use oxc_ast::ast::{
    AssignmentExpression, AssignmentTarget, Expression, FormalParameters, Function, FunctionBody,
    SimpleAssignmentTarget, Statement, UpdateExpression,
};
use oxc_ast_visit::{Visit, walk};
use oxc_diagnostics::OxcDiagnostic;
use oxc_parser::{ParseOptions, Parser};
use oxc_semantic::{Scoping, SemanticBuilder};
use oxc_span::{GetSpan, SourceType, Span};

use super::action_doc::action_doc;
use super::depth::refuse_nesting;
use super::names::{is_fixed, parameters};
use crate::config::{MOST_PROBLEMS, Problem, ReadLimits, at_most};
use crate::program::packages::es_module;
use crate::program::resolve::is_of_package;
use crate::program::{Require, Role, Shape};
use crate::reading::ScriptFacts;
use free::is_free;
use requires::Requires;

/// The wrapper that the file is read in, and its name: nothing that a script would call something.
const SYNC: &str = "function $nudge$wrapper(){";
const ASYNC: &str = "async function $nudge$wrapper(){";
/// Most errors named of one file.
const ERRORS: usize = 5;

/// Parses a script as the body of a function.
pub(super) fn parse(path: &str, source: &str, role: Role, limits: &ReadLimits) -> Result<ScriptFacts, Vec<Problem>> {
    refuse_nesting(path, source, limits)?;
    let refused = match parse_in(path, source, role, SYNC) {
        Ok(parsed) => return Ok(parsed),
        Err(refused) => refused,
    };
    // Only a file that speaks of `await` can be the better for an async wrapper.
    let refused = if source.contains("await") {
        match parse_in(path, source, role, ASYNC) {
            Ok(parsed) => return Ok(parsed),
            // The one that got further has understood the file better.
            Err(other) if other.first().map(|e| e.0) > refused.first().map(|e| e.0) => other,
            Err(_) => refused,
        }
    } else {
        refused
    };
    Err(describe(path, source, refused))
}

/// Errors with their offsets into the source, by offset.
type Refused = Vec<(usize, String)>;

fn parse_in(path: &str, source: &str, role: Role, prefix: &str) -> Result<ScriptFacts, Refused> {
    // A body on its own that is no function body would be one that closes the wrapper; the line feed keeps a last comment
    // from swallowing the end.
    let text = format!("{prefix}{source}\n}}");
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, &text, SourceType::script())
        .with_options(ParseOptions { preserve_parens: false, ..ParseOptions::default() })
        .parse();
    let place = |offset: usize| offset.saturating_sub(prefix.len()).min(source.trim_end().len());
    let mut refused = refused_by(parsed.diagnostics.errors(), place);
    if !refused.is_empty() || parsed.panicked {
        return Err(refused);
    }
    let function = match &parsed.program.body[..] {
        [Statement::FunctionDeclaration(function), ..] => function,
        _ => return Err(vec![(0, "not a function body".into())]),
    };
    let end = function.span.end as usize;
    if end != text.len() || parsed.program.body.len() != 1 {
        return Err(vec![(place(end.saturating_sub(1)), "unexpected `}`: it closes nothing".into())]);
    }
    let built = SemanticBuilder::new().with_check_syntax_error(true).build(&parsed.program);
    refused = refused_by(built.diagnostics.errors(), place);
    if !refused.is_empty() {
        return Err(refused);
    }
    let scoping = built.semantic.into_scoping();
    let mut read = read_off(path, source, role, function, &scoping, prefix);
    if role == Role::Action {
        let first = function.body.as_ref().and_then(|body| body.statements.first());
        let first = first.map_or(u32::MAX, |statement| statement.span().start);
        let comments: Vec<(u32, &str)> = parsed
            .program
            .comments
            .iter()
            .filter(|comment| comment.is_block())
            .filter_map(|comment| {
                Some((comment.span.start, comment.content_span().source_text(&text).strip_prefix('*')?))
            })
            .collect();
        let leads = comments.first().is_some_and(|(start, _)| *start < first);
        let texts = comments.iter().map(|(_, text)| *text);
        read.doc = Some(action_doc(texts, leads));
    }
    Ok(read)
}

fn refused_by<'a>(errors: impl Iterator<Item = &'a OxcDiagnostic>, place: impl Fn(usize) -> usize) -> Refused {
    let mut refused: Refused = errors
        .map(|error| {
            (place(error.labels.first().map_or(0, |label| label.offset() as usize)), error.message.to_string())
        })
        .collect();
    refused.sort();
    refused
}

fn read_off(
    path: &str,
    source: &str,
    role: Role,
    function: &Function<'_>,
    scoping: &Scoping,
    prefix: &str,
) -> ScriptFacts {
    let Some(body) = &function.body else { return ScriptFacts::default() };
    let given = parameters(role);
    let strict = body.directives.iter().any(|directive| directive.directive == "use strict");
    let mut redeclared: Vec<String> = scoping
        .get_bindings(function.scope_id())
        .iter()
        .filter(|(_, symbol)| {
            let flags = scoping.symbol_flags(**symbol);
            flags.is_block_scoped() && !flags.is_function() || flags.is_class()
        })
        .map(|(name, _)| name.to_string())
        .filter(|name| given.contains(&name.as_str()))
        .collect();
    redeclared.sort();
    let mut implicit: Vec<String> = scoping
        .root_unresolved_references()
        .iter()
        .filter(|(_, references)| {
            references.iter().any(|id| {
                let reference = scoping.get_reference(*id);
                // Strict code throws on such an assignment, and must go on doing so.
                reference.is_write() && !scoping.scope_flags(reference.scope_id()).is_strict_mode()
            })
        })
        .map(|(name, _)| name.to_string())
        .filter(|name| !given.contains(&name.as_str()) && !is_fixed(name))
        .collect();
    implicit.sort();
    let warnings = match role {
        Role::Hook(_) | Role::Action => warnings(path, source, prefix.len(), body, scoping),
        _ => Vec::new(),
    };
    // Where they lead is found out later, from the files that there are.
    let Requires { named, computed, .. } = Requires::of(body, scoping, prefix.len());
    let (names, sites): (Vec<_>, Vec<_>) = named.into_iter().unzip();
    let requires = names.into_iter().map(|name| Require { name, ..Require::default() }).collect();
    let plain = plain::look(body, scoping, strict);
    let shape = Shape {
        is_async: prefix == ASYNC,
        strict,
        implicit,
        redeclared,
        no_globals: plain.no_globals,
        reads_bp: plain.reads_bp,
        requires,
        computed,
    };
    ScriptFacts { text: None, shape, sites, warnings, doc: None }
}

/// What a hook or an action most likely does not mean. What stands before the source in the text is `prefix` bytes long.
fn warnings(path: &str, source: &str, prefix: usize, body: &FunctionBody<'_>, scoping: &Scoping) -> Vec<Problem> {
    let mut warnings = Vec::new();
    let at = |span: Span| (span.start as usize).saturating_sub(prefix);
    if let Some((name, span)) = never_called(&body.statements, scoping) {
        warnings.push(
            Problem::warning(path, format!("{name} is never called: this file does nothing"))
                .at(source, at(span))
                .help("keep only the body of the function; the file is the body of a function already"),
        );
    }
    let mut reader = Reader { scoping, kept_on_bp: Vec::new() };
    walk::walk_function_body(&mut reader, body);
    for (name, span) in reader.kept_on_bp {
        let warning = Problem::warning(path, format!("{name} lives only as long as this event"))
            .help("keep values with bp.kvs.set and bp.kvs.get");
        // The place of each costs a walk through the file.
        warnings.push(if warnings.len() < MOST_PROBLEMS { warning.at(source, at(span)) } else { warning });
    }
    at_most(path, warnings, "this file")
}

/// Collects what is read by walking the whole file.
struct Reader<'s> {
    scoping: &'s Scoping,
    kept_on_bp: Vec<(String, Span)>,
}

impl Reader<'_> {
    fn note_target(&mut self, target: Option<&SimpleAssignmentTarget<'_>>) {
        let Some(member) = target.and_then(|target| target.as_member_expression()) else { return };
        let first = member.static_property_name().map(ToOwned::to_owned);
        let (mut name, mut object) = (first, member.object());
        while let Some(inner) = object.as_member_expression() {
            name = inner.static_property_name().map(ToOwned::to_owned);
            object = inner.object();
        }
        if let Expression::Identifier(identifier) = object
            && identifier.name == "bp"
            && is_free(identifier, self.scoping)
        {
            let name = name.map_or_else(|| "a property of bp".to_owned(), |name| format!("bp.{name}"));
            self.kept_on_bp.push((name, member.span()));
        }
    }
}

impl<'a> Visit<'a> for Reader<'_> {
    fn visit_assignment_expression(&mut self, assignment: &AssignmentExpression<'a>) {
        self.note_target(AssignmentTarget::as_simple_assignment_target(&assignment.left));
        walk::walk_assignment_expression(self, assignment);
    }

    fn visit_update_expression(&mut self, update: &UpdateExpression<'a>) {
        self.note_target(Some(&update.argument));
        walk::walk_update_expression(self, update);
    }
}

/// A file that is nothing but one function that takes `bp` or `event` and that nobody calls.
fn never_called(statements: &[Statement<'_>], scoping: &Scoping) -> Option<(String, Span)> {
    let mut statements = statements.iter().filter(|statement| !matches!(statement, Statement::EmptyStatement(_)));
    let (only, None) = (statements.next()?, statements.next()) else { return None };
    let unused = |id: &oxc_ast::ast::BindingIdentifier<'_>| scoping.symbol_is_unused(id.symbol_id());
    match only {
        Statement::FunctionDeclaration(function) => {
            let id = function.id.as_ref().filter(|id| unused(id) && takes_arguments_of_a_hook(&function.params))?;
            Some((format!("the function \"{}\"", id.name), function.span))
        }
        Statement::VariableDeclaration(declaration) => {
            let [only] = &declaration.declarations[..] else { return None };
            let id = only.id.get_binding_identifier().filter(|id| unused(id))?;
            let params = function_params(only.init.as_ref()?)?;
            takes_arguments_of_a_hook(params).then(|| (format!("the function \"{}\"", id.name), declaration.span))
        }
        Statement::ExpressionStatement(statement) => {
            let params = function_params(&statement.expression)?;
            takes_arguments_of_a_hook(params).then(|| ("the function".to_owned(), statement.span))
        }
        _ => None,
    }
}

fn function_params<'e, 'a>(expression: &'e Expression<'a>) -> Option<&'e FormalParameters<'a>> {
    match expression {
        Expression::FunctionExpression(function) => Some(&function.params),
        Expression::ArrowFunctionExpression(function) => Some(&function.params),
        _ => None,
    }
}

fn takes_arguments_of_a_hook(params: &FormalParameters<'_>) -> bool {
    params
        .items
        .iter()
        .filter_map(|param| param.pattern.get_binding_identifier())
        .any(|id| matches!(id.name.as_str(), "bp" | "event"))
}

/// Syntax errors as problems, with help for the common reasons.
fn describe(path: &str, source: &str, refused: Refused) -> Vec<Problem> {
    // On its own the file may be named more to the point: "unexpected end" instead of a complaint about the wrapper.
    let allocator = Allocator::default();
    let bare = Parser::new(&allocator, source, SourceType::cjs()).parse();
    let plain = refused_by(bare.diagnostics.errors(), |offset| offset.min(source.trim_end().len()));
    let other = written_as_module(path, source);
    let other = other.or_else(|| if plain.is_empty() { None } else { written_in_typescript(path, source) });
    if let Some(problem) = other {
        return vec![problem];
    }
    let chosen = if plain.first().map(|e| e.0) >= refused.first().map(|e| e.0) { plain } else { refused };
    if chosen.is_empty() {
        return vec![Problem::error(path, "cannot be read as JavaScript")];
    }
    chosen
        .into_iter()
        .take(ERRORS)
        .map(|(offset, message)| Problem::error(path, in_words(&message, "the end of the file")).at(source, offset))
        .collect()
}

/// What the parser says as the rest of a sentence; `end` is what it calls `EOF`.
fn in_words(message: &str, end: &str) -> String {
    let mut message = message.trim_end_matches('.').replace("`EOF`", end);
    if let Some(first) = message.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    message
}

/// The folder of the package that a file belongs to.
fn package_of(path: &str) -> Option<&str> {
    if !is_of_package(path) {
        return None;
    }
    let start = path.rfind("node_modules/")? + "node_modules/".len();
    let parts = if path[start..].starts_with('@') { 2 } else { 1 };
    let length: usize = path[start..].split_inclusive('/').take(parts).map(str::len).sum();
    Some(path[..start + length].trim_end_matches('/'))
}

/// A file that is fine as an ES module: then that is what is wrong. Without module syntax it is a script with some other mistake.
fn written_as_module(path: &str, source: &str) -> Option<Problem> {
    let allocator = Allocator::default();
    let module = Parser::new(&allocator, source, SourceType::mjs()).parse();
    if module.diagnostics.has_errors() {
        return None;
    }
    let statement = module.program.body.iter().find(|statement| statement.is_module_declaration())?;
    let message = "this is an ES module; scripts are CommonJS";
    let problem = match package_of(path) {
        // Whoever requires it has an error of his own, unless he is prepared for its failing.
        Some(folder) => Problem::warning(path, message).help(es_module(folder)),
        None => Problem::error(path, message).help("use require('…') and module.exports instead of import and export"),
    };
    Some(problem.at(source, statement.span().start as usize))
}

/// A file that is no JavaScript, and fine as TypeScript.
fn written_in_typescript(path: &str, source: &str) -> Option<Problem> {
    let allocator = Allocator::default();
    if !Parser::new(&allocator, source, SourceType::mjs()).parse().diagnostics.has_errors() {
        return None;
    }
    let typed = Parser::new(&allocator, source, SourceType::ts()).parse();
    if typed.diagnostics.has_errors() {
        return None;
    }
    let problem = Problem::error(path, "this is TypeScript; scripts are JavaScript");
    Some(match &typed.program.body[..] {
        [Statement::FunctionDeclaration(function)] if takes_arguments_of_a_hook(&function.params) => problem
            .at(source, function.span.start as usize)
            .help("keep only the body of the function; the file is the body of a function already"),
        _ => problem.help("leave the types away, or compile the file first"),
    })
}

#[cfg(test)]
mod tests;
