//! Carries out one command: asks the agent, prints the answer, and says how it ended.

mod call;
mod change;
mod config;
mod doctor;
mod drill;
mod file;
mod monitor;
mod ocf;
mod offline;
mod old_name;
mod parity;
mod proc;
mod read;
mod region;
mod rehearsal;
mod service;
mod test_plan;
mod typed_name;
mod wait;

use tsugi_wire::control::Verify;
use tsugi_wire::version::Build;

use crate::args::{Audit, Cli, Command, Compat, Config, Node};
use crate::ask::Agents;
use crate::exit::Exit;
use crate::out::{Form, Out};
use crate::render::Length;
use crate::{daemon, metrics, up};

/// Carries out the command, as this build of the program.
pub fn run(cli: &Cli, out: &Out, build: Build) -> Exit {
    let agents = Agents::find(cli.global.run_dir.as_deref());
    match &cli.command {
        Command::Status { watch, long } => {
            let length = if *long { Length::Long } else { Length::Short };
            match watch {
                true => read::watch(&agents, out, length),
                false => read::status(&agents, out, length),
            }
        }
        Command::Why { of } => read::why(&agents, out, of.as_deref()),
        Command::Parity { group, node, against } => {
            let (group, node, against) = (group.as_deref(), node.as_deref(), against.as_deref());
            parity::parity(&agents, out, &parity::Asked { group, node, against })
        }
        Command::Doctor => doctor::doctor(&agents, out),
        Command::Drill(asked) => drill::drill(&agents, out, asked),
        Command::Explain { group, back } => read::explain(&agents, out, (group.as_deref(), *back)),
        Command::History { of, most } => read::history(&agents, out, (of.as_deref(), *most)),
        Command::Whatif(suppose) => read::what_if(&agents, out, suppose),
        Command::Group(group) => change::group(&agents, out, group),
        Command::Node(Node::Run(run)) => daemon::node_run(run, agents.run_dir(), out),
        Command::Node(Node::RecoverMajority(asked)) => {
            offline::recover_majority(out, asked, build.protocol)
        }
        Command::Node(node) => change::node(&agents, out, node),
        Command::Proc(asked) => proc::proc(&agents, out, asked),
        Command::Service(asked) => service::service(&agents, out, asked),
        Command::Region(asked) => region::region(&agents, out, asked),
        Command::File(asked) => file::file(&agents, out, asked),
        Command::Stretch(asked) => change::stretch(&agents, out, asked),
        Command::Call(asked) => call::call(&agents, out, asked),
        Command::Init { file, gentle } => change::init(&agents, out, (file, gentle)),
        Command::Plan { file } => config::plan(&agents, out, file),
        Command::Apply { file, confirm_within, unverified, lasting } => {
            let verify = if *unverified { Verify::Skipped } else { Verify::First };
            config::apply(&agents, out, (file, confirm_within.as_deref(), verify), lasting)
        }
        Command::Confirm { gentle } => change::confirm(&agents, out, gentle),
        Command::Config(asked) => config(&agents, out, asked),
        Command::Backup { file } => read::backup(&agents, out, file),
        Command::Restore { file, data_dir, changing } => {
            offline::restore(out, (file, data_dir.as_deref()), changing, build.protocol)
        }
        Command::Audit(Audit::List { most }) => read::audit(&agents, out, *most),
        Command::Audit(Audit::Verify) => read::verify(&agents, out),
        Command::Compat(Compat::Install { directory }) => old_name::install(out, directory),
        Command::Metrics { listen } => metrics::metrics(&agents, out, *listen),
        Command::Monitor(asked) => monitor::monitor(&agents, out, asked),
        Command::Listen { at, run } => offline::listen(out, *at, run),
        Command::Ocf(asked) => ocf::ocf(out, asked),
        Command::Message { journal: true, .. } => offline::explain_to_journal(out),
        Command::Message { id, all, journal: false } => {
            offline::message(out, id.as_deref().filter(|_| !all))
        }
        Command::Up(args) => up::up(args, out),
        Command::Completions { shell } => offline::completions(out, *shell),
        Command::Man { directory } => offline::man(out, directory.as_deref()),
        Command::Commands => offline::commands(out),
        Command::Agent(raw) => daemon::agent(&raw.words, out, build),
        Command::Guardian(_) => daemon::guardian(),
        Command::Hands(raw) => daemon::hands(&raw.words, out),
        // What ends by a code of its own was played before.
        Command::Sample(_) | Command::Serve(_) => Exit::Failed,
    }
}

fn config(agents: &Agents, out: &Out, asked: &Config) -> Exit {
    match asked {
        Config::Validate { file } => config::validate(out, file),
        Config::Diff { file } => config::diff(agents, out, file),
        Config::Set { key, value, on } => {
            config::edit(out, &on.file, (key, config::Edit::Set(value)), on.how())
        }
        Config::Unset { key, on } => {
            config::edit(out, &on.file, (key, config::Edit::Unset), on.how())
        }
        Config::Show => config::show(agents, out),
    }
}

pub use change::{origin, random_id, typed};
pub use old_name::old_name;

/// The form that output is wanted in.
pub fn form(json: bool) -> Form {
    if json { Form::Json } else { Form::Text }
}
