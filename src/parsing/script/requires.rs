//! The literal `require`s of a script: what they name, where they stand, and whether they run whenever the script does.

use indexmap::IndexMap;
use oxc_ast::ast::{
    ArrowFunctionExpression, BreakStatement, CallExpression, ConditionalExpression, ContinueStatement,
    DoWhileStatement, Expression, ForInStatement, ForOfStatement, ForStatement, Function, FunctionBody, IfStatement,
    LabeledStatement, LogicalExpression, ReturnStatement, SwitchStatement, ThrowStatement, TryStatement,
    WhileStatement,
};
use oxc_ast_visit::{Visit, walk};
use oxc_semantic::{ScopeFlags, Scoping};

use super::free::is_free;
use crate::reading::{RequireSite, When};

/// What a script requires.
pub(super) struct Requires<'s> {
    scoping: &'s Scoping,
    /// What stands before the source in the text.
    prefix: usize,
    when: When,
    /// There was a `return` or `throw`: what follows may not be come to.
    returned: bool,
    /// The same of `break` and `continue`, within a loop.
    broken: bool,
    pub(super) named: IndexMap<String, RequireSite>,
    /// There is a `require` of something that is no literal.
    pub(super) computed: bool,
}

impl<'s> Requires<'s> {
    pub(super) fn of(body: &FunctionBody<'_>, scoping: &'s Scoping, prefix: usize) -> Self {
        let when = When::Always;
        let mut requires =
            Self { scoping, prefix, when, returned: false, broken: false, named: IndexMap::new(), computed: false };
        walk::walk_function_body(&mut requires, body);
        requires
    }

    /// When what is looked at now runs.
    fn now(&self) -> When {
        if self.when == When::Always && (self.returned || self.broken) { When::Perhaps } else { self.when }
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

    fn perhaps(&mut self, look: impl FnOnce(&mut Self)) {
        self.within(When::Perhaps, look);
    }

    /// Looks at what `break` and `continue` lead out of, and no further.
    fn breakable(&mut self, look: impl FnOnce(&mut Self)) {
        let before = self.broken;
        look(self);
        self.broken = before;
    }

    /// Looks at a function, which has its own `return`.
    fn function(&mut self, look: impl FnOnce(&mut Self)) {
        let before = (self.returned, self.broken);
        self.perhaps(look);
        (self.returned, self.broken) = before;
    }
}

impl<'a> Visit<'a> for Requires<'_> {
    fn visit_call_expression(&mut self, call: &CallExpression<'a>) {
        if let Expression::Identifier(callee) = &call.callee
            && callee.name == "require"
            && is_free(callee, self.scoping)
            && let Some(argument) = call.arguments.first().and_then(|argument| argument.as_expression())
        {
            let name = match argument {
                Expression::StringLiteral(literal) => Some(literal.value.to_string()),
                Expression::TemplateLiteral(literal) => literal.single_quasi().map(|quasi| quasi.to_string()),
                _ => None,
            };
            self.computed |= name.is_none();
            let site = RequireSite { offset: (call.span.start as usize).saturating_sub(self.prefix), when: self.now() };
            if let Some(name) = name {
                let known = self.named.entry(name).or_insert(site);
                // One that always runs says most.
                if site.when == When::Always && known.when != When::Always {
                    *known = site;
                }
            }
        }
        walk::walk_call_expression(self, call);
    }

    fn visit_function(&mut self, function: &Function<'a>, flags: ScopeFlags) {
        self.function(|look| walk::walk_function(look, function, flags));
    }

    fn visit_arrow_function_expression(&mut self, function: &ArrowFunctionExpression<'a>) {
        self.function(|look| walk::walk_arrow_function_expression(look, function));
    }

    fn visit_return_statement(&mut self, statement: &ReturnStatement<'a>) {
        walk::walk_return_statement(self, statement);
        self.returned = true;
    }

    fn visit_throw_statement(&mut self, statement: &ThrowStatement<'a>) {
        walk::walk_throw_statement(self, statement);
        // One that is caught leads no further than there.
        self.returned |= self.when != When::Tried;
    }

    fn visit_break_statement(&mut self, _: &BreakStatement<'a>) {
        self.broken = true;
    }

    fn visit_continue_statement(&mut self, _: &ContinueStatement<'a>) {
        self.broken = true;
    }

