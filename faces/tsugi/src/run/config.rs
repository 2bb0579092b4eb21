//! Commands about the configuration file.

mod item;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;
use tsugi_cluster_engine::config;
use tsugi_messages::{self as messages, phrase};
use tsugi_vocabulary::Wall;
use tsugi_wire::control::report::Outlook;
use tsugi_wire::control::{Operation, Reply, Request, Verify};

use super::{change, read};
use crate::args::Lasting;
use crate::ask::Agents;
use crate::exit::Exit;
use crate::out::{Form, Observed, Out, Schema};

pub use item::{Edit, edit};

/// How many problems of a file are shown; a file of another kind has one in every line.
const SHOWN: usize = 10;

fn text(out: &Out, file: &Path) -> Result<String, Exit> {
    std::fs::read_to_string(file).map_err(|error| unread(out, file, &error))
}

fn unread(out: &Out, file: &Path, error: &std::io::Error) -> Exit {
    out.tell(&messages::config_file_missing(file.display(), error));
    match error.kind() {
        std::io::ErrorKind::NotFound => Exit::NotFound,
        std::io::ErrorKind::PermissionDenied => Exit::NotPermitted,
        _ => Exit::Failed,
    }
}

/// The text of a file that can be applied; what is wrong with it is told with its lines.
pub(super) fn checked(out: &Out, file: &Path) -> Result<String, Exit> {
    checked_text(out, file, text(out, file)?)
}

/// The same of a text that is to stand in the file.
fn checked_text(out: &Out, file: &Path, text: String) -> Result<String, Exit> {
    match config::read(&text) {
        Ok(resolved) => {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let now = Wall(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
            config::warnings(&resolved.spec, now).iter().for_each(|warning| out.tell(warning));
            Ok(text)
        }
        Err(problems) => {
            let name = file.display().to_string();
            for problem in problems.iter().take(SHOWN) {
                eprint!("{}", problem.show(&name, &text, out.language));
            }
            let more = problems.len().saturating_sub(SHOWN);
            if more > 0 {
                out.say(&phrase::problems_more(more));
            }
            if out.form == Form::Json {
                show_problems(out, (&name, &text), &problems);
            }
            Err(Exit::Refused)
        }
    }
}

fn show_problems(out: &Out, (file, text): (&str, &str), problems: &[config::Problem]) {
    let one = |p: &config::Problem| {
        let message = p.message(file, text, out.language);
        json!({"line": p.line(text), "message": message.to_json(out.language)})
    };
    let list: Vec<_> = problems.iter().map(one).collect();
    let content = json!({"file": file, "valid": problems.is_empty(), "problems": list});
    out.json(Schema::first("tsugi.validation"), &Observed::here(), &content);
}

/// `config validate`.
pub fn validate(out: &Out, file: &Path) -> Exit {
    let text = match checked(out, file) {
        Ok(text) => text,
        Err(exit) => return exit,
    };
    let name = file.display().to_string();
    match out.form {
        Form::Json => show_problems(out, (&name, &text), &[]),
        Form::Text => {
            let message = messages::config_ok(&name, config::hash(&text));
            out.lines([message.line(out.language)]);
        }
    }
    Exit::Done
}

/// The applied configuration.
fn applied(agents: &Agents, out: &Out, command: &str) -> Result<(Reply, Observed), Exit> {
    read::ask(agents, out, (&Request::ConfigShow, command))
}

/// `config diff`.
pub fn diff(agents: &Agents, out: &Out, file: &Path) -> Exit {
    let text = match checked(out, file) {
        Ok(text) => text,
        Err(exit) => return exit,
    };
    let (applied, observed) = match applied(agents, out, "tsugi config diff") {
        Ok((Reply::Config(config), observed)) => (config, observed),
        Ok(_) => return read::strange(out, "tsugi config diff"),
        Err(exit) => return exit,
    };
    let config = config::differences(&applied.text, &text);
    let count = config.len();
    let outlook = Outlook { config, ..Outlook::nothing() };
    let exit = match count {
        0 => Exit::Done,
        _ => Exit::Difference,
    };
    let version = applied.head.version;
    match (out.form, count) {
        (Form::Json, _) => out.json(Schema::first("tsugi.outlook"), &observed, &outlook),
        (Form::Text, 0) => {
            out.lines([messages::config_unchanged(version).line(out.language)]);
        }
        (Form::Text, _) => {
            out.lines(outlook.config.iter().map(|words| out.words(words)));
            out.tell(&messages::config_differs(count, version, file.display()));
        }
    }
    exit
}

/// `config show`.
pub fn show(agents: &Agents, out: &Out) -> Exit {
    match applied(agents, out, "tsugi config show") {
        Ok((Reply::Config(config), observed)) => {
            let lines = || config.text.lines().map(str::to_owned).collect();
            out.show(Schema::first("tsugi.config"), &observed, &config, lines);
            Exit::Done
        }
        Ok(_) => read::strange(out, "tsugi config show"),
        Err(exit) => exit,
    }
}

/// `plan`.
pub fn plan(agents: &Agents, out: &Out, file: &Path) -> Exit {
    let text = match checked(out, file) {
        Ok(text) => text,
        Err(exit) => return exit,
    };
    match read::ask(agents, out, (&Request::Plan { text }, "tsugi plan")) {
        Ok((Reply::Outlook(outlook), observed)) => read::show_outlook(out, &outlook, &observed),
        Ok(_) => read::strange(out, "tsugi plan"),
        Err(exit) => exit,
    }
}

/// `apply`.
pub fn apply(
    agents: &Agents,
    out: &Out,
    (file, confirm_within, verify): (&Path, Option<&str>, Verify),
    lasting: &Lasting,
) -> Exit {
    let text = match checked(out, file) {
        Ok(text) => text,
        Err(exit) => return exit,
    };
    match change::time(out, "--confirm-within", confirm_within) {
        Ok(confirm_within) => {
            change::send(agents, out, Operation::Apply { text, confirm_within, verify }, lasting)
        }
        Err(exit) => exit,
    }
}
