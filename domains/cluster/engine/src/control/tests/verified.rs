//! A configuration is applied after every node has looked what it has of what that needs.

use super::*;
use crate::parity::{Machine, Others, Place, Rounds};

/// What the control socket asks for the rounds.
pub(super) type Looking = Arc<dyn Fn() -> Option<Arc<Rounds>> + Send + Sync>;

/// Nobody else can be asked.
struct Nobody;

impl Others for Nobody {
    fn ask(&self, _node: &NodeName, _body: Vec<u8>) -> Later<Result<Vec<u8>, String>> {
        Box::pin(async { Err("no route".to_owned()) })
    }
}

/// A cluster whose node2 looks at this machine.
fn site() -> Site {
    let folder = std::env::temp_dir();
    let place = Place {
        authority: "ab12".to_owned(),
        version: "0.1.0 x86_64".to_owned(),
        data: folder.clone(),
        runs: folder,
        machine: Machine::here,
    };
    // What it knows stays as it is, so nobody has to tell it anything.
    let (_told, standing) = watch::channel(Arc::new(standing(record())));
    let rounds = Arc::new(Rounds::new(standing, Arc::new(Nobody), place));
    Site::with_rounds(&record(), Arc::new(move || Some(Arc::clone(&rounds))))
}

/// The file with this program in PAY.
fn with(program: &str) -> String {
    let head = "[[group.PAY.resource]]\nname = \"server\"\nkind = \"process\"\n";
    format!("{FILE}{head}run = [\"{program}\"]\n")
}

#[test]
fn ph_16_what_would_be_missing_keeps_a_configuration_from_being_applied() {
    let site = site();
    let missing = with("/nonexistent/server");
    let refused = no(site.change(command("c-1", apply(&missing, None))));
    assert_eq!((refused.kind, refused.what.id.as_str()), (No::Refused, "TSUG10646-E"));
    let told: Vec<String> = refused.because.iter().map(text).collect();
    assert!(told.iter().any(|t| t.contains("program:/nonexistent/server")), "{told:?}");
    assert_eq!(site.record().config.unwrap().version, 1, "nothing was applied");

    let mut dry = command("c-2", apply(&missing, None));
    dry.how = How::DryRun;
    let Reply::Outlook(outlook) = site.change(dry) else { panic!("an outlook") };
    let told: Vec<String> = outlook.notes.iter().map(text).collect();
    assert!(told.iter().any(|t| t.contains("program:/nonexistent/server")), "{told:?}");

    let reply = site.change(command("c-3", apply(&with("/bin/sh"), None)));
    assert!(matches!(reply, Reply::Done(_)), "what is there can be applied: {reply:?}");
}

#[test]
fn ph_16_a_person_may_take_it_as_it_is_and_has_to_say_why() {
    let site = site();
    let text_ = with("/nonexistent/server");
    let unverified = || {
        let text = text_.clone();
        Operation::Apply { text, confirm_within: None, verify: Verify::Skipped }
    };
    let mut silent = command("c-1", unverified());
    silent.reason = " ".to_owned();
    let refused = no(site.change(silent));
    assert_eq!((refused.kind, refused.rule), (No::Refused, 5), "a reason is missing");
    let reply = site.change(command("c-2", unverified()));
    assert!(matches!(reply, Reply::Done(_)), "{reply:?}");
    assert_eq!(site.record().config.unwrap().text, text_);
}

#[test]
fn ph_16_a_node_that_cannot_be_reached_is_told_and_keeps_nobody_from_a_change() {
    let site = site();
    let more = format!("{FILE}[group.LOG]\nprefer = [\"node1\"]\n");
    let Reply::Done(done) = site.change(command("c-1", apply(&more, None))) else {
        panic!("it is applied")
    };
    let told: Vec<String> = done.notes.iter().map(text).collect();
    assert!(told.iter().any(|t| t.contains("node1") && t.contains("no route")), "{told:?}");
}
