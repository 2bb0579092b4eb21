//! `file …`: the files of COBOL programs in the store of a volume, while no engine has it.

mod check;
mod list;
mod moved;
mod store;

use crate::args::File;
use crate::ask::Agents;
use crate::exit::Exit;
use crate::out::Out;
use moved::Moving;

/// Carries it out.
pub fn file(agents: &Agents, out: &Out, asked: &File) -> Exit {
    match asked {
        File::List(asked) => list::list(agents, out, asked),
        File::Check(asked) => check::check(agents, out, asked),
        File::Export(asked) => moved::export(agents, out, &Moving::from(asked)),
        File::Import(asked) => moved::import(agents, out, &Moving::from(asked)),
    }
}
