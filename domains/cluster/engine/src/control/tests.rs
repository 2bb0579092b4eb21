//! Over a real socket, on a ledger in memory: what is asked, refused, changed and audited.

mod begun;
mod foretold;
mod socket;
mod undone;
mod verified;

use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::watch;
use tsugi_cluster_rules::plan::Settled;
use tsugi_cluster_rules::record::{AuditRecord, Record, Write};
use tsugi_ledger::{ClusterId, Memory, Voter, VoterId};
use tsugi_messages as messages;
use tsugi_vocabulary::{Generation, Index, Wall};
use tsugi_wire::control as wire;
use tsugi_wire::control::report::{Goal, No, Refused, Wants};
use tsugi_wire::control::{Ask, Change, How, Operation, Reply, Request, VERSION, Verify, talk};

use super::view::scenes::{FILE, group, node, record, standing, text, with_pay};
use super::*;
use crate::records;
use crate::standing::Standing;

/// How long anything may take that a test waits for: far more than it should.
const LONG: Duration = Duration::from_secs(40);

#[track_caller]
fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LONG, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A membership that keeps what it was asked.
#[derive(Default)]
struct Members(Mutex<Vec<String>>);

impl Members {
    fn keep(&self, what: String) -> Later<Result<Made, Message>> {
        self.0.lock().unwrap().push(what);
        let what = messages::token_made("node2", 60);
        Box::pin(async { Ok(Made { what, secret: Some("secret".to_owned()) }) })
    }
}

impl Membership for Members {
    fn init(&self, config: AppliedConfig, by: AuditRecord) -> Later<Result<Made, Message>> {
        self.keep(format!("init {} by {}: {}", config.spec.name, by.person, by.words))
    }
    fn disk(&self, _config: AppliedConfig) -> Later<Result<Option<Message>, Message>> {
        Box::pin(async { Ok(None) })
    }
    fn join(&self, token: String) -> Later<Result<Made, Message>> {
        self.keep(format!("join {token}"))
    }
    fn token(&self, node: NodeName, _good_for: Span) -> Later<Result<Made, Message>> {
        self.keep(format!("token {node}"))
    }
}

/// An agent without a core: a ledger in memory, a picture made by hand, a real socket.
struct Site {
    folder: tempfile::TempDir,
    ledger: Memory,
    standing: watch::Sender<Arc<Standing>>,
    members: Arc<Members>,
    runtime: tokio::runtime::Runtime,
}

type GetLedger = Arc<dyn Fn() -> Option<Arc<dyn Ledger>> + Send + Sync>;

fn services(
    standing: watch::Receiver<Arc<Standing>>,
    ledger: GetLedger,
    membership: Arc<Members>,
) -> Services {
    Services {
        view: AgentView { standing },
        ledger: Arc::clone(&ledger),
        proposer: Arc::new(Direct::new(ledger)),
        membership,
        heard: Arc::new(|| None),
        parity: Arc::new(|| None),
    }
}

impl Site {
    fn with(record: &Record) -> Self {
        Self::with_rounds(record, Arc::new(|| None))
    }

    /// The same with nodes that look.
    fn with_rounds(record: &Record, parity: verified::Looking) -> Self {
        let voter = Voter { id: VoterId(1), node: node("node2") };
        let ledger = Memory::founded(ClusterId(7), &voter);
        let mut draft = Draft::default();
        if let Some(config) = &record.config {
            draft = draft.write(Write::Config(Arc::clone(config)));
        }
        for (name, known) in &record.nodes {
            draft = draft.write(Write::Node(name.clone(), Arc::clone(&known.value)));
        }
        for (name, known) in &record.groups {
            draft = draft.write(Write::Group(name.clone(), Arc::clone(&known.value)));
        }
        let change = records::change(&draft, &ledger.view(), &Record::default()).unwrap();
        ledger.commit_now(change).unwrap();
        let (standing, view) = watch::channel(Arc::new(standing(record.clone())));
        let folder = tempfile::tempdir().unwrap();
        let members = Arc::new(Members::default());
        let handle: Arc<dyn Ledger> = Arc::new(ledger.handle(VoterId(1)));
        let empty = record.config.is_none();
        let get: GetLedger = Arc::new(move || (!empty).then(|| Arc::clone(&handle)));
        let services = Services { parity, ..services(view, get, members.clone()) };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let path = folder.path().join("control.sock");
        let bound = path.clone();
        runtime.spawn(async move { serve(&bound, services).await });
        until("the socket is there", || path.exists());
        Self { folder, ledger, standing, members, runtime }
    }

