//! Whether a script is plain in two respects that spare its realm work after and before each event: it puts nothing on the
//! global object, and it only reads `bp`. Both are guesses on the safe side: what is in doubt is not plain.

use oxc_ast::ast::{
    BindingPattern, Class, ComputedMemberExpression, Expression, Function, FunctionBody, IdentifierReference,
    PropertyKey, SimpleAssignmentTarget, StaticMemberExpression, ThisExpression, UnaryExpression, UnaryOperator,
    VariableDeclarator,
};
use oxc_ast_visit::{Visit, walk};
use oxc_semantic::{ScopeFlags, Scoping};

use super::free::is_free;

/// Names by which the global object is reached, or code is made that reaches it.
const GLOBALS: [&str; 4] = ["Function", "eval", "global", "globalThis"];

pub(super) struct Plain {
    pub(super) no_globals: bool,
    pub(super) reads_bp: bool,
}

pub(super) fn look(body: &FunctionBody<'_>, scoping: &Scoping, strict: bool) -> Plain {
    let mut reader = Reader { scoping, strict, functions: 0, classes: 0, globals: false, read: 0, unclear: false };
    walk::walk_function_body(&mut reader, body);
    let uses = scoping.root_unresolved_references().iter().find(|(name, _)| name.as_str() == "bp");
    let uses = uses.map_or(0, |(_, references)| references.len());
    Plain { no_globals: !reader.globals, reads_bp: !reader.unclear && uses == reader.read }
}

struct Reader<'s> {
    scoping: &'s Scoping,
    strict: bool,
    /// How many functions there are around, less arrow functions, which have the `this` of what is around them.
    functions: u32,
    classes: u32,
    globals: bool,
    /// Members of `bp` that are read.
    read: usize,
    unclear: bool,
}

impl Reader<'_> {
    fn is_bp(&self, expression: &Expression<'_>) -> bool {
        matches!(expression, Expression::Identifier(identifier) if identifier.name == "bp" && is_free(identifier, self.scoping))
    }
}

impl<'a> Visit<'a> for Reader<'_> {
    fn visit_function(&mut self, function: &Function<'a>, flags: ScopeFlags) {
        self.functions += 1;
        walk::walk_function(self, function, flags);
        self.functions -= 1;
    }

    fn visit_class(&mut self, class: &Class<'a>) {
        self.classes += 1;
        walk::walk_class(self, class);
        self.classes -= 1;
    }

    fn visit_this_expression(&mut self, _: &ThisExpression) {
        // That of the file itself is what it exports; of a function that is called by its name alone it is the global object.
        self.globals |= !self.strict && self.functions > 0 && self.classes == 0;
    }

    fn visit_identifier_reference(&mut self, identifier: &IdentifierReference<'a>) {
        if is_free(identifier, self.scoping) {
            self.globals |= GLOBALS.contains(&identifier.name.as_str());
            self.unclear |= matches!(identifier.name.as_str(), "arguments" | "eval");
        }
    }

    fn visit_static_member_expression(&mut self, member: &StaticMemberExpression<'a>) {
        // Of a function it makes functions of texts.
        self.globals |= member.property.name == "constructor";
        self.read += usize::from(self.is_bp(&member.object));
        walk::walk_static_member_expression(self, member);
    }

    fn visit_computed_member_expression(&mut self, member: &ComputedMemberExpression<'a>) {
        self.globals |= matches!(&member.expression, Expression::StringLiteral(key) if key.value == "constructor");
        self.read += usize::from(self.is_bp(&member.object));
        walk::walk_computed_member_expression(self, member);
    }

    fn visit_property_key(&mut self, key: &PropertyKey<'a>) {
        // A class may have one of its own.
        self.globals |= self.classes == 0 && key.is_specific_static_name("constructor");
        walk::walk_property_key(self, key);
    }

    fn visit_variable_declarator(&mut self, declarator: &VariableDeclarator<'a>) {
        // `const { events, cms } = bp`
        if let (BindingPattern::ObjectPattern(pattern), Some(from)) = (&declarator.id, &declarator.init)
            && pattern.rest.is_none()
            && self.is_bp(from)
        {
            self.read += 1;
        }
        walk::walk_variable_declarator(self, declarator);
    }

    fn visit_simple_assignment_target(&mut self, target: &SimpleAssignmentTarget<'a>) {
        self.unclear |= target.as_member_expression().is_some_and(|member| self.is_bp(member.object()));
        walk::walk_simple_assignment_target(self, target);
    }

    fn visit_unary_expression(&mut self, unary: &UnaryExpression<'a>) {
        let member = unary.argument.as_member_expression();
        self.unclear |=
            unary.operator == UnaryOperator::Delete && member.is_some_and(|member| self.is_bp(member.object()));
        walk::walk_unary_expression(self, unary);
    }
}

#[cfg(test)]
mod tests {
    use crate::parsing::testing::parse;
    use crate::program::{HookKind, Role, Shape};

    fn shape(source: &str) -> Shape {
        parse("hooks/k/x.js", source, Role::Hook(HookKind::BeforeIncomingMiddleware)).unwrap().shape
    }

    /// Scripts of which something is known, and those of which it is not, although it might hold of some.
    fn sorts(known: impl Fn(&Shape) -> bool, plain: &[&str], doubtful: &[&str]) {
        for (sources, is) in [(plain, true), (doubtful, false)] {
            for source in sources {
                assert_eq!(known(&shape(source)), is, "{source}");
            }
        }
    }

    #[test]
    fn a_script_that_could_reach_the_global_object_is_not_taken_for_one_that_leaves_nothing_there() {
        let plain = [
            "",
            "found = 1",
            "this.x = 1; module.exports = () => { this.y = 2 }",
            "class A { constructor() { this.x = 1 } }\nnew A()",
            "function f() { return event.payload['global'] }",
            "'use strict'; function f() { this.x = 1 }",
            include_str!("../../../tests/snippets/3.js"),
        ];
        let doubtful = [
            "globalThis.x = 1",
            "const g = global; g.x = 1",
            "function f() { this.x = 1 } f()",
            "const o = { m() { return () => this } }",
            "eval('x = 1')",
            "new Function('x = 1')()",
            "(() => 1).constructor('x = 1')()",
            "(() => 1)['constructor']('x = 1')()",
            "const { constructor } = () => 1; constructor('x = 1')()",
        ];
        sorts(|shape| shape.no_globals, &plain, &doubtful);
    }

    #[test]
    fn a_script_that_changes_bp_or_hands_it_on_is_not_taken_for_one_that_reads_it() {
        let plain = [
            "",
            "bp.events.replyToEvent(event, [])",
            "const { cms, kvs: { get } } = bp; bp['logger'].info(bp?.kvs)",
            "bp.kvs.own = 1",
            "const f = (bp) => { bp.x = 1; return bp }",
            include_str!("../../../tests/snippets/3.js"),
        ];
        let doubtful = [
            "bp.x = 1",
            "bp['x'] += 1",
            "bp.x++",
            "delete bp.cms",
            "[bp.x] = [1]",
            "({ x: bp.x } = {})",
            "for (bp.x of [1]) ;",
            "help(bp)",
            "const b = bp",
            "const { ...all } = bp",
            "({ ...bp })",
            "module.exports = () => bp",
            "arguments[0].x = 1",
            "eval('bp.x = 1')",
            "bp = {}",
            "for (const key in bp) ;",
        ];
        sorts(|shape| shape.reads_bp, &plain, &doubtful);
    }
}
