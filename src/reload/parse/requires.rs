//! The literal `require`s of a script: what they name, where they stand, and whether they run whenever the script does.

use oxc_ast::ast::{
    ArrowFunctionExpression, CallExpression, ConditionalExpression, Expression, Function, FunctionBody,
    IdentifierReference, IfStatement, LogicalExpression, SwitchStatement, TryStatement,
};
use oxc_ast_visit::{Visit, walk};
use oxc_semantic::{ScopeFlags, Scoping};

/// What a literal `require` means for the script where it finds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reload) enum When {
    /// It runs whenever the script does.
    Always,
    /// It runs under some condition, or when a function is called.
    Perhaps,
    /// The script is prepared for its failing.
    Tried,
}

/// Where the first `require` of a name stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reload) struct RequireSite {
    /// Its offset into the source.
    pub(in crate::reload) offset: usize,
    pub(in crate::reload) when: When,
}

/// What a script requires.
pub(super) struct Requires<'s> {
    scoping: &'s Scoping,
    /// What stands before the source in the text.
    prefix: usize,
    when: When,
    pub(super) named: Vec<(String, RequireSite)>,
    /// There is a `require` of something that is no literal.
    pub(super) computed: bool,
}

impl<'s> Requires<'s> {
    pub(super) fn of(body: &FunctionBody<'_>, scoping: &'s Scoping, prefix: usize) -> Self {
        let mut requires = Self { scoping, prefix, when: When::Always, named: Vec::new(), computed: false };
        walk::walk_function_body(&mut requires, body);
        requires
    }

    fn is_free(&self, identifier: &IdentifierReference<'_>) -> bool {
        let reference = identifier.reference_id.get().map(|id| self.scoping.get_reference(id));
        reference.is_none_or(|reference| reference.symbol_id().is_none())
    }

    /// Looks at a part that runs only then. What is tried stays so, however deep it lies.
    fn within(&mut self, when: When, look: impl FnOnce(&mut Self)) {
        let before = self.when;
        if before != When::Tried {
            self.when = when;
        }
        look(self);
        self.when = before;
    }
}

impl<'a> Visit<'a> for Requires<'_> {
    fn visit_call_expression(&mut self, call: &CallExpression<'a>) {
        if let Expression::Identifier(callee) = &call.callee
            && callee.name == "require"
            && self.is_free(callee)
            && let Some(argument) = call.arguments.first().and_then(|argument| argument.as_expression())
        {
            let name = match argument {
                Expression::StringLiteral(literal) => Some(literal.value.to_string()),
                Expression::TemplateLiteral(literal) => literal.single_quasi().map(|quasi| quasi.to_string()),
                _ => None,
            };
            self.computed |= name.is_none();
            let site = RequireSite { offset: (call.span.start as usize).saturating_sub(self.prefix), when: self.when };
            if let Some(name) = name {
                match self.named.iter_mut().find(|(known, _)| *known == name) {
                    // One that always runs says most.
                    Some((_, known)) if site.when == When::Always && known.when != When::Always => *known = site,
                    Some(_) => {}
                    None => self.named.push((name, site)),
                }
            }
        }
        walk::walk_call_expression(self, call);
    }

    fn visit_function(&mut self, function: &Function<'a>, flags: ScopeFlags) {
        self.within(When::Perhaps, |look| walk::walk_function(look, function, flags));
    }

    fn visit_arrow_function_expression(&mut self, function: &ArrowFunctionExpression<'a>) {
        self.within(When::Perhaps, |look| walk::walk_arrow_function_expression(look, function));
    }

    fn visit_if_statement(&mut self, statement: &IfStatement<'a>) {
        self.within(When::Perhaps, |look| walk::walk_if_statement(look, statement));
    }

    fn visit_switch_statement(&mut self, statement: &SwitchStatement<'a>) {
        self.within(When::Perhaps, |look| walk::walk_switch_statement(look, statement));
    }

    fn visit_conditional_expression(&mut self, expression: &ConditionalExpression<'a>) {
        self.within(When::Perhaps, |look| walk::walk_conditional_expression(look, expression));
    }

    fn visit_logical_expression(&mut self, expression: &LogicalExpression<'a>) {
        self.within(When::Perhaps, |look| walk::walk_logical_expression(look, expression));
    }

    fn visit_try_statement(&mut self, statement: &TryStatement<'a>) {
        let guarded = if statement.handler.is_some() { When::Tried } else { self.when };
        self.within(guarded, |look| look.visit_block_statement(&statement.block));
        self.within(When::Perhaps, |look| {
            if let Some(handler) = &statement.handler {
                look.visit_catch_clause(handler);
            }
            if let Some(finalizer) = &statement.finalizer {
                look.visit_block_statement(finalizer);
            }
        });
    }
}
