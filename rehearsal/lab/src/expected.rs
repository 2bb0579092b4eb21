//! The first cause that every node must name for an injected fault, and who has the group then.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::Trouble;
use crate::kernel::now;
use crate::pattern::Pattern;
use crate::product::first_cause;
use crate::stage::Stage;

/// How long after the cluster is whole a node may still learn what the fault was: what a silence
/// had been is written down when the silent node is heard again.
const LEARNS: Duration = Duration::from_secs(3);
/// A story that has stood still for so long has all its notes: those of a node that was cut off
/// are written down when it is back.
const STANDS: Duration = Duration::from_millis(250);
/// How much later than another a node may hear that all are there.
const HEARS: Duration = Duration::from_secs(2);
/// How many stories back a story is looked for.
const BACK: usize = 400;
/// The steps that say how the former owner was kept off: one of them stands in each story.
const LEASE_ENDED: &str = "step_lease_ended";
const SWITCHED_OFF: &str = "happened_fenced";
const FOUND_OFF: &str = "happened_found_off";
/// What is said of a node that was shot: what it had been, nobody can tell.
const SILENT: &str = "ms and was then switched off";
/// What is said of a node that was lost and is not back.
const UNKNOWN: &str = "its return will tell";

/// A story as every node told it.
#[derive(Clone, Debug)]
pub struct Telling {
    /// What it was a story of.
    name: String,
    about: Option<&'static str>,
    text: String,
}

/// What the nodes said of one fault.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// The first causes they name; one if they agree.
    pub causes: Vec<String>,
    /// What is wrong with that.
    pub wrong: Option<String>,
}

/// What was done to whom.
#[derive(Clone, Debug)]
pub struct Injected {
    /// What.
    pub pattern: Pattern,
    /// The group.
    pub group: &'static str,
    /// The node that had the group.
    pub node: String,
    /// The link that had its address.
    pub link: String,
    /// How far a clock was moved, in seconds.
    pub stepped: i64,
}

/// What a first cause must contain.
fn cause(injected: &Injected) -> Option<String> {
    let Injected { pattern, node, link, stepped, .. } = injected;
    Some(match pattern {
        Pattern::Move
        | Pattern::Package
        | Pattern::DrillMove
        | Pattern::PgMove
        | Pattern::PairMove
        | Pattern::FullMove => "asked for the move (rehearsal)".into(),
        Pattern::Power
        | Pattern::PowerLeader
        | Pattern::Ipv6
        | Pattern::Warm
        | Pattern::PgPower
        | Pattern::FencedPower
        | Pattern::PairPower
        | Pattern::FullPower => {
            format!("everything of {node} fell silent at once (power off)")
        }
        Pattern::BothLinks | Pattern::RunningLinks => {
            format!("all data links of {node} went down")
        }
        Pattern::ProcessKill | Pattern::FullKill => {
            // The daemon was, in a group of its own; what had handed it the volume ends.
            format!("program on {node} ended by itself")
        }
        Pattern::Shutdown => format!("{node} was shut down in order"),
        Pattern::Isolated | Pattern::FullIsolated => format!("{node} was cut off on every network"),
        Pattern::OneLink => format!("link {link} of {node} went down"),
        Pattern::OneWay => "(one-way loss)".into(),
        Pattern::Freeze => format!("{node} froze for"),
        Pattern::Hung => format!("program/door on {node} was alive but hung"),
        // To the millisecond it depends on when the clocks were looked at.
        Pattern::ClockStep => format!("the clock of {node} stepped by {}", first_digit(*stepped)),
        Pattern::Drain => format!("{node} is being drained"),
        Pattern::Monitor | Pattern::Log | Pattern::RunningMonitor | Pattern::Mutual => {
            format!("the monitor of program/beside on {node} reported a failure")
        }
        Pattern::AllPower
        | Pattern::AgentStop
        | Pattern::AgentLost
        | Pattern::GuardianLost
        | Pattern::GuardianAgentStop
        | Pattern::Rejoin
        | Pattern::DrillIsolate
        | Pattern::NewerAgent
        | Pattern::PairCut
        | Pattern::PairDiskLost
        | Pattern::PairBothPower
        | Pattern::AgentReplace => return None,
        // Whoever knew that it had been cut off is gone with it.
        Pattern::FencedIsolated => SILENT.into(),
    })
}