    fn ask(&self, request: Request) -> Reply {
        let ask = Ask { version: VERSION, request };
        let path = self.folder.path().join("control.sock");
        talk::ask(&path, &ask, Duration::from_secs(20)).expect("the agent answers").reply
    }

    fn change(&self, change: Change) -> Reply {
        self.ask(Request::Change(change))
    }

    fn record(&self) -> Record {
        records::record(&self.ledger.view(), &Record::default()).unwrap()
    }

    fn audit(&self) -> Vec<records::AuditLink> {
        records::audit(&self.ledger.view()).unwrap()
    }
}

fn apply(text: &str, confirm_within: Option<Span>) -> Operation {
    Operation::Apply { text: text.to_owned(), confirm_within, verify: Verify::First }
}

fn command(id: &str, what: Operation) -> Change {
    Change {
        command: id.to_owned(),
        words: format!("tsugi {id}"),
        reason: "disk replaced".to_owned(),
        origin: "console".to_owned(),
        decided_on: None,
        how: How::ForReal,
        what,
    }
}

fn move_pay() -> Operation {
    Operation::Move { group: "PAY".to_owned(), to: None }
}

#[track_caller]
fn no(reply: Reply) -> Refused {
    match reply {
        Reply::No(refused) => refused,
        other => panic!("it was not refused: {other:?}"),
    }
}

#[test]
fn i21_a_change_is_in_the_audit_with_person_origin_reason_and_generation() {
    let site = Site::with(&record());
    let reply = site.change(command("c-1", move_pay()));
    assert!(matches!(&reply, Reply::Done(done) if done.command == "c-1"), "{reply:?}");
    let links = site.audit();
    let entry = &links[0].entry;
    assert_eq!(links.len(), 1);
    assert_eq!(entry.reason, "disk replaced");
    assert_eq!(entry.origin, "console");
    assert!(!entry.person.is_empty(), "the peer of the socket is named");
    assert_eq!(entry.decided_on, Generation(0));
    let moved = site.record().group(&group("PAY")).cloned().unwrap();
    assert_eq!(moved.location, Some(node("node2")), "{moved:?}");
}

#[test]
fn i21_the_same_command_a_second_time_has_no_effect() {
    let site = Site::with(&record());
    site.change(command("c-1", move_pay()));
    let before = site.record();
    let refused = no(site.change(command("c-1", move_pay())));
    assert_eq!((refused.kind, refused.rule), (No::Refused, 1));
    assert_eq!(site.record().groups, before.groups);
    assert_eq!(site.audit().len(), 1);
}

#[test]
fn a_command_decided_on_an_old_view_is_refused_and_the_refusal_audited() {
    let site = Site::with(&record());
    site.change(command("c-1", move_pay()));
    let mut stale = command("c-2", Operation::Clear { group: "PAY".to_owned() });
    stale.decided_on = Some(Generation(0));
    let refused = no(site.change(stale));
    assert_eq!(refused.rule, 2);
    assert!(text(&refused.what).contains("generation"), "{}", text(&refused.what));
    let audit = site.audit();
    assert!(audit[1].entry.outcome.starts_with("refused 2"), "{}", audit[1].entry.outcome);
}

