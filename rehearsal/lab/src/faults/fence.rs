//! Fence devices that are slow, absent, lie, or switch off the one who asks, where a group waits
//! until its owner is off for certain.
//!
//! What protects against a device that says off of a machine that lives, and says so again when it
//! is asked for the state: nothing could tell, so the group is taken over on its word. The owner's
//! own deadline has passed before anybody calls it silent, so its guardian has begun to take the
//! group down before the device is asked at all. What does not protect any more is the wait for
//! that: an owner whose stop takes all the time that it is allowed, or that stands still, may have
//! the volume a moment longer than the next one waits. So a device that says off of a machine that
//! is heard is told at once.
//!
//! A device that has said on as long as the owner was heard, and says off of it as soon as it is
//! cut off, is believed before that deadline (decision 21): `fence-lies-early` shows what comes of
//! it.

use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::{SAYS, roles, until};
use crate::Trouble;
use crate::fence::{Action, Device, Does, PASSWORD};
use crate::fenced;
use crate::host::{ALL_LINKS, LOG, STATE};
use crate::judged;
use crate::kernel::now;
use crate::outage::{BEFORE, Outage};
use crate::stage::Stage;

const FAILED: &str = "TSUG10322-E";
const SLOW: &str = "TSUG10323-E";
const WRONG: &str = "TSUG10326-E";
const LIED: &str = "TSUG10328-E";
const ASKER_LOST: &str = "TSUG10332-E";
const WAITS: &str = "TSUG10104-E";
/// Longer than a fence agent may take, as it is configured.
const LATE: Duration = Duration::from_secs(2);
/// The longest lease of the default profile.
const LEASE: Duration = Duration::from_millis(560);
/// Longer than any lease.
const NO_LEASE: Duration = Duration::from_secs(1);
/// Unanswered calls are asked again for this long.
const SETTLE: Duration = Duration::from_secs(3);

/// How the owner is lost.
#[derive(Clone, Copy)]
enum Loss {
    Power,
    /// It lives, and hears nobody.
    Links,
}

/// An owner that was just lost.
struct Struck {
    owner: usize,
    others: [usize; 2],
    at: Duration,
}

fn strike(stage: &mut Stage, does: Does, loss: Loss) -> Result<Struck, Trouble> {
    let [owner, second, third] = roles(stage)?;
    stage.device()?.set(does);
    let host = &mut stage.site.hosts[owner];
    let at = match loss {
        Loss::Power => host.power_off()?,
        Loss::Links => {
            let at = now();
            host.cut(&ALL_LINKS, true);
            at
        }
    };
    Ok(Struck { owner, others: [second, third], at })
}

/// The device gives no answer within its time. While the fence agent waits for it, nobody can see
/// the password: not in a command line, an environment, or a file that is written.
pub(super) fn slow(stage: &mut Stage) -> Result<Vec<String>, Trouble> {
    let struck = strike(stage, Does::Slow(LATE), Loss::Power)?;
    let mut wrong = Vec::new();
    if !until(SAYS, || was_asked(stage, &struck)) {
        wrong.push("nobody asked the device".to_owned());
    }
    wrong.extend(password_of_a_process(stage, &struck));
    wrong.extend(has_waited(stage, &struck, SLOW)?);
    wrong.extend(password_in_a_file(stage, &struck)?);
    // What it does late it does to a machine without power, and to no later life of it.
    stage.device()?.set(Does::AtOnce);
    if !until(SAYS, || stage.device().is_ok_and(Device::is_idle)) {
        wrong.push("the device never ended".to_owned());
    }
    wrong.extend(ended(stage, &struck)?);
    Ok(wrong)
}

/// Nothing answers where the device should be.
pub(super) fn absent(stage: &mut Stage) -> Result<Vec<String>, Trouble> {
    let struck = strike(stage, Does::Nothing, Loss::Power)?;
    let mut wrong = has_waited(stage, &struck, FAILED)?;
    wrong.extend(ended(stage, &struck)?);
    Ok(wrong)
}

/// The device says that it has switched off an owner that lives, and tells the truth of its state.
pub(super) fn lies(stage: &mut Stage) -> Result<Vec<String>, Trouble> {
    let struck = strike(stage, Does::LiesOfTheDeed, Loss::Links)?;
    let mut wrong = has_waited(stage, &struck, LIED)?;
    wrong.extend(ended(stage, &struck)?);
    Ok(wrong)
}