/// Sign and first digit: `-3` of an hour back.
fn first_digit(seconds: i64) -> String {
    seconds.to_string().chars().take(if seconds < 0 { 2 } else { 1 }).collect()
}

/// About what the nodes are asked, and how far back. A clock that stepped is nothing of a group's
/// own, and it has been set right since.
fn about(injected: &Injected) -> (Option<&'static str>, usize) {
    match injected.pattern {
        Pattern::ClockStep => (None, 1),
        _ => (Some(injected.group), 0),
    }
}

/// Asks every node until all tell one story with the right first cause that grows no more, for a
/// bounded time. A story that every node told is kept for [`all_told_again`].
pub fn ask(stage: &mut Stage, injected: &Injected) -> Told {
    let name = injected.pattern.name();
    let mut causes: Vec<String> = cause(injected).into_iter().collect();
    // On a busy machine the question to the device may take as long as the silence.
    if injected.pattern == Pattern::FencedPower {
        causes.push(SILENT.to_owned());
    }
    let wanted = if causes.is_empty() { Wanted::Any } else { Wanted::OneOf(causes) };
    one_story(stage, (name, about(injected)), &wanted)
}

/// What is wanted of the first cause that nodes name.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// Nothing.
    Any,
    /// One of these.
    OneOf(Vec<String>),
    /// Whatever it was, that it is known by now.
    Known,
}

impl Wanted {
    fn has(&self, cause: &str) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(causes) => causes.iter().any(|one| cause.contains(one)),
            Self::Known => !cause.contains(UNKNOWN),
        }
    }
}

