//! Commands that change nothing.

use std::path::Path;
use std::time::{Duration, Instant};

use tsugi_messages::{self as messages, phrase};
use tsugi_wire::control::report::{Outlook, Refused, Status};
use tsugi_wire::control::{Answer, Reply, Request, Suppose};

use crate::args::WhatIf;
use crate::ask::{Agents, Silence};
use crate::exit::Exit;
use crate::out::{Form, Observed, Out, Schema};
use crate::render::{self, Length, Source};

const STATUS: Schema = Schema::first("tsugi.status");
const REFUSED: Schema = Schema::first("tsugi.refused");
/// How often a watched status is asked for.
const WATCH: Duration = Duration::from_millis(500);
/// How often a watched status is shown on a screen although nothing has changed.
const SCREEN: Duration = Duration::from_secs(2);

/// Who saw an answer, and when.
pub(super) fn observed(answer: &Answer) -> Observed {
    Observed { at: answer.observed_at, by: answer.observed_by.clone() }
}

/// Asks, and tells a no.
pub(super) fn ask(
    agents: &Agents,
    out: &Out,
    (request, command): (&Request, &str),
) -> Result<(Reply, Observed), Exit> {
    let answer = agents.ask(request).map_err(|silence| silence.tell(out, (command, request)))?;
    let observed = observed(&answer);
    match answer.reply {
        Reply::No(refused) => Err(no(out, &refused, &observed)),
        reply => Ok((reply, observed)),
    }
}

/// Tells a no, and how it ends the command.
pub(super) fn no(out: &Out, refused: &Refused, observed: &Observed) -> Exit {
    if out.form == Form::Json {
        out.json(REFUSED, observed, refused);
    }
    say_no(out, refused)
}

/// Says a no to the person, and how it ends the command.
pub(super) fn say_no(out: &Out, refused: &Refused) -> Exit {
    eprintln!("{}", out.line(&refused.what));
    for words in &refused.because {
        eprintln!("  {}", out.words(words));
    }
    if let Some(next) = &refused.next {
        out.say(&phrase::next_command(next));
    }
    use tsugi_wire::control::report::No;
    match refused.kind {
        No::Failed => Exit::Failed,
        No::Refused => Exit::Refused,
        No::NotFound => Exit::NotFound,
        No::StillRunning => Exit::StillRunning,
        No::NoMajority => Exit::NoMajority,
        No::NotPermitted => Exit::NotPermitted,
    }
}

/// An answer of another kind than the one asked for: the agent is of another version.
pub(super) fn strange(out: &Out, command: &str) -> Exit {
    out.tell(&messages::internal_failure(command, "-"));
    Exit::Failed
}

/// `status`; without an agent, the last record and how old it is.
pub fn status(agents: &Agents, out: &Out, length: Length) -> Exit {
    match current(agents) {
        Ok(seen) => {
            show_status(out, &seen, length);
            ending(&seen)
        }
        Err(silence) => silence.tell(out, ("tsugi status", &Request::Status)),
    }
}

struct Seen {
    status: Status,
    observed: Observed,
    source: Source,
}

fn current(agents: &Agents) -> Result<Seen, Silence> {
    let silence = match agents.ask(&Request::Status) {
        Ok(answer) => {
            let observed = observed(&answer);
            if let Reply::Status(status) = answer.reply {
                return Ok(Seen { status, observed, source: Source::Agent });
            }
            Silence::TimedOut(Duration::ZERO)
        }
        Err(silence) => silence,
    };
    if !silence.is_down() {
        return Err(silence);
    }
    let Some(kept) = agents.last_status() else { return Err(silence) };
    let observed = observed(&kept);
    let Reply::Status(status) = kept.reply else { return Err(silence) };
    let source = kept_since(&observed);
    Ok(Seen { status, observed, source })
}

/// The source of what an agent left on disk when it observed it.
pub(super) fn kept_since(observed: &Observed) -> Source {
    let now = Observed::here().at.0.0;
    Source::LastRecord(now.saturating_sub(observed.at.0.0) / 1000)
}

/// What an agent says or has left, with where it is from, as JSON has it.
#[derive(serde::Serialize)]
pub(super) struct Shown<'a, T> {
    source: &'static str,
    age_seconds: u64,
    #[serde(flatten)]
    what: &'a T,
}