#[test]
fn what_interrupts_service_needs_a_reason() {
    let site = Site::with(&record());
    let mut bare = command("c-1", Operation::Stop { group: "PAY".to_owned() });
    bare.reason = String::new();
    let refused = no(site.change(bare));
    assert_eq!((refused.kind, refused.rule), (No::Refused, 5));
}

#[test]
fn an_unknown_group_is_not_found_and_the_one_that_was_meant_is_named() {
    let site = Site::with(&record());
    let refused = no(site.change(command("c-1", Operation::Stop { group: "PYA".to_owned() })));
    assert_eq!(refused.kind, No::NotFound);
    assert!(text(&refused.what).contains("PAY"), "{}", text(&refused.what));
}

#[test]
fn a_dry_run_says_what_would_happen_and_leaves_no_trace() {
    let site = Site::with(&record());
    let before = site.ledger.view().applied;
    let mut dry = command("c-1", move_pay());
    dry.how = How::DryRun;
    let Reply::Outlook(outlook) = site.change(dry) else { panic!("an outlook") };
    assert_eq!(text(&outlook.groups[0].what), "PAY goes from node1 to node2");
    assert_eq!(site.ledger.view().applied, before);
}

#[test]
fn sec18_the_audit_is_verified_from_its_first_entry() {
    let site = Site::with(&record());
    site.change(command("c-1", move_pay()));
    site.change(command("c-2", Operation::Drain { node: "node1".to_owned() }));
    let Reply::Verified(verified) = site.ask(Request::AuditVerify) else { panic!("verified") };
    assert_eq!((verified.entries, verified.broken_at), (2, None));
    let mut links = site.audit();
    links[0].entry.person = "somebody else".to_owned();
    assert_eq!(records::audit_break(&links), Some(1));
}

#[test]
fn a_configuration_is_applied_with_its_differences_told_before() {
    let site = Site::with(&record());
    let text_ = FILE.replace("10.0.0.9/24", "10.0.0.8/24");
    let apply = apply(&text_, Some(Span::secs(300)));
    let mut dry = command("c-1", apply.clone());
    dry.how = How::DryRun;
    let Reply::Outlook(outlook) = site.change(dry) else { panic!("an outlook") };
    let told: Vec<String> = outlook.config.iter().map(text).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("10.0.0.9/24") && told[0].contains("10.0.0.8/24"));
    let reply = site.change(command("c-2", apply));
    assert!(matches!(reply, Reply::Done(_)), "{reply:?}");
    let config = site.record().config.unwrap();
    assert_eq!((config.text.as_str(), config.version), (text_.as_str(), 2));
    let back = config.unconfirmed.as_ref().map(|u| u.back_to.as_str());
    assert_eq!(back, Some(FILE), "it can be undone");
    let reply = site.change(command("c-3", Operation::Confirm));
    assert!(matches!(reply, Reply::Done(_)), "{reply:?}");
    assert_eq!(site.record().config.unwrap().unconfirmed, None);
}

#[test]
fn a_wrong_configuration_changes_nothing_and_every_error_is_told() {
    let site = Site::with(&record());
    let text_ = FILE.replace("prefer", "prefre").replace("kind", "knd");
    let apply = apply(&text_, None);
    let refused = no(site.change(command("c-1", apply)));
    assert_eq!(refused.kind, No::Refused);
    assert!(!refused.because.is_empty(), "more than one error is told");
    assert_eq!(site.record().config.unwrap().version, 1);
}

#[test]
fn before_init_a_question_is_answered_and_init_goes_to_the_membership() {
    let site = Site::with(&Record::default());
    let Reply::Status(status) = site.ask(Request::Status) else { panic!("a status") };
    assert_eq!(status.cluster, None);
    assert_eq!(no(site.ask(Request::AuditVerify)).kind, No::NotFound);
    let init = Operation::Init { text: FILE.to_owned() };
    let reply = site.change(command("c-1", init));
    assert!(matches!(reply, Reply::Done(_)), "{reply:?}");
    let kept = site.members.0.lock().unwrap().clone();
    assert!(kept[0].starts_with("init kessai by ") && kept[0].ends_with(": tsugi c-1"), "{kept:?}");
}

