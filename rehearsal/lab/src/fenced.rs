//! What must hold where nodes have fence devices: who asked them, and who lost the power by it.

use std::thread;
use std::time::Duration;

use crate::Trouble;
use crate::fence::{Action, Noted};
use crate::kernel::now;
use crate::pattern::Pattern;
use crate::product::ask_by_hand;
use crate::stage::Stage;

/// What the exit code of a fence agent says of a host that has power.
const ON: i32 = 0;
/// A node tests the devices soon after its start.
const TESTED: Duration = Duration::from_secs(10);
/// Longer than a run of the fence agent takes, on a busy machine too.
const ANSWERED: Duration = Duration::from_millis(300);

/// A node that has lost all links reaches the devices still, or it rehearses nothing that it
/// switches nobody off. What is wrong if it does not.
#[must_use]
pub fn does_not_reach(stage: &Stage, owner: usize) -> Option<String> {
    let hosts = &stage.site.hosts;
    let (host, other) = (&hosts[owner], &hosts[(owner + 1) % hosts.len()].name);
    match ask_by_hand(host, other) {
        Ok((ON, _)) => None,
        Ok((code, said)) => Some(format!("{} asked for {other}: {code} {said}", host.name)),
        Err(trouble) => Some(trouble.to_string()),
    }
}

/// Waits until every other node has tested the device of `owner` in this life of it, so that what
/// the device says of the state can be believed. What is wrong if one does not.
///
/// # Errors
/// When there is no device.
pub fn untested(stage: &Stage, owner: usize) -> Result<Option<String>, Trouble> {
    let hosts = &stage.site.hosts;
    let plug = &hosts[owner].name;
    let others: Vec<_> = hosts.iter().filter(|host| host.name != *plug).collect();
    let end = now() + TESTED;
    loop {
        let noted = stage.device()?.noted_since(Duration::ZERO);
        let waits = others.iter().find(|host| {
            let since = host.on_since().unwrap_or(Duration::MAX);
            let by_it = |n: &&Noted| n.by == host.name && n.plug == *plug && n.at >= since;
            !noted.iter().filter(by_it).any(|n| n.action == Action::Status)
        });
        match waits {
            // The answer is there a moment after the question.
            None => {
                thread::sleep(ANSWERED);
                return Ok(None);
            }
            Some(host) if now() >= end => {
                return Ok(Some(format!("{} never tested the device of {plug}", host.name)));
            }
            Some(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// How many other nodes than `lost` were switched off since `since`; none without devices.
#[must_use]
pub fn healthy_shot(stage: &Stage, (lost, since): (&str, Duration)) -> Option<usize> {
    let noted = stage.device().ok()?.noted_since(since);
    Some(noted.iter().filter(|noted| is_healthy_shot(noted, lost)).count())
}

/// Whoever was switched off since `since` and is none of `befallen`.
#[must_use]
pub fn shot_but(stage: &Stage, (befallen, since): (&[&str], Duration)) -> Vec<String> {
    let noted = stage.device().map(|device| device.noted_since(since)).unwrap_or_default();
    let shot = noted.into_iter().filter_map(|noted| noted.shot);
    let healthy = shot.filter(|shot| !befallen.contains(&shot.as_str()));
    healthy.map(|shot| format!("{shot} was healthy and was shot")).collect()
}

fn is_healthy_shot(noted: &Noted, lost: &str) -> bool {
    noted.shot.as_deref().is_some_and(|shot| shot != lost)
}

/// What is not as it must be once another node has the group of the one that was hit at `since`,
/// before anything is put right.
///
/// # Errors
/// When there is no device to ask.
pub fn wrong(
    stage: &mut Stage,
    pattern: Pattern,
    (owner, since): (usize, Duration),
) -> Result<Vec<String>, Trouble> {
    if !pattern.is_fenced() {
        return Ok(Vec::new());
    }
    let noted = stage.device()?.noted_since(since);
    let host = &mut stage.site.hosts[owner];
    let proof = if pattern == Pattern::FencedPower { Proof::Any } else { Proof::Switched };
    let mut wrong = against(&noted, &host.name, proof);
    if host.is_on() {
        wrong.push(format!("{} has power still", host.name));
    }
    Ok(wrong)
}

/// How the others may have learnt that a node is off.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// They had it switched off, or the device said so.
    Any,
    /// It lives until they have it switched off.
    Switched,
}

/// What the device has noted that speaks against how it must be: the others have had `lost`
/// switched off, or asked whether it is off where it may be; it has had nobody switched off, and
/// nobody else has lost the power.
fn against(noted: &[Noted], lost: &str, proof: Proof) -> Vec<String> {
    let off = || noted.iter().filter(|noted| noted.action == Action::Off);
    let by_others = |noted: &&Noted| noted.plug == lost && noted.by != lost;
    let states = noted.iter().filter(by_others).filter(|noted| noted.action == Action::Status);
    let mut wrong = Vec::new();
    // Off is believed when it is said twice.
    let found = proof == Proof::Any && states.count() >= 2;
    if !found && !off().any(|noted| by_others(&noted)) {
        wrong.push(format!("nobody asked to have {lost} switched off"));
    }
    let tried = off().filter(|noted| noted.by == lost);
    wrong.extend(tried.map(|noted| format!("{lost} asked to have {} switched off", noted.plug)));
    let shot = noted.iter().filter(|noted| is_healthy_shot(noted, lost));
    wrong.extend(shot.map(|noted| format!("a healthy node was shot: {noted:?}")));
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(by: &str, action: Action, (plug, shot): (&str, Option<&str>)) -> Noted {
        let (by, plug, shot) = (by.to_owned(), plug.to_owned(), shot.map(str::to_owned));
        Noted { at: Duration::ZERO, by, action, plug, shot }
    }

    #[test]
    fn whoever_is_shot_but_the_one_that_was_hit_is_counted() {
        let right = noted("n2", Action::Off, ("n1", Some("n1")));
        let looked = noted("n1", Action::Status, ("n2", None));
        let against = |all: &[Noted]| super::against(all, "n1", Proof::Switched);
        assert_eq!(against(&[looked.clone(), right.clone()]), Vec::<String>::new());
        assert_eq!(against(&[looked]).len(), 1, "nobody had it switched off");
        let duel = noted("n1", Action::Off, ("n2", Some("n2")));
        assert_eq!(against(&[right.clone(), duel.clone()]).len(), 2, "it asked, and it shot");
        let asked = noted("n2", Action::Status, ("n1", None));
        let found = [asked.clone(), asked.clone()];
        assert_eq!(against(&found).len(), 1, "one that lives is to be switched off");
        assert!(super::against(&found, "n1", Proof::Any).is_empty());
        assert_eq!(super::against(&[asked], "n1", Proof::Any).len(), 1, "once is no proof");
        assert!(is_healthy_shot(&duel, "n1") && !is_healthy_shot(&right, "n1"));
        let asker = noted("n2", Action::Off, ("n1", Some("n2")));
        assert!(is_healthy_shot(&asker, "n1"));
    }
}