    fn visit_labeled_statement(&mut self, statement: &LabeledStatement<'a>) {
        self.breakable(|look| walk::walk_labeled_statement(look, statement));
    }

    fn visit_if_statement(&mut self, statement: &IfStatement<'a>) {
        self.visit_expression(&statement.test);
        self.perhaps(|look| {
            look.visit_statement(&statement.consequent);
            if let Some(alternate) = &statement.alternate {
                look.visit_statement(alternate);
            }
        });
    }

    fn visit_switch_statement(&mut self, statement: &SwitchStatement<'a>) {
        self.visit_expression(&statement.discriminant);
        self.breakable(|look| look.perhaps(|look| look.visit_switch_cases(&statement.cases)));
    }

    fn visit_while_statement(&mut self, statement: &WhileStatement<'a>) {
        self.visit_expression(&statement.test);
        self.breakable(|look| look.perhaps(|look| look.visit_statement(&statement.body)));
    }

    fn visit_do_while_statement(&mut self, statement: &DoWhileStatement<'a>) {
        self.breakable(|look| walk::walk_do_while_statement(look, statement));
    }

    fn visit_for_statement(&mut self, statement: &ForStatement<'a>) {
        if let Some(init) = &statement.init {
            self.visit_for_statement_init(init);
        }
        if let Some(test) = &statement.test {
            self.visit_expression(test);
        }
        self.breakable(|look| {
            look.perhaps(|look| {
                if let Some(update) = &statement.update {
                    look.visit_expression(update);
                }
                look.visit_statement(&statement.body);
            });
        });
    }

    fn visit_for_in_statement(&mut self, statement: &ForInStatement<'a>) {
        self.visit_expression(&statement.right);
        self.breakable(|look| look.perhaps(|look| look.visit_statement(&statement.body)));
    }

    fn visit_for_of_statement(&mut self, statement: &ForOfStatement<'a>) {
        self.visit_expression(&statement.right);
        self.breakable(|look| look.perhaps(|look| look.visit_statement(&statement.body)));
    }

    fn visit_conditional_expression(&mut self, expression: &ConditionalExpression<'a>) {
        self.visit_expression(&expression.test);
        self.perhaps(|look| {
            look.visit_expression(&expression.consequent);
            look.visit_expression(&expression.alternate);
        });
    }

    fn visit_logical_expression(&mut self, expression: &LogicalExpression<'a>) {
        self.visit_expression(&expression.left);
        self.perhaps(|look| look.visit_expression(&expression.right));
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

#[cfg(test)]
mod tests {
    use crate::parsing::testing::parse;
    use crate::program::{HookKind, Role};
    use crate::reading::When;

    #[test]
    fn what_always_runs_and_what_may_not_are_told_apart() {
        let when = |source: &str| {
            let parsed = parse("hooks/k/x.js", source, Role::Hook(HookKind::BeforeIncomingMiddleware)).unwrap();
            parsed.sites[0].when
        };
        for always in [
            "require('x')",
            "const x = require('x') || y",
            "if (require('x').y) z()",
            "const z = require('x') ? a : b",
            "switch (require('x')) {}",
            "while (require('x').more()) ;",
            "for (const one of require('x')) ;",
            "for (let i = require('x'); i; i--) ;",
            "do { require('x') } while (y)",
            "for (const a of b) { if (a) break }\nrequire('x')",
            "const f = () => { return 1 }\nrequire('x')",
            "try { throw 1 } catch {}\nrequire('x')",
            "return require('x')",
        ] {
            assert_eq!(when(always), When::Always, "{always}");
        }
        for perhaps in [
            "if (event.type !== 'text') return\nrequire('x')",
            "if (y) throw new Error('no')\nrequire('x')",
            "for (const a of b) { if (a) return }\nrequire('x')",
            "for (const a of b) require('x')",
            "for (const a in b) require('x')",
            "for (;a;) require('x')",
            "while (a) { require('x') }",
            "do { if (a) break; require('x') } while (y)",
            "if (y) require('x')",
            "y && require('x')",
            "y ? require('x') : 1",
            "switch (y) { case 1: require('x') }",
            "const f = () => require('x')",
        ] {
            assert_eq!(when(perhaps), When::Perhaps, "{perhaps}");
        }
        assert_eq!(when("if (y) return\ntry { require('x') } catch {}"), When::Tried);
    }
}