impl<'a, T> Shown<'a, T> {
    pub(super) const fn new(source: Source, what: &'a T) -> Self {
        let (source, age_seconds) = match source {
            Source::Agent => ("agent", 0),
            Source::LastRecord(age) => ("last-record", age),
        };
        Self { source, age_seconds, what }
    }
}

fn show_status(out: &Out, seen: &Seen, length: Length) {
    let Seen { status, observed, source } = seen;
    let shown = Shown::new(*source, status);
    out.show(STATUS, observed, &shown, || {
        let mut lines = render::status(out, status, observed, *source);
        match length {
            Length::Short => {}
            Length::Long => lines.extend(render::listing(out, status)),
        }
        lines
    });
}

fn ending(seen: &Seen) -> Exit {
    let majority = seen.status.votes.heard >= seen.status.votes.needed;
    match seen.source {
        Source::Agent if majority => Exit::Done,
        Source::Agent | Source::LastRecord(_) => Exit::NoMajority,
    }
}

/// `status --watch`: shows it again whenever it has changed, until it is interrupted.
pub fn watch(agents: &Agents, out: &Out, length: Length) -> Exit {
    use std::io::IsTerminal as _;
    let clear = std::io::stdout().is_terminal() && out.form == Form::Text;
    let mut last: Option<(Status, Source, Instant)> = None;
    loop {
        match current(agents) {
            Ok(mut seen) => {
                // How long a lease still runs changes always and is no news.
                seen.status.groups.iter_mut().for_each(|g| g.lease_ms = None);
                let is_known = |(status, source, shown): &(Status, Source, Instant)| {
                    // On a screen the time of the last look goes on; a record grows older.
                    let is_fresh = !clear || shown.elapsed() < SCREEN;
                    let same_age = source.tens_of_seconds() == seen.source.tens_of_seconds();
                    is_fresh && same_age && steady(status) == steady(&seen.status)
                };
                if !last.as_ref().is_some_and(is_known) {
                    if clear {
                        print!("\u{1b}[H\u{1b}[2J");
                    }
                    show_status(out, &seen, length);
                    last = Some((seen.status, seen.source, Instant::now()));
                }
            }
            Err(silence) => return silence.tell(out, ("tsugi status", &Request::Status)),
        }
        std::thread::sleep(WATCH);
    }
}

/// A status without what only tells how much time has passed.
fn steady(status: &Status) -> Status {
    let mut steady = status.clone();
    for node in &mut steady.nodes {
        node.silent_ms = None;
    }
    for need in &mut steady.needs {
        need.what.values.clear();
    }
    steady
}

/// The status of a running agent, for the lists.
fn asked_status(agents: &Agents, out: &Out, command: &str) -> Result<(Status, Observed), Exit> {
    let (reply, observed) = ask(agents, out, (&Request::Status, command))?;
    match reply {
        Reply::Status(status) => Ok((status, observed)),
        _ => Err(strange(out, command)),
    }
}

