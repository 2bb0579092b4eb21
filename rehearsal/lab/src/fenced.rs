//! What must hold where nodes have fence devices: who asked them, and who lost the power by it.

use std::time::Duration;

use crate::Trouble;
use crate::fence::{Action, Noted};
use crate::pattern::Pattern;
use crate::product::ask_by_hand;
use crate::stage::Stage;

/// What the exit code of a fence agent says of a host that has power.
const ON: i32 = 0;

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

/// How many other nodes than `lost` were switched off since `since`; none without devices.
#[must_use]
pub fn healthy_shot(stage: &Stage, (lost, since): (&str, Duration)) -> Option<usize> {
    let noted = stage.device().ok()?.noted_since(since);
    Some(noted.iter().filter(|noted| is_healthy_shot(noted, lost)).count())
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
    let mut wrong = against(&noted, &host.name);
    if host.is_on() {
        wrong.push(format!("{} has power still", host.name));
    }
    Ok(wrong)
}

/// What the device has noted that speaks against how it must be: the others have had `lost`
/// switched off, it has asked for nobody, and nobody else has lost the power.
fn against(noted: &[Noted], lost: &str) -> Vec<String> {
    let off = || noted.iter().filter(|noted| noted.action == Action::Off);
    let mut wrong = Vec::new();
    if !off().any(|noted| noted.plug == lost && noted.by != lost) {
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
        assert_eq!(against(&[looked.clone(), right.clone()], "n1"), Vec::<String>::new());
        assert_eq!(against(&[looked], "n1").len(), 1, "nobody had it switched off");
        let duel = noted("n1", Action::Off, ("n2", Some("n2")));
        assert_eq!(against(&[right.clone(), duel.clone()], "n1").len(), 2, "it asked, and it shot");
        assert!(is_healthy_shot(&duel, "n1") && !is_healthy_shot(&right, "n1"));
        let asker = noted("n2", Action::Off, ("n1", Some("n2")));
        assert!(is_healthy_shot(&asker, "n1"));
    }
}