/// It says off when it is asked for the state, too. The group is taken over, and the device is
/// told of once the owner is heard.
pub(super) fn lies_throughout(stage: &mut Stage) -> Result<Vec<String>, Trouble> {
    let struck = strike(stage, Does::LiesThroughout, Loss::Links)?;
    let mut wrong = Vec::new();
    let name = stage.site.hosts[struck.owner].name.clone();
    if !until(SAYS, || stage.whole_owner().is_some_and(|owner| owner != name)) {
        wrong.push(format!("not taken over, or {name} has let go of nothing: {:?}", stage.parts()));
    }
    let host = &mut stage.site.hosts[struck.owner];
    if !host.is_on() {
        wrong.push(format!("{name} was to live on"));
    }
    host.cut(&ALL_LINKS, false);
    let [second, _] = struck.others;
    if !until(SAYS, || tells(stage, second, WRONG)) {
        wrong.push(format!("nobody said {WRONG} of {name}, which is heard"));
    }
    wrong.extend(ended(stage, &struck)?);
    if !until(SAYS, || !tells(stage, second, WRONG)) {
        wrong.push(format!("{WRONG} stays, and the device tells the truth"));
    }
    Ok(wrong)
}

/// The device has said on as long as the owner was heard, and says off of it from the moment it is
/// cut off, before anybody has it switched off. Nothing could tell, so the group is taken over on
/// its word, and the owner may have it too until its own deadline: how long is shown, and is less
/// than a lease. The device is told of once the owner is heard.
pub(super) fn lies_early(stage: &mut Stage) -> Result<Vec<String>, Trouble> {
    let [owner, second, third] = roles(stage)?;
    let mut wrong: Vec<String> = fenced::untested(stage, owner)?.into_iter().collect();
    let name = stage.site.hosts[owner].name.clone();
    stage.device()?.lie_of(&name);
    let at = now();
    stage.site.hosts[owner].cut(&ALL_LINKS, true);
    let struck = Struck { owner, others: [second, third], at };
    if !until(SAYS, || stage.whole_owner().is_some_and(|owner| owner != name)) {
        wrong.push(format!("not taken over, or {name} has let go of nothing: {:?}", stage.parts()));
    }
    if !until(SAYS, || was_found_off(stage, second, &name)) {
        wrong.push(format!("nobody tells that the device said off of {name}"));
    }
    let (twice, _) = judged::held_twice(stage, at.saturating_sub(BEFORE));
    println!("    held twice for {:.1} ms", twice.as_secs_f64() * 1e3);
    let host = &mut stage.site.hosts[owner];
    if !host.is_on() {
        wrong.push(format!("{name} was to live on"));
    }
    host.cut(&ALL_LINKS, false);
    if !until(SAYS, || tells(stage, second, WRONG)) {
        wrong.push(format!("nobody said {WRONG} of {name}, which is heard"));
    }
    wrong.extend(ended_after(stage, &struck, LEASE)?);
    Ok(wrong)
}

fn was_found_off(stage: &Stage, at: usize, lost: &str) -> bool {
    let host = &stage.site.hosts[at];
    let told = stage.product.answer(host, &["--json", "history", lost]).unwrap_or_default();
    told.contains("happened_found_off")
}

/// The device switches off whoever asks it, as one does whose ports were mixed up. The owner lives:
/// of one without power the state would be enough.
pub(super) fn shoots_the_asker(stage: &mut Stage) -> Result<Vec<String>, Trouble> {
    let struck = strike(stage, Does::ShootsTheAsker, Loss::Links)?;
    let shot = |stage: &Stage| {
        let noted = stage.device().map(|device| device.noted_since(struck.at));
        let shot = noted.unwrap_or_default().into_iter().find_map(|noted| noted.shot);
        shot.and_then(|name| stage.place_of(&name).ok())
    };
    let mut wrong = Vec::new();
    until(SAYS, || shot(stage).is_some());
    match shot(stage).and_then(|asker| struck.others.into_iter().find(|at| *at != asker)) {
        Some(left) => {
            if !until(SAYS, || tells(stage, left, ASKER_LOST)) {
                let name = &stage.site.hosts[left].name;
                wrong.push(format!("{name} never said {ASKER_LOST}"));
            }
            wrong.extend(taken_without_proof(stage, &struck));
        }
        None => wrong.push("the asker was to lose its power".to_owned()),
    }
    let shots = stage.device()?.noted_since(struck.at).into_iter().filter_map(|n| n.shot).count();
    if shots != 1 {
        wrong.push(format!("{shots} nodes were shot: who is left asks nobody by himself"));
    }
    wrong.extend(ended(stage, &struck)?);
    Ok(wrong)
}

fn was_asked(stage: &Stage, struck: &Struck) -> bool {
    let noted = stage.device().map(|device| device.noted_since(struck.at)).unwrap_or_default();
    noted.iter().any(|noted| noted.action == Action::Off)
}

/// Whether the status of a node names this message.
fn tells(stage: &Stage, at: usize, id: &str) -> bool {
    let host = &stage.site.hosts[at];
    stage.product.answer(host, &["status", "--json"]).is_ok_and(|said| said.contains(id))
}

