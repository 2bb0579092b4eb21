//! `file …`: the files of COBOL programs in the store of a volume, while no engine has it.

mod check;
mod list;
mod store;

use crate::args::File;
use crate::ask::Agents;
use crate::exit::Exit;
use crate::out::Out;

/// Carries it out.
pub fn file(agents: &Agents, out: &Out, asked: &File) -> Exit {
    match asked {
        File::List(asked) => list::list(agents, out, asked),
        File::Check(asked) => check::check(agents, out, asked),
    }
}
