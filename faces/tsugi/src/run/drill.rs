//! `drill`: a takeover is tried on the live system, and reported.

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde::Serialize;
use tsugi_cluster_engine::config::duration;
use tsugi_messages::{self as messages, phrase};
use tsugi_vocabulary::{Generation, Span};
use tsugi_wire::control::drill::{Beside, Drill, Drills};
use tsugi_wire::control::report::{Need, No, Outlook, Refused};
use tsugi_wire::control::{Change, How, Operation, Reply, Request, Utc, Words};
use tsugi_wire::files::replace;

use super::change::{origin, random_id, send, typed};
use super::read::{self, ask, strange};
use super::{rehearsal, test_plan};
use crate::args::{DATA_DIR, Drill as Asked, Lasting, Level};
use crate::ask::Agents;
use crate::exit::Exit;
use crate::out::{Form, Observed, Out, Schema, envelope};
use crate::render;

pub(super) const SCHEMA: Schema = Schema::first("tsugi.drill");
/// How often the drill is asked for.
const LOOK: Duration = Duration::from_millis(100);
/// How much longer than its window and two stop lines a drill may take before nobody waits for it
/// any more. It goes on and ends by itself.
pub(super) const PATIENCE: Span = Span::secs(90);

/// What is known of a group's drills, as JSON and the report have it.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    #[serde(flatten)]
    drills: &'a Drills,
    /// What the next drill would do, where that was asked.
    outlook: Option<&'a Outlook>,
    /// What would refuse it, where that was asked.
    refusal: Option<&'a Refused>,
    /// What should be mended before it.
    findings: &'a [Need],
    /// Where the report is, if one was written.
    report: Option<String>,
    /// Which levels that leave the group where it is could be drilled, where that was asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    levels: Vec<Could>,
}

/// Whether a level could be drilled now.
#[derive(Serialize)]
struct Could {
    level: &'static str,
    refusal: Option<Words>,
}

/// `drill`.
pub fn drill(agents: &Agents, out: &Out, asked: &Asked) -> Exit {
    if asked.plan.is_some() || asked.all {
        return test_plan::run(agents, out, asked);
    }
    if asked.last {
        return last(agents, out, asked);
    }
    if asked.back {
        let what = Operation::DrillBack { group: group_of(asked) };
        return send(agents, out, what, &Lasting::from(asked.changing.clone()));
    }
    let (window, gap) = match (time(out, "--window", &asked.window), time(out, "--gap", &asked.gap))
    {
        (Ok(window), Ok(gap)) => (window, gap),
        (Err(exit), _) | (_, Err(exit)) => return exit,
    };
    let (group, to) = (group_of(asked), asked.to.clone());
    let beside = |level: Beside| {
        let (group, on) = (group.clone(), to.clone());
        Operation::Rehearse { group, on, level, limit: window }
    };
    let shows = |level: Beside| match asked.changing.dry_run {
        true => send(agents, out, beside(level), &Lasting::from(asked.changing.clone())),
        false => rehearsal::rehearse(agents, out, (asked, beside(level)), window),
    };
    let what = Operation::Drill { group: group.clone(), to: to.clone(), window, gap };
    match asked.level {
        Some(Level::Read) => shows(Beside::Read),
        Some(Level::Isolate) => shows(Beside::Isolate),
        Some(Level::Check) | None => check(agents, out, (asked, what)),
        Some(Level::Move) if asked.changing.dry_run => {
            send(agents, out, what, &Lasting::from(asked.changing.clone()))
        }
        Some(Level::Move) => take_over_and_back(agents, out, (asked, what), window + gap + gap),
    }
}

/// The group of a drill: only a plan of tests names none.
pub(super) fn group_of(asked: &Asked) -> String {
    asked.group.clone().unwrap_or_default()
}

fn time(out: &Out, option: &str, given: &str) -> Result<Span, Exit> {
    duration(given).ok_or_else(|| {
        let detail = phrase::usage_value(given, option).text(out.language);
        out.tell(&messages::usage_wrong(detail, "tsugi drill --help"));
        Exit::Usage
    })
}

pub(super) fn change(asked: &Asked, what: Operation, how: How) -> Change {
    Change {
        command: random_id(),
        words: typed(),
        reason: asked.changing.reason.clone().unwrap_or_default(),
        origin: origin(),
        decided_on: asked.changing.decided_on.map(Generation),
        how,
        what,
    }
}