/// `group list`.
pub fn groups(agents: &Agents, out: &Out) -> Exit {
    let (status, observed) = match asked_status(agents, out, "tsugi group list") {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    let content = serde_json::json!({"groups": status.groups});
    let schema = Schema::first("tsugi.groups");
    out.show(schema, &observed, &content, || render::groups(out, &status));
    Exit::Done
}

/// `node list`.
pub fn nodes(agents: &Agents, out: &Out) -> Exit {
    let (status, observed) = match asked_status(agents, out, "tsugi node list") {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    let content = serde_json::json!({"nodes": status.nodes, "votes": status.votes});
    let schema = Schema::first("tsugi.nodes");
    out.show(schema, &observed, &content, || render::nodes(out, &status));
    Exit::Done
}

/// `why`.
pub fn why(agents: &Agents, out: &Out, of: Option<&str>) -> Exit {
    let request = Request::Why { of: of.map(str::to_owned) };
    match ask(agents, out, (&request, "tsugi why")) {
        Ok((Reply::Why(why), observed)) => {
            let schema = Schema::first("tsugi.why");
            out.show(schema, &observed, &why, || render::why(out, &why, of));
            Exit::Done
        }
        Ok(_) => strange(out, "tsugi why"),
        Err(exit) => exit,
    }
}

/// `explain`.
pub fn explain(agents: &Agents, out: &Out, (group, back): (Option<&str>, u64)) -> Exit {
    let request = Request::Explain { group: group.map(str::to_owned), back };
    match ask(agents, out, (&request, "tsugi explain")) {
        Ok((Reply::Explain(explain), observed)) => {
            let schema = Schema::first("tsugi.explain");
            out.show(schema, &observed, &explain, || render::explain(out, &explain));
            Exit::Done
        }
        Ok(_) => strange(out, "tsugi explain"),
        Err(exit) => exit,
    }
}

/// `history`.
pub fn history(agents: &Agents, out: &Out, (of, most): (Option<&str>, u64)) -> Exit {
    let request = Request::History { of: of.map(str::to_owned), most };
    match ask(agents, out, (&request, "tsugi history")) {
        Ok((Reply::History(history), observed)) => {
            let schema = Schema::first("tsugi.history");
            out.show(schema, &observed, &history, || render::history(out, &history));
            Exit::Done
        }
        Ok(_) => strange(out, "tsugi history"),
        Err(exit) => exit,
    }
}

/// `whatif`.
pub fn what_if(agents: &Agents, out: &Out, suppose: &WhatIf) -> Exit {
    let suppose = match suppose.clone() {
        WhatIf::Lose { node } => Suppose::NodeLost { node },
        WhatIf::Drain { node } => Suppose::Drain { node },
        WhatIf::Stop { group } => Suppose::Stop { group },
        WhatIf::Move { group, node } => Suppose::Move { group, to: node },
        WhatIf::LinkDown { node, link } => Suppose::LinkDown { node, link },
    };
    match ask(agents, out, (&Request::WhatIf { suppose }, "tsugi whatif")) {
        Ok((Reply::Outlook(outlook), observed)) => show_outlook(out, &outlook, &observed),
        Ok(_) => strange(out, "tsugi whatif"),
        Err(exit) => exit,
    }
}

/// Prints what would happen; a difference has its own exit code.
pub(super) fn show_outlook(out: &Out, outlook: &Outlook, observed: &Observed) -> Exit {
    let schema = Schema::first("tsugi.outlook");
    out.show(schema, observed, outlook, || render::outlook(out, outlook));
    let same = outlook.groups.is_empty() && outlook.config.is_empty() && outlook.majority;
    if same { Exit::Done } else { Exit::Difference }
}

/// `backup`.
pub fn backup(agents: &Agents, out: &Out, file: &Path) -> Exit {
    let path = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let request = Request::Backup { path: path.display().to_string() };
    match ask(agents, out, (&request, "tsugi backup")) {
        Ok((Reply::Done(done), observed)) => {
            super::change::show_done(out, &done, &observed);
            Exit::Done
        }
        Ok(_) => strange(out, "tsugi backup"),
        Err(exit) => exit,
    }
}

/// `audit list`.
pub fn audit(agents: &Agents, out: &Out, most: u64) -> Exit {
    match ask(agents, out, (&Request::AuditList { most }, "tsugi audit list")) {
        Ok((Reply::Audit(audit), observed)) => {
            let schema = Schema::first("tsugi.audit");
            out.show(schema, &observed, &audit, || render::audit(out, &audit));
            Exit::Done
        }
        Ok(_) => strange(out, "tsugi audit list"),
        Err(exit) => exit,
    }
}

/// `audit verify`.
pub fn verify(agents: &Agents, out: &Out) -> Exit {
    match ask(agents, out, (&Request::AuditVerify, "tsugi audit verify")) {
        Ok((Reply::Verified(verified), observed)) => {
            let message = match verified.broken_at {
                None => messages::audit_verified(verified.entries, &verified.hash),
                Some(number) => messages::audit_broken(number, &verified.hash),
            };
            let schema = Schema::first("tsugi.verified");
            let text = || vec![message.line(out.language)];
            out.show(schema, &observed, &verified, text);
            if verified.broken_at.is_none() { Exit::Done } else { Exit::Difference }
        }
        Ok(_) => strange(out, "tsugi audit verify"),
        Err(exit) => exit,
    }
}
