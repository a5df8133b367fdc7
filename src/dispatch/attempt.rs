//! Compiling a candidate, again and again until no file hangs or breaks the compiler: such a file becomes a failure like
//! any other, and the rest is compiled without it.

use std::sync::Arc;

use super::errors::DispatchError;
use crate::program::{CompileRequest, Program};
use crate::protocol::{CompileFailure, Compiled, LogLine};

/// As many files that hang the compiler are left out of a candidate before it is given up.
const HANGING_FILES: usize = 5;

/// A candidate on its way.
pub(super) struct Attempt {
    program: Arc<Program>,
    only: Vec<u32>,
    hanging: Vec<CompileFailure>,
}

impl Attempt {
    pub(super) fn new(request: &CompileRequest) -> Self {
        Self { program: Arc::clone(&request.program), only: request.only.clone(), hanging: Vec::new() }
    }

    /// What to compile next.
    pub(super) fn request(&self) -> CompileRequest {
        CompileRequest { program: Arc::clone(&self.program), only: self.only.clone() }
    }

    /// What came of it; `None` is to try again.
    pub(super) fn outcome(
        &mut self,
        result: Result<Compiled, DispatchError>,
    ) -> Option<Result<Compiled, DispatchError>> {
        let (why, file) = match result {
            Ok(mut compiled) => {
                compiled.failures.append(&mut self.hanging);
                return Some(Ok(compiled));
            }
            Err(DispatchError::Compiler { why, file: Some(file) }) if self.hanging.len() < HANGING_FILES => (why, file),
            Err(error) => return Some(Err(error)),
        };
        let at = self.program.scripts.iter().position(|script| *script.path == *file);
        let known = |at: &usize| self.hanging.iter().any(|failure| failure.script as usize == *at);
        let Some(at) = at.filter(|at| !known(at)) else {
            return Some(Err(DispatchError::Compiler { why, file: Some(file) }));
        };
        self.hanging.push(hanging_file(at, &file, &why));
        // Others may require it: it stays, without its text.
        let program = Arc::make_mut(&mut self.program);
        Arc::make_mut(&mut program.scripts[at]).source = "".into();
        self.only.retain(|only| *only as usize != at);
        None
    }
}

fn hanging_file(script: usize, file: &str, why: &str) -> CompileFailure {
    CompileFailure {
        script: u32::try_from(script).unwrap_or(u32::MAX),
        error: LogLine {
            level: "error".into(),
            message: format!("{why}: its top level runs too long or breaks the compiler"),
            file: Some(file.to_owned()),
            line: None,
            column: None,
            frame: None,
            hook: None,
            bot: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::{Role, Script, Shape};

    #[test]
    fn a_file_that_hangs_the_compiler_is_left_out_and_named_and_the_rest_is_compiled() {
        let script = |path: &str| {
            Arc::new(Script { path: path.into(), source: "x".into(), role: Role::Module, shape: Shape::default() })
        };
        let program = Arc::new(Program { scripts: vec![script("a.js"), script("b.js")], ..Program::default() });
        let request = CompileRequest { program, only: vec![0, 1] };
        let hang = |file: &str| Err(DispatchError::Compiler { why: "killed".into(), file: Some(file.into()) });
        let mut attempt = Attempt::new(&request);
        assert!(attempt.outcome(hang("b.js")).is_none());
        assert_eq!(
            [&*attempt.request().program.scripts[0].source, &*attempt.request().program.scripts[1].source],
            ["x", ""]
        );
        let compiled = attempt.outcome(Ok(Compiled::default())).unwrap().unwrap();
        assert_eq!(compiled.failures.iter().map(|failure| failure.script).collect::<Vec<_>>(), [1]);
        // The same file again, or an unknown one, is not its fault.
        let mut attempt = Attempt::new(&request);
        assert!(attempt.outcome(hang("b.js")).is_none());
        assert!(attempt.outcome(hang("b.js")).unwrap().is_err());
        assert!(Attempt::new(&request).outcome(hang("c.js")).unwrap().is_err());
    }
}