fn drills(agents: &Agents, out: &Out, asked: &Asked) -> Result<(Drills, Observed), Exit> {
    let request = Request::Drill { group: group_of(asked) };
    match ask(agents, out, (&request, &typed())) {
        Ok((Reply::Drill(drills), observed)) => Ok((drills, observed)),
        Ok(_) => Err(strange(out, &typed())),
        Err(exit) => Err(exit),
    }
}

/// What a drill would do and be refused for, and what should be mended before; nothing is touched.
fn check(agents: &Agents, out: &Out, (asked, what): (&Asked, Operation)) -> Exit {
    let change = change(asked, what, How::DryRun);
    let request = Request::Change(change);
    let answer = match agents.ask(&request) {
        Ok(answer) => answer,
        Err(silence) => return silence.tell(out, (&typed(), &request)),
    };
    let observed = read::observed(&answer);
    let (outlook, refusal) = match answer.reply {
        Reply::Outlook(outlook) => (Some(outlook), None),
        // What would refuse it is one of the things to be mended: the others are shown with it.
        Reply::No(refused) if refused.kind == No::Refused => (None, Some(refused)),
        Reply::No(refused) => return read::no(out, &refused, &observed),
        _ => return strange(out, &typed()),
    };
    let doctor = match ask(agents, out, (&Request::Doctor, &typed())) {
        Ok((Reply::Doctor(doctor), _)) => doctor,
        Ok(_) => return strange(out, &typed()),
        Err(exit) => return exit,
    };
    let (drills, observed) = match drills(agents, out, asked) {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    let before =
        |need: &Need| Some(&need.about) == asked.group.as_ref() && !is_what_a_drill_shows(need);
    let mut findings: Vec<Need> = doctor.findings.into_iter().filter(before).collect();
    match unequal(agents, out, asked) {
        Ok(unequal) => findings.extend(unequal),
        Err(exit) => return exit,
    }
    let levels = match could(agents, out, asked) {
        Ok(levels) => levels,
        Err(exit) => return exit,
    };
    let lines_of_levels: Vec<String> = levels
        .iter()
        .map(|could| render::could(out, could.level, could.refusal.as_ref()))
        .collect();
    let shown = Shown {
        levels,
        drills: &drills,
        outlook: outlook.as_ref(),
        refusal: refusal.as_ref(),
        findings: &findings,
        report: None,
    };
    out.show(SCHEMA, &observed, &shown, || {
        let mut lines: Vec<String> =
            outlook.iter().flat_map(|outlook| render::outlook(out, outlook)).collect();
        lines.extend(render::findings(out, &findings));
        lines.extend(lines_of_levels);
        lines.extend(render::proven(out, &drills));
        lines
    });
    match refusal {
        Some(refused) => read::say_no(out, &refused),
        None if findings.is_empty() => Exit::Done,
        None => Exit::Difference,
    }
}

/// Whether the levels that leave the group where it is could be drilled now.
fn could(agents: &Agents, out: &Out, asked: &Asked) -> Result<Vec<Could>, Exit> {
    let mut all = Vec::new();
    for (word, level) in [("read", Beside::Read), ("isolate", Beside::Isolate)] {
        let (group, on, limit) = (group_of(asked), asked.to.clone(), Span::secs(1));
        let what = Operation::Rehearse { group, on, level, limit };
        let request = Request::Change(change(asked, what, How::DryRun));
        let answer = match agents.ask(&request) {
            Ok(answer) => answer,
            Err(silence) => return Err(silence.tell(out, (&typed(), &request))),
        };
        match answer.reply {
            Reply::Outlook(_) => all.push(Could { level: word, refusal: None }),
            Reply::No(refused) if refused.kind == No::Refused => {
                all.push(Could { level: word, refusal: Some(refused.what) });
            }
            // An agent of a version before it cannot tell.
            _ => {}
        }
    }
    Ok(all)
}

/// What speaks now against the nodes that the drill may go to.
fn unequal(agents: &Agents, out: &Out, asked: &Asked) -> Result<Vec<Need>, Exit> {
    let request = Request::Parity { group: asked.group.clone(), node: asked.to.clone() };
    let (found, _) = super::parity::request(agents, out, &request)?;
    let need = |what: Words| Need {
        severity: messages::parity_missing("", "", "").severity().letter().to_string(),
        about: group_of(asked),
        what,
        because: None,
        next: Some(format!("tsugi parity {}", group_of(asked))),
    };
    let gaps = found.verdicts.into_iter().flat_map(|verdict| verdict.gaps);
    Ok(gaps.map(|gap| need(gap.what)).collect())
}

/// Whether a drill is what mends it: nothing to be mended before one.
/// The last round of parity is not looked at either: there is a new one.
fn is_what_a_drill_shows(need: &Need) -> bool {
    let ids = [
        messages::parity_found("", "", 0, "").id(),
        messages::parity_unknown("", "").id(),
        messages::doctor_never_ran("", "").id(),
        messages::doctor_never_drilled("", "").id(),
        messages::doctor_drilled_long_ago("", "", "").id(),
    ];
    ids.contains(&need.what.id.as_str())
}

/// Sends an order that is carried on by the cluster; its id and its words.
pub(super) fn order(agents: &Agents, out: &Out, change: Change) -> Result<(String, String), Exit> {
    let (id, words) = (change.command.clone(), change.words.clone());
    match ask(agents, out, (&Request::Change(change), &words))? {
        (Reply::Done(_), _) => Ok((id, words)),
        _ => Err(strange(out, &words)),
    }
}

/// Asks again and again until an answer says how it ended, or `limit` is over: then none. It is the
/// cluster that carries it on: who stops waiting stops nothing. An agent that does not answer for
/// a moment is asked again while there is time.
pub(super) fn awaited<T>(
    agents: &Agents,
    out: &Out,
    (request, limit): (&Request, Span),
    mut ended: impl FnMut(Reply, Observed) -> Option<T>,
) -> Result<Option<T>, Exit> {
    let end = Instant::now() + limit.to_std();
    loop {
        if let Ok(answer) = agents.ask(request) {
            let observed = read::observed(&answer);
            match answer.reply {
                // Its group is not in the configuration any more: an agent that has not read the
                // ledger yet does not say so.
                Reply::No(refused) if refused.kind == No::NotFound => {
                    return Err(read::no(out, &refused, &observed));
                }
                reply => {
                    if let Some(came) = ended(reply, observed) {
                        return Ok(Some(came));
                    }
                }
            }
        }
        if Instant::now() >= end {
            return Ok(None);
        }
        sleep(LOOK);
    }
}

/// Says that nobody waits any more for what goes on.
pub(super) fn still_running(out: &Out, (id, words): (&str, &str), limit: Span) -> Exit {
    out.tell(&messages::command_still_running(words, limit.as_millis() / 1000, id));
    Exit::StillRunning
}

/// Orders the drill, tells how it goes, and reports it.
fn take_over_and_back(
    agents: &Agents,
    out: &Out,
    (asked, what): (&Asked, Operation),
    bounds: Span,
) -> Exit {
    let (id, words) = match order(agents, out, change(asked, what, How::ForReal)) {
        Ok(ordered) => ordered,
        Err(exit) => return exit,
    };
    let limit = bounds + PATIENCE;
    let request = Request::Drill { group: group_of(asked) };
    let mut told = String::new();
    let ended = awaited(agents, out, (&request, limit), |reply, observed| {
        let Reply::Drill(drills) = reply else { return None };
        let drill = drills.newest.clone().filter(|drill| drill.id == id)?;
        if drill.state != told && out.form == Form::Text {
            let lines = render::drill_state(out, &drills.group, &drill);
            lines.iter().for_each(|line| out.say_text(line));
            told.clone_from(&drill.state);
        }
        drill.verdict.is_some().then_some((drills, drill, observed))
    });
    match ended {
        Ok(Some((drills, drill, observed))) => {
            over(agents, out, asked, (&drills, &drill, &observed))
        }
        Ok(None) => still_running(out, (&id, &words), limit),
        Err(exit) => exit,
    }
}

/// The last drill as the ledger has it, with its report where one is asked for.
fn last(agents: &Agents, out: &Out, asked: &Asked) -> Exit {
    let (drills, observed) = match drills(agents, out, asked) {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    if let Some(newest) = rehearsal::newer(&drills) {
        let all = (&drills, newest, &observed);
        return match newest.verdict {
            Some(_) => rehearsal::over(agents, out, asked, all),
            None => rehearsal::goes_on(out, all),
        };
    }
    match drills.newest.clone().filter(|drill| drill.verdict.is_some()) {
        Some(drill) => over(agents, out, asked, (&drills, &drill, &observed)),
        None => {
            let shown = shown(&drills, None);
            out.show(SCHEMA, &observed, &shown, || render::drill(out, &drills));
            if drills.newest.is_some() { Exit::StillRunning } else { Exit::Done }
        }
    }
}

/// Reports a drill that is over, and ends as it ended.
fn over(
    agents: &Agents,
    out: &Out,
    asked: &Asked,
    (drills, drill, observed): (&Drills, &Drill, &Observed),
) -> Exit {
    let page = render::drill_page(out.language, drills, drill);
    let lines = || render::drill(out, drills);
    let unwritten = report((agents, out, asked), (drills, drill.began, observed), (&page, &lines));
    match (drill.verdict.as_deref(), unwritten) {
        (Some("proven"), false) => Exit::Done,
        (Some("proven"), true) => Exit::PartFailed,
        (Some(_) | None, _) => Exit::Failed,
    }
}

/// Writes a report as a page and as data, and shows what it says; whether it could not be written.
pub(super) fn report(
    (agents, out, asked): (&Agents, &Out, &Asked),
    (drills, began, observed): (&Drills, Utc, &Observed),
    (page, lines): (&str, &dyn Fn() -> Vec<String>),
) -> bool {
    let data =
        |path: &Path| envelope(SCHEMA, observed, &shown(drills, Some(path.display().to_string())));
    let put = put_report((agents, asked), &file_name(&drills.group, began), (page, &data));
    let report = put.as_ref().ok().map(|path| path.display().to_string());
    out.show(SCHEMA, observed, &shown(drills, report), || {
        let mut lines = lines();
        lines.extend(put.iter().map(|at| phrase::drill_report_at(at.display()).text(out.language)));
        lines
    });
    tell_unwritten(out, &put)
}

/// Where a report is, or where it cannot be written and why.
pub(super) type Put = Result<PathBuf, (PathBuf, String)>;

/// Puts a report as a page and as data, which names the page.
pub(super) fn put_report(
    (agents, asked): (&Agents, &Asked),
    name: &str,
    (page, data): (&str, &dyn Fn(&Path) -> serde_json::Value),
) -> Put {
    let folder = asked.report.clone().unwrap_or_else(|| reports(agents));
    let path = folder.join(format!("{name}.html"));
    let made = std::fs::create_dir_all(&folder).map_err(|error| error.to_string());
    // The folder may be another's: what stands in the way there is not written through.
    let put = |path: &Path, bytes: &[u8]| replace(path, bytes).map_err(|error| error.to_string());
    let bytes = serde_json::to_vec_pretty(&data(&path)).expect("JSON is plain data");
    let written = made
        .and_then(|()| put(&path, page.as_bytes()))
        .and_then(|()| put(&folder.join(format!("{name}.json")), &bytes));
    written.map_err(|error| (path.clone(), error)).map(|()| path)
}

/// Says that a report could not be written, if so; whether it is so.
pub(super) fn tell_unwritten(out: &Out, put: &Put) -> bool {
    if let Err((path, error)) = put {
        out.tell(&messages::drill_report_unwritten(path.display(), error));
    }
    put.is_err()
}

/// A drill and its report.
pub(super) fn shown(drills: &Drills, report: Option<String>) -> Shown<'_> {
    Shown { drills, outlook: None, refusal: None, findings: &[], report, levels: Vec::new() }
}

/// Beside what an installed node keeps; for a trial cluster, in its run directory.
fn reports(agents: &Agents) -> PathBuf {
    let run_dir = agents.run_dir();
    let of = if agents.is_installed() { Path::new(DATA_DIR) } else { run_dir };
    of.join("drills")
}

/// `PAY-20260512T021413Z`: what it is about and when it began.
pub(super) fn file_name(about: &str, began: Utc) -> String {
    let began: String = began.to_string().chars().filter(char::is_ascii_alphanumeric).collect();
    format!("{about}-{began}")
}