#[test]
fn init_is_refused_on_a_node_that_is_in_a_cluster() {
    let site = Site::with(&record());
    let refused = no(site.change(command("c-1", Operation::Init { text: FILE.to_owned() })));
    assert!(text(&refused.what).contains("kessai"));
    assert!(site.members.0.lock().unwrap().is_empty());
}

#[test]
fn a_token_is_made_for_a_node_of_the_configuration_only() {
    let site = Site::with(&record());
    let token = |node: &str| Operation::Token { node: node.to_owned(), good_for: Span::secs(60) };
    let Reply::Done(done) = site.change(command("c-1", token("node2"))) else { panic!("done") };
    assert_eq!(done.secret.as_deref(), Some("secret"));
    assert_eq!(no(site.change(command("c-2", token("node9")))).kind, No::NotFound);
}

#[test]
fn whatif_answers_what_the_planner_would_do() {
    let site = Site::with(&record());
    let suppose = tsugi_wire::control::Suppose::NodeLost { node: "node1".to_owned() };
    let Reply::Outlook(outlook) = site.ask(Request::WhatIf { suppose }) else { panic!("outlook") };
    assert_eq!(text(&outlook.groups[0].what), "PAY goes from node1 to node2");
    assert!(outlook.majority);
    let suppose = tsugi_wire::control::Suppose::NodeLost { node: "node9".to_owned() };
    assert_eq!(no(site.ask(Request::WhatIf { suppose })).kind, No::NotFound);
}

#[test]
fn a_backup_is_written_once_and_never_over_another_file() {
    let site = Site::with(&record());
    let path = site.folder.path().join("backup").display().to_string();
    let reply = site.ask(Request::Backup { path: path.clone() });
    assert!(matches!(reply, Reply::Done(_)), "{reply:?}");
    assert!(std::fs::metadata(&path).unwrap().len() > 0);
    assert_eq!(no(site.ask(Request::Backup { path })).kind, No::Failed);
}

#[test]
fn the_last_status_is_kept_on_disk_at_changes_and_not_at_every_picture() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(socket(folder.path()).parent().unwrap()).unwrap();
    let mut memo = Memo::beside(&socket(folder.path()));
    let mut picture = standing(record());
    memo.remember(&picture).unwrap();
    assert_eq!(recall(folder.path()).unwrap().observed_at.0, picture.at);
    let first = picture.at;
    picture.at = Wall(first.0 + 1_000);
    memo.remember(&picture).unwrap();
    assert_eq!(recall(folder.path()).unwrap().observed_at.0, first, "nothing had changed");
    picture.at = Wall(first.0 + 2_000);
    picture.record = Arc::new(Record { applied: tsugi_vocabulary::Index(41), ..record() });
    memo.remember(&picture).unwrap();
    assert_eq!(recall(folder.path()).unwrap().observed_at.0, picture.at);
}

#[test]
fn an_agent_that_serves_keeps_its_status_beside_the_socket() {
    let site = Site::with(&record());
    let path = site.folder.path().join("last-status.json");
    until("it is kept", || std::fs::read(&path).is_ok_and(|b| !b.is_empty()));
}

#[test]
fn what_the_doctor_finds_is_asked_for_and_kept_beside_the_socket_for_when_nobody_answers() {
    let site = Site::with(&record());
    let Reply::Doctor(found) = site.ask(Request::Doctor) else { panic!("another answer") };
    assert!(found.findings.iter().any(|f| f.what.id == "TSUG10133-W"), "{found:?}");
    let path = site.folder.path().join("last-doctor.json");
    until("it is kept", || {
        let read = std::fs::read(&path).unwrap_or_default();
        let kept = serde_json::from_slice::<tsugi_wire::control::Answer>(&read);
        kept.is_ok_and(|answer| answer.reply == Reply::Doctor(found.clone()))
    });
}

