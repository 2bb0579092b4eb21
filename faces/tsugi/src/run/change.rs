//! Commands that change something: with an id, the words as typed, who, from where and why.

use std::io::{Read as _, stdin};
use std::path::Path;

use tsugi_cluster_engine::config::duration;
use tsugi_messages::{self as messages};
use tsugi_vocabulary::{Generation, Span};
use tsugi_wire::control::report::Done;
use tsugi_wire::control::{ALL_GROUPS, Change, How, Operation, Reply, Request, StartOption, Vouch};

use super::wait::{self, Waited};
use super::{config, read, typed_name};
use crate::args::{Changing, Gentle, Group, Lasting, Node, Stretch};
use crate::ask::Agents;
use crate::exit::Exit;
use crate::old_names;
use crate::out::{Form, Observed, Out, Schema};

/// `group …`
pub fn group(agents: &Agents, out: &Out, group: &Group) -> Exit {
    let (what, lasting): (Operation, Lasting) = match group.clone() {
        Group::List => return read::groups(agents, out),
        Group::Start { group, on, fresh, inherit, lasting } => {
            let option = match (fresh, inherit) {
                (true, _) => StartOption::Fresh,
                (false, true) => StartOption::Inherit,
                (false, false) => StartOption::None,
            };
            (Operation::Start { group, on, option }, lasting)
        }
        Group::Stop { group, lasting } => (Operation::Stop { group }, lasting),
        Group::Move { group, node, lasting } => (Operation::Move { group, to: node }, lasting),
        Group::Pause { group, all: _, hold, changing } => match time(out, "--for", hold.as_deref())
        {
            Ok(hold) => (Operation::Pause { group: one_or_all(group), hold }, changing.into()),
            Err(exit) => return exit,
        },
        Group::Resume { group, all: _, owner_is_off, lasting } => {
            let vouch = if owner_is_off { Vouch::OwnerIsOff } else { Vouch::Nothing };
            (Operation::Resume { group: one_or_all(group), vouch }, lasting)
        }
        Group::Clear { group, lasting } => (Operation::Clear { group }, lasting),
    };
    send(agents, out, what, &lasting)
}

/// The group that was named, or with `--all` every one.
fn one_or_all(group: Option<String>) -> String {
    group.unwrap_or_else(|| ALL_GROUPS.to_owned())
}

/// `node …`, all but `run`.
pub fn node(agents: &Agents, out: &Out, node: &Node) -> Exit {
    let (what, lasting): (Operation, Lasting) = match node.clone() {
        Node::List | Node::Run(_) | Node::RecoverMajority(_) => return read::nodes(agents, out),
        Node::Token { node, good_for, gentle } => match time(out, "--for", Some(&good_for)) {
            Ok(good_for) => {
                let good_for = good_for.unwrap_or(Span::secs(3600));
                (Operation::Token { node, good_for }, gentle.into())
            }
            Err(exit) => return exit,
        },
        Node::Join { token_file, gentle } => match token(out, &token_file) {
            Ok(token) => (Operation::Join { token }, gentle.into()),
            Err(exit) => return exit,
        },
        Node::Leave { node, changing } => (Operation::Leave { node }, changing.into()),
        Node::Drain { node, lasting } => (Operation::Drain { node }, lasting),
        Node::Undrain { node, changing } => (Operation::Undrain { node }, changing.into()),
        Node::Fence { node, lasting } => (Operation::Fence { node }, lasting),
        Node::ConfirmOff { node, lasting } => {
            if !lasting.changing.dry_run
                && let Err(exit) = typed_name::of_node(out, &node)
            {
                return exit;
            }
            (Operation::ConfirmOff { node }, lasting)
        }
    };
    send(agents, out, what, &lasting)
}

/// `init`.
pub fn init(agents: &Agents, out: &Out, (file, gentle): (&Path, &Gentle)) -> Exit {
    match config::checked(out, file) {
        Ok(text) => send(agents, out, Operation::Init { text }, &gentle.clone().into()),
        Err(exit) => exit,
    }
}

/// `confirm`.
pub fn confirm(agents: &Agents, out: &Out, gentle: &Gentle) -> Exit {
    send(agents, out, Operation::Confirm, &gentle.clone().into())
}

/// `stretch`
pub fn stretch(agents: &Agents, out: &Out, asked: &Stretch) -> Exit {
    let within = match time(out, "--for", asked.hold.as_deref()) {
        Ok(within) => within,
        Err(exit) => return exit,
    };
    let what = match (asked.ratio, within) {
        (Some(ratio), Some(within)) => Operation::Stretch { ratio, within },
        // One without the other is not parsed.
        (None, _) | (_, None) => Operation::StretchEnd,
    };
    send(agents, out, what, &asked.changing.clone().into())
}

/// A duration that was given, if one was.
pub(super) fn time(out: &Out, option: &str, given: Option<&str>) -> Result<Option<Span>, Exit> {
    let Some(given) = given else { return Ok(None) };
    duration(given).map(Some).ok_or_else(|| {
        let detail = messages::phrase::usage_value(given, option).text(out.language);
        out.tell(&messages::usage_wrong(detail, "tsugi --help"));
        Exit::Usage
    })
}