/// The fence failed, which is told as `id` and stands in the history, and the group waits: longer
/// than any lease, and nobody has taken any part of it. What is wrong if not.
fn has_waited(stage: &mut Stage, struck: &Struck, id: &str) -> Result<Vec<String>, Trouble> {
    let mut wrong = Vec::new();
    let [second, third] = struck.others;
    for wanted in [id, WAITS] {
        if !until(SAYS, || tells(stage, second, wanted) && tells(stage, third, wanted)) {
            wrong.push(format!("not both that are left said {wanted}"));
        }
    }
    if !until(SAYS, || has_failed(stage, struck)) {
        wrong.push("the history has no fence that failed".to_owned());
    }
    thread::sleep((struck.at + NO_LEASE).saturating_sub(now()));
    wrong.extend(taken_without_proof(stage, struck));
    Ok(wrong)
}

fn has_failed(stage: &Stage, struck: &Struck) -> bool {
    let (host, lost) = (&stage.site.hosts[struck.others[0]], &stage.site.hosts[struck.owner].name);
    let told = stage.product.answer(host, &["--json", "history", lost]).unwrap_or_default();
    let history: Value = serde_json::from_str(&told).unwrap_or_default();
    let lines = history["lines"].as_array().cloned().unwrap_or_default();
    lines.last().is_some_and(|line| line["what"]["id"] == "happened_fence_failed")
}

fn taken_without_proof(stage: &mut Stage, struck: &Struck) -> Option<String> {
    let lost = stage.site.hosts[struck.owner].name.clone();
    let parts = stage.parts();
    let taken = parts.iter().any(|(name, has)| *name != lost && *has != [false; 3]);
    taken.then(|| format!("taken over without a proof that {lost} is off: {parts:?}"))
}

/// Mends the device and starts the node anew that it failed to switch off, or said to be off: that
/// life of it is over. Looks at what the callers got and at who held the address meanwhile.
fn ended(stage: &mut Stage, struck: &Struck) -> Result<Vec<String>, Trouble> {
    ended_after(stage, struck, Duration::ZERO)
}

/// The same where two may have held the address for so long.
fn ended_after(
    stage: &mut Stage,
    struck: &Struck,
    twice: Duration,
) -> Result<Vec<String>, Trouble> {
    stage.device()?.set(Does::AtOnce);
    stage.site.hosts[struck.owner].power_off()?;
    stage.wait_whole()?;
    let since = struck.at.saturating_sub(BEFORE);
    let open = stage.client().settle(since, SETTLE);
    let seen = Outage::of(&stage.client().calls_since(since), struck.at, now(), open.len());
    let mut wrong = Vec::new();
    if seen.lost + seen.doubled > 0 {
        wrong.push(format!("lost {} doubled {}", seen.lost, seen.doubled));
    }
    let (held_twice, by) = judged::held_twice(stage, since);
    wrong.extend(by.filter(|_| held_twice > twice));
    stage.forget(since);
    stage.site.wire.instruments().switch.forget(since);
    Ok(wrong)
}

/// A fence agent runs now: its password stands in no command line and no environment of whoever
/// runs on a node. What is wrong if it does, or if there is none to look at.
fn password_of_a_process(stage: &Stage, struck: &Struck) -> Vec<String> {
    let hosts = struck.others.map(|at| &stage.site.hosts[at]);
    let all: Vec<_> = hosts.iter().flat_map(|host| host.processes()).collect();
    let mut wrong = Vec::new();
    if !all.iter().any(|process| process.argv.iter().any(|word| word == "fence-device")) {
        wrong.push("no fence agent was running to be looked at".to_owned());
    }
    for process in &all {
        let around = std::fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
        if process.argv.concat().contains(PASSWORD) || holds(&around) {
            wrong.push(format!("the password can be read from {:?}", process.argv));
        }
    }
    wrong
}

/// Nothing that a node has written down holds the password.
fn password_in_a_file(stage: &Stage, struck: &Struck) -> Result<Vec<String>, Trouble> {
    let mut wrong = Vec::new();
    for at in struck.others {
        let host = &stage.site.hosts[at];
        for place in [LOG, STATE] {
            look_into(&host.place(place)?, &mut wrong)?;
        }
    }
    Ok(wrong)
}

fn look_into(path: &Path, wrong: &mut Vec<String>) -> io::Result<()> {
    let about = std::fs::symlink_metadata(path)?;
    if about.is_dir() {
        for entry in std::fs::read_dir(path)? {
            match look_into(&entry?.path(), wrong) {
                // The node goes on meanwhile.
                Err(gone) if gone.kind() == io::ErrorKind::NotFound => {}
                done => done?,
            }
        }
    } else if about.is_file() && holds(&std::fs::read(path)?) {
        wrong.push(format!("the password stands in {}", path.display()));
    }
    Ok(())
}

fn holds(bytes: &[u8]) -> bool {
    bytes.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes())
}