#[test]
fn a_node_that_has_just_come_back_tells_no_story_before_it_knows_the_end() {
    let site = Site::with(&record());
    let behind = |settled, newest| {
        let old = Standing::clone(&site.standing.borrow());
        site.standing.send_replace(Arc::new(Standing { settled, newest: Index(newest), ..old }));
    };
    for (settled, newest) in [(Settled::NotYet, 40), (Settled::Yes, 41)] {
        behind(settled, newest);
        let (told, answer) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let site = &site;
            scope.spawn(move || {
                let reply = site.ask(Request::Explain { group: None, back: 0 });
                told.send(reply).expect("somebody listens");
            });
            let early = answer.recv_timeout(Duration::from_millis(100));
            assert!(early.is_err(), "it waits: {early:?}");
            behind(Settled::Yes, 40);
            let told = answer.recv_timeout(LONG).expect("and then it tells");
            assert!(matches!(told, Reply::Explain(_)), "{told:?}");
        });
    }
}

#[test]
fn the_repeat_of_a_command_is_done_changes_nothing_and_is_no_line_of_the_audit() {
    let site = Site::with(&with_pay(|_| {}));
    let drain = || Operation::Drain { node: "node2".to_owned() };
    let Reply::Done(first) = site.change(command("c-1", drain())) else { panic!("done") };
    assert!(!first.already_so && first.index.is_some());
    let lines = site.audit().len();
    let here = Operation::Move { group: "PAY".to_owned(), to: Some("node1".to_owned()) };
    let resume = Operation::Resume { group: "PAY".to_owned(), vouch: wire::Vouch::Nothing };
    for (id, what) in [("c-2", drain()), ("c-3", here.clone()), ("c-4", resume)] {
        let Reply::Done(done) = site.change(command(id, what)) else { panic!("{id}: done") };
        assert_eq!((done.what.id.as_str(), done.already_so), ("TSUG10540-I", true), "{id}");
        assert_eq!((done.index, done.generation), (None, None), "{id}");
    }
    assert_eq!(site.audit().len(), lines, "nothing was done that could be audited");
    // Whoever waits still waits until it is there.
    let Reply::Done(done) = site.change(command("c-5", here.clone())) else { panic!("done") };
    let there = Wants::Running { node: Some("node1".to_owned()) };
    assert_eq!(done.goals, [Goal { group: "PAY".to_owned(), wants: there }]);
    let dry = Change { how: How::DryRun, ..command("c-6", here) };
    let Reply::Outlook(outlook) = site.change(dry) else { panic!("an outlook") };
    assert_eq!(outlook.notes[0].id, "TSUG10540-I");
    assert!(outlook.groups.is_empty());
}

#[test]
fn taking_a_voter_out_says_how_few_are_left() {
    let site = Site::with(&record());
    for (number, name) in [(2, "node1"), (3, "witness")] {
        let voter = Voter { id: VoterId(number), node: node(name) };
        let known = site.record().membership;
        site.runtime.block_on(site.ledger.add_voter(voter, known)).unwrap();
    }
    let leave = || Operation::Leave { node: "witness".to_owned() };
    let told = |notes: &[tsugi_wire::control::Words]| {
        let [note] = notes else { panic!("{notes:?}") };
        (note.id.clone(), note.values["count"].clone(), note.values["expected"].clone())
    };
    let few = || ("TSUG10706-W".to_owned(), "2".to_owned(), "0".to_owned());
    let dry = Change { how: How::DryRun, ..command("c-1", leave()) };
    let Reply::Outlook(outlook) = site.change(dry) else { panic!("an outlook") };
    assert_eq!(told(&outlook.notes), few());
    let Reply::Done(done) = site.change(command("c-2", leave())) else { panic!("done") };
    assert_eq!(told(&done.notes), few());
    let Reply::Done(done) = site.change(command("c-3", move_pay())) else { panic!("done") };
    assert!(done.notes.is_empty());
}