/// A token is never an argument: other users of the machine see those.
fn token(out: &Out, file: &Path) -> Result<String, Exit> {
    let mut text = String::new();
    let read = match file.to_str() {
        Some("-") => stdin().read_to_string(&mut text).map(|_| text),
        _ => std::fs::read_to_string(file),
    };
    read.map(|text| text.trim().to_owned()).map_err(|error| {
        out.tell(&messages::token_unreadable(file.display(), error));
        Exit::Failed
    })
}

/// Sends a change and tells what came of it.
pub(super) fn send(agents: &Agents, out: &Out, what: Operation, lasting: &Lasting) -> Exit {
    let wait = match time(out, "--wait", lasting.wait.as_deref()) {
        Ok(wait) => wait,
        Err(exit) => return exit,
    };
    match (ordered(agents, out, what, &lasting.changing), wait) {
        (Ok(Some((done, observed))), None) => {
            show_done(out, &done, &observed);
            waits(out, &done)
        }
        (Ok(Some((done, _))), Some(wait)) => {
            wait::until_done(agents, out, &Waited { done, words: &typed() }, wait)
        }
        (Ok(None), _) => Exit::Done,
        (Err(exit), _) => exit,
    }
}

/// Sends a change and says that it is recorded; none if it was only looked at.
pub(super) fn order(
    agents: &Agents,
    out: &Out,
    what: Operation,
    changing: &Changing,
) -> Result<Option<Done>, Exit> {
    let done = ordered(agents, out, what, changing)?.map(|(done, _)| done);
    if let Some(done) = &done {
        out.say_text(&out.line(&done.what));
    }
    Ok(done)
}

/// Sends a change; none if it was only looked at, which is shown.
fn ordered(
    agents: &Agents,
    out: &Out,
    what: Operation,
    changing: &Changing,
) -> Result<Option<(Done, Observed)>, Exit> {
    let words = typed();
    let change = Change {
        command: random_id(),
        words: words.clone(),
        reason: changing.reason.clone().unwrap_or_default(),
        origin: origin(),
        decided_on: changing.decided_on.map(Generation),
        how: if changing.dry_run { How::DryRun } else { How::ForReal },
        what,
    };
    match read::ask(agents, out, (&Request::Change(change), &words))? {
        (Reply::Done(done), observed) => Ok(Some((done, observed))),
        (Reply::Outlook(outlook), observed) => {
            let _differs = read::show_outlook(out, &outlook, &observed);
            if out.form == Form::Text {
                eprintln!("{}", messages::dry_run_changed_nothing(&words).line(out.language));
            }
            Ok(None)
        }
        (_, _) => Err(read::strange(out, &words)),
    }
}

/// What still waits for a person's word, and how that ends the command.
pub(super) fn waits(out: &Out, done: &Done) -> Exit {
    let Some(waits) = &done.waits_for else { return Exit::Done };
    eprintln!("{}", out.line(&waits.what));
    if let Some(next) = &waits.next {
        out.say(&messages::phrase::next_command(next));
    }
    Exit::WaitsForApproval
}

/// What was done; a secret is data, the rest is talk.
pub(super) fn show_done(out: &Out, done: &Done, observed: &Observed) {
    match out.form {
        Form::Json => out.json(Schema::first("tsugi.done"), observed, done),
        Form::Text => {
            eprintln!("{}", out.line(&done.what));
            for note in &done.notes {
                eprintln!("{}", out.line(note));
            }
            out.lines(done.secret.clone());
        }
    }
}

/// The words of this command as they were typed, for the audit.
pub fn typed() -> String {
    let quoted = |word: String| match word.contains([' ', '"', '\'']) {
        true => format!("{word:?}"),
        false => word,
    };
    let old = old_names::called_by(std::env::args_os().next().as_ref());
    let words: Vec<String> = std::env::args().skip(1).map(quoted).collect();
    format!("{} {}", old.map_or("tsugi", |old| old.name), words.join(" "))
}

/// The terminal, or where the person came from.
pub fn origin() -> String {
    let host = nix::unistd::gethostname().ok().and_then(|h| h.into_string().ok());
    let terminal = std::fs::read_link("/proc/self/fd/0").ok().map(|t| t.display().to_string());
    let terminal = terminal.filter(|t| t.starts_with("/dev/pts") || t.starts_with("/dev/tty"));
    let client = std::env::var("SSH_CLIENT").ok();
    let client = client.and_then(|c| c.split(' ').next().map(str::to_owned));
    let parts: Vec<String> = [host, terminal, client].into_iter().flatten().collect();
    parts.join(" ")
}

/// 128 random bits in the form of a UUID of version 4.
pub fn random_id() -> String {
    let mut bytes = [0u8; 16];
    let drawn = std::fs::File::open("/dev/urandom").and_then(|mut f| f.read_exact(&mut bytes));
    if drawn.is_err() {
        // Without the kernel's source the id need only differ from every other command's.
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let nanos = since.unwrap_or_default().as_nanos() ^ u128::from(std::process::id()) << 96;
        bytes = nanos.to_be_bytes();
    }
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    parts.join("-")
}