/// The same of whatever has happened (`name`).
pub fn one_story(
    stage: &mut Stage,
    (name, about): (&str, (Option<&'static str>, usize)),
    wanted: &Wanted,
) -> Told {
    let end = now() + LEARNS;
    let mut still = (String::new(), now());
    loop {
        let told = stage.product.explanations(&mut stage.site, about);
        let texts: BTreeSet<&String> = told.iter().map(|(_, text)| text).collect();
        let causes: BTreeSet<String> = texts.iter().map(|text| first_cause(text)).collect();
        let right = causes.iter().all(|cause| wanted.has(cause));
        let one = texts.len() == 1;
        let text = texts.iter().next().map(|text| (*text).clone()).unwrap_or_default();
        if !one || still.0 != text {
            still = (text.clone(), now());
        }
        if one && right && now() >= still.1 + STANDS {
            stage.tellings.push(Telling { name: name.to_owned(), about: about.0, text });
            return Told { causes: causes.into_iter().collect(), wrong: None };
        }
        if now() >= end {
            let wrong = match (one, right) {
                (false, _) => format!("the nodes tell {} stories: {told:?}", texts.len()),
                (true, true) => format!("the story goes on changing: {text}"),
                (true, false) => {
                    format!("{wanted:?} was to be the first cause: {causes:?}: {text}")
                }
            };
            return Told { causes: causes.into_iter().collect(), wrong: Some(wrong) };
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Whether a takeover has left one record with all that is asked of it: cause, who found it, the
/// times of its steps, how the former owner was kept off, and the time until it was ready.
pub fn recorded(stage: &Stage, pattern: Pattern) -> Option<String> {
    let kept_off: &[&str] = match pattern {
        Pattern::Power | Pattern::PairPower => &[LEASE_ENDED],
        // On a busy machine the question may take as long as the silence.
        Pattern::FencedPower => &[FOUND_OFF, SWITCHED_OFF],
        Pattern::FencedIsolated => &[SWITCHED_OFF],
        _ => return None,
    };
    let host = stage.site.hosts.first()?;
    let asked = |words: &[&str]| {
        let text = stage.product.answer(host, words).unwrap_or_default();
        serde_json::from_str::<Value>(&text).unwrap_or_default()
    };
    let story = &asked(&["--json", "explain", stage.group()])["story"];
    let history = asked(&["--json", "history", stage.group()]);
    missing(story, &history, kept_off)
        .map(|what| format!("the record of the takeover has no {what}: {story}"))
}

fn missing(story: &Value, history: &Value, kept_off: &[&str]) -> Option<&'static str> {
    let steps = story["steps"].as_array().cloned().unwrap_or_default();
    let named = |id: &str| steps.iter().any(|step| step["what"]["id"] == id);
    let listed = history["lines"].as_array().is_some_and(|lines| {
        lines.iter().any(|line| !line["epoch"].is_null() && line["epoch"] == story["epoch"])
    });
    let proofs = [LEASE_ENDED, FOUND_OFF, SWITCHED_OFF].into_iter().filter(|id| named(id));
    let proofs: Vec<&str> = proofs.collect();
    let one = |id: &&str| proofs == [*id];
    let has = [
        ("cause", story["cause"]["id"].is_string()),
        ("detecting node", story["decision"]["by"].is_string()),
        ("time of its steps", !steps.is_empty() && steps.iter().all(|s| s["at"].is_string())),
        ("one word of how the former owner was kept off", kept_off.iter().any(one)),
        ("time until ready", story["without_service_ms"].as_u64().is_some_and(|ms| ms > 0)),
        ("line in the history", listed),
    ];
    has.into_iter().find(|(_, there)| !there).map(|(what, _)| what)
}

/// Takes the power from every node, gives it back, and looks whether each tells every story in
/// the same words again. Says what is missing.
///
/// # Errors
/// A cluster that does not become whole again.
pub fn all_told_again(stage: &mut Stage) -> Result<Vec<String>, Trouble> {
    let tellings = std::mem::take(&mut stage.tellings);
    stage.all_power()?;
    stage.wait_whole()?;
    let mut missing = Vec::new();
    for about in tellings.iter().map(|telling| telling.about).collect::<BTreeSet<_>>() {
        let of_it = tellings.iter().filter(|t| t.about == about);
        let wanted: BTreeSet<&str> = of_it.clone().map(|t| t.text.as_str()).collect();
        for (host, told) in stories(stage, about, wanted.clone()) {
            let lost = of_it.clone().filter(|t| !told.contains(&t.text));
            missing.extend(lost.map(|t| {
                let title = |text: &str| text.lines().next().unwrap_or_default().to_owned();
                let now: Vec<_> = told.iter().filter(|n| title(n) == title(&t.text)).collect();
                let (name, was) = (&t.name, &t.text);
                format!("{host} told another story of {name}: {was}\nand now: {now:#?}")
            }));
        }
    }
    println!("stories told again after all nodes lost their power: {}", tellings.len());
    Ok(missing)
}

/// The stories of every node, newest first, as far back as it takes to find those wanted.
fn stories(
    stage: &mut Stage,
    about: Option<&str>,
    wanted: BTreeSet<&str>,
) -> Vec<(String, BTreeSet<String>)> {
    let mut all: Vec<(String, BTreeSet<String>)> = Vec::new();
    for back in 0..BACK {
        let told = stage.product.explanations(&mut stage.site, (about, back));
        all.resize_with(told.len(), Default::default);
        for ((host, text), known) in told.into_iter().zip(&mut all) {
            known.0 = host;
            known.1.insert(text);
        }
        let has = |known: &BTreeSet<String>| wanted.iter().all(|text| known.contains(*text));
        if all.iter().all(|(_, known)| has(known)) || all.iter().all(|(_, k)| k.len() < back) {
            break;
        }
    }
    all
}

/// What a fault would do to the group, as the cluster foretells it: who has it then.
///
/// # Errors
/// An answer that is none.
pub fn foretold(stage: &Stage, pattern: Pattern, owner: usize) -> Result<Option<String>, Trouble> {
    let (group, hosts) = (stage.group(), &stage.site.hosts);
    let (name, next) = (&hosts[owner].name, &hosts[(owner + 1) % hosts.len()].name);
    let suppose: &[&str] = match pattern {
        Pattern::Move
        | Pattern::Package
        | Pattern::PgMove
        | Pattern::PairMove
        | Pattern::FullMove => &["move", group, next],
        Pattern::Drain => &["drain", name],
        Pattern::Power
        | Pattern::PowerLeader
        | Pattern::Isolated
        | Pattern::Ipv6
        | Pattern::Warm
        | Pattern::PgPower
        | Pattern::PairPower
        | Pattern::FullPower
        | Pattern::FullIsolated => &["lose", name],
        Pattern::BothLinks
        | Pattern::ProcessKill
        | Pattern::FullKill
        | Pattern::Shutdown
        | Pattern::AllPower
        | Pattern::OneLink
        | Pattern::OneWay
        | Pattern::Freeze
        | Pattern::AgentStop
        | Pattern::AgentLost
        | Pattern::GuardianLost
        | Pattern::GuardianAgentStop
        | Pattern::Rejoin
        | Pattern::DrillMove
        | Pattern::DrillIsolate
        | Pattern::Hung
        | Pattern::ClockStep
        | Pattern::NewerAgent
        | Pattern::AgentReplace
        | Pattern::Monitor
        | Pattern::Log
        | Pattern::RunningLinks
        | Pattern::RunningMonitor
        | Pattern::Mutual
        | Pattern::PairCut
        | Pattern::PairDiskLost
        | Pattern::PairBothPower
        // What is foretold there is the wait for the device.
        | Pattern::FencedPower
        | Pattern::FencedIsolated => return Ok(None),
    };
    let words: Vec<&str> =
        ["--json", "whatif"].into_iter().chain(suppose.iter().copied()).collect();
    let asked = &hosts[(owner + 1) % hosts.len()];
    // Another node said that all are heard; this one may hear the last of them a beat later.
    let end = now() + HEARS;
    loop {
        let told = stage.product.answer(asked, &words)?;
        match read_outlook(&told, group) {
            Err(_) if lacks_votes(&told) && now() < end => thread::sleep(STANDS / 5),
            found => return found.map(Some),
        }
    }
}

/// Whether the node that was asked would have no majority then.
fn lacks_votes(text: &str) -> bool {
    let outlook: Option<Value> = serde_json::from_str(text).ok();
    outlook.is_some_and(|outlook| outlook["majority"] == false)
}

/// The node that an outlook gives the group.
fn read_outlook(text: &str, group: &str) -> Result<String, Trouble> {
    let odd = || Trouble::Failed(format!("what would happen to the group is not told: {text}"));
    let outlook: Value = serde_json::from_str(text).map_err(|_| odd())?;
    let groups = outlook["groups"].as_array().ok_or_else(odd)?;
    let ours = groups.iter().find(|row| row["group"] == group).ok_or_else(odd)?;
    let to = ours["what"]["values"]["node"].as_str().ok_or_else(odd)?;
    Ok(to.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::product::GROUP;

    #[test]
    fn the_target_is_read_from_an_outlook() {
        let text = r#"{"groups":[{"group":"g1","what":{"id":"x","values":{}}},
            {"group":"counter","what":{"id":"whatif_moves",
             "values":{"group":"counter","source":"n1","node":"n3"}}}]}"#;
        assert_eq!(read_outlook(text, GROUP).unwrap(), "n3");
        assert!(read_outlook("{\"groups\":[]}", GROUP).is_err());
        assert!(lacks_votes("{\"groups\":[],\"majority\":false}"));
        assert!(!lacks_votes(text) && !lacks_votes("{\"majority\":true}") && !lacks_votes(""));
    }

    #[test]
    fn a_record_that_lacks_something_is_found() {
        let story: Value = serde_json::from_str(
            r#"{"cause":{"id":"cause_power_off"},"decision":{"by":"n2"},"epoch":"e1.4",
                "steps":[{"at":"2026-11-21T04:58:39.123Z","what":{"id":"step_lease_ended"}}],
                "without_service_ms":612}"#,
        )
        .unwrap();
        let history: Value = serde_json::from_str(r#"{"lines":[{"epoch":"e1.4"}]}"#).unwrap();
        assert_eq!(missing(&story, &history, &[LEASE_ENDED]), None);
        assert_eq!(missing(&story, &Value::Null, &[LEASE_ENDED]), Some("line in the history"));
        let other = missing(&story, &history, &[FOUND_OFF, SWITCHED_OFF]);
        assert_eq!(other, Some("one word of how the former owner was kept off"));
        for (field, what) in [("cause", "cause"), ("without_service_ms", "time until ready")] {
            let mut less = story.clone();
            less[field] = Value::Null;
            assert_eq!(missing(&less, &history, &[LEASE_ENDED]), Some(what));
        }
    }

    #[test]
    fn what_was_injected_is_in_the_cause_that_is_wanted() {
        let wanted = |pattern, stepped| {
            let (node, link) = ("n2".into(), "eth1".into());
            cause(&Injected { pattern, group: GROUP, node, link, stepped })
        };
        assert!(wanted(Pattern::Power, 0).unwrap().contains("n2"));
        assert!(wanted(Pattern::OneLink, 0).unwrap().contains("link eth1 of n2"));
        assert!(wanted(Pattern::ClockStep, -3600).unwrap().ends_with("stepped by -3"));
        assert!(wanted(Pattern::ClockStep, 3600).unwrap().ends_with("stepped by 3"));
        assert_eq!(wanted(Pattern::Rejoin, 0), None);
    }
}