#[test]
fn a_dry_run_needs_no_reason_and_makes_no_token() {
    let site = Site::with(&record());
    let dry = |id, what| {
        let change = Change { how: How::DryRun, reason: String::new(), ..command(id, what) };
        site.change(change)
    };
    assert!(matches!(dry("c-1", move_pay()), Reply::Outlook(_)));
    let node = "node2".to_owned();
    let token = Operation::Token { node, good_for: Span::secs(60) };
    assert!(matches!(dry("c-2", token), Reply::Outlook(_)));
    assert!(matches!(dry("c-3", Operation::Join { token: "t".to_owned() }), Reply::Outlook(_)));
    assert!(site.members.0.lock().unwrap().is_empty());
    let refused = no(site.change(Change { reason: String::new(), ..command("c-4", move_pay()) }));
    assert_eq!(refused.next.as_deref(), Some("tsugi c-4 --reason \"…\""));
}

#[test]
fn i21_a_token_is_in_the_audit_before_it_is_made() {
    let site = Site::with(&record());
    let node = "node2".to_owned();
    site.change(command("c-1", Operation::Token { node, good_for: Span::secs(60) }));
    assert_eq!(site.audit()[0].entry.words, "tsugi c-1");
}

#[test]
fn a_change_tells_what_is_to_come_of_it() {
    let site = Site::with(&record());
    let what = Operation::Drain { node: "node1".to_owned() };
    let Reply::Done(done) = site.change(command("c-1", what)) else { panic!("done") };
    let node = Some("node2".to_owned());
    let wants = tsugi_wire::control::report::Wants::Running { node };
    let goal = tsugi_wire::control::report::Goal { group: "PAY".to_owned(), wants };
    assert_eq!((done.goals, done.generation), (vec![goal], Some(site.record().generation().0)));
}

#[test]
fn names_that_nobody_has_are_not_found_and_the_one_that_was_meant_is_named() {
    let site = Site::with(&record());
    let link = |link: &str| {
        let (node, link) = ("node1".to_owned(), link.to_owned());
        let suppose = tsugi_wire::control::Suppose::LinkDown { node, link };
        site.ask(Request::WhatIf { suppose })
    };
    assert!(matches!(link("eth0"), Reply::Outlook(_)));
    let history = |of: &str| site.ask(Request::History { of: Some(of.to_owned()), most: 9 });
    let explain = |of: &str| site.ask(Request::Explain { group: Some(of.to_owned()), back: 0 });
    for (reply, meant) in [(link("eht0"), "eth0"), (history("PYA"), "PAY"), (explain("PYA"), "PAY")]
    {
        let refused = no(reply);
        assert_eq!(refused.kind, No::NotFound);
        assert!(text(&refused.what).contains(meant), "{}", text(&refused.what));
    }
    assert!(matches!(history("node1"), Reply::History(_)));
    assert!(matches!(explain("PAY"), Reply::Explain(_)));
}

#[test]
fn history_has_the_commands_of_operators_in_its_time_line() {
    let site = Site::with(&record());
    site.change(command("c-1", move_pay()));
    let of = |of: Option<&str>| {
        let of = of.map(str::to_owned);
        let Reply::History(told) = site.ask(Request::History { of, most: 9 }) else { panic!() };
        told.lines
    };
    let lines = of(None);
    assert_eq!(text(&lines[0].what), "command: tsugi c-1");
    assert_eq!(lines[0].data["reason"], "disk replaced");
    assert!(of(Some("PAY")).is_empty(), "the command does not speak of it");
}
