//! From a draft to entries of the ledger and back, the audit chain, and what is pruned.

use tsugi_cluster_rules::record::{GroupIntent, GroupRecord, Happening, NodeRecord, Ownership};
use tsugi_ledger::{Command, Outcome};
use tsugi_vocabulary::{Epoch, Generation, Wall};

use super::*;

/// A ledger and the record read out of it, kept up as a node does.
struct Kept {
    view: View,
    record: Record,
}

impl Kept {
    fn new() -> Self {
        Self { view: View::founded(1), record: Record::default() }
    }

    /// Puts a draft to the ledger; what it says is applied and read again.
    fn put(&mut self, draft: &Draft) -> Result<Outcome, Overtaken> {
        let change = change(draft, &self.view, &self.record)?;
        Ok(self.commit(change))
    }

    fn commit(&mut self, change: Change) -> Outcome {
        let at = Index(self.view.applied.0 + 1);
        let (outcome, _) = self.view.apply(at, &Command::Change(change));
        self.record = record(&self.view, &self.record).unwrap();
        outcome
    }

    fn orders(&mut self, count: u64) {
        for n in 1..=count {
            let draft = Draft::default().write(Write::Audit(order(&format!("c-{n}"))));
            assert!(self.put(&draft).unwrap().committed().is_some());
        }
    }
}

fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

fn pay() -> GroupName {
    GroupName::new("PAY").unwrap()
}

fn in_service(voter: u64) -> Arc<NodeRecord> {
    Arc::new(NodeRecord::new(voter))
}

fn order(command: &str) -> AuditRecord {
    AuditRecord {
        at: Wall(1_800_000_000_000),
        command: command.to_owned(),
        person: "mika".to_owned(),
        origin: "a pts/3".to_owned(),
        words: "group stop PAY".to_owned(),
        reason: "new disk".to_owned(),
        decided_on: Generation(12),
        outcome: "accepted".to_owned(),
    }
}

fn plan_of(generation: u64) -> Plan {
    Plan {
        generation: Generation(generation),
        parent: Generation(generation - 1),
        by: node("a"),
        at: Wall(generation),
        decisions: BTreeMap::new(),
        steps: Vec::new(),
    }
}

fn event_at(at: u64) -> EventRecord {
    let what = Happening::ClockStepped { node: node("a"), by_ms: 5 };
    EventRecord { at: Wall(at), by: node("a"), group: None, epoch: None, what }
}

#[test]
fn what_a_draft_writes_is_what_the_record_then_says() {
    let mut kept = Kept::new();
    let group = Arc::new(GroupRecord::new(GroupIntent::Run));
    let draft = Draft::default()
        .write(Write::Node(node("a"), in_service(1)))
        .write(Write::Group(pay(), Arc::clone(&group)))
        .write(Write::Plan(Arc::new(plan_of(1))));
    assert_eq!(kept.put(&draft).unwrap(), Outcome::Committed(Index(1)));
    let mut applied = Record { incarnation: 1, ..Record::default() };
    applied.apply(&draft, Index(1));
    assert_eq!(kept.record, applied, "the ledger and the rules agree on what a draft does");
    let gone = Draft::default().write(Write::NodeGone(node("a"))).write(Write::GroupGone(pay()));
    kept.put(&gone).unwrap();
    assert!(kept.record.nodes.is_empty() && kept.record.groups.is_empty());
}

#[test]
fn a_draft_on_what_has_changed_already_is_overtaken_before_it_is_sent() {
    let mut kept = Kept::new();
    let draft = |kept: &Kept| {
        let name = EntryName::Group(pay());
        let group = Arc::new(GroupRecord::new(GroupIntent::Run));
        Draft::default().unless_changed(&kept.record, name).write(Write::Group(pay(), group))
    };
    let first = draft(&kept);
    kept.put(&first).unwrap();
    assert_eq!(kept.put(&first), Err(Overtaken));
    let second = draft(&kept);
    assert!(kept.put(&second).unwrap().committed().is_some());
}

#[test]
fn a_draft_that_is_overtaken_on_its_way_is_refused_by_the_ledger() {
    let mut kept = Kept::new();
    let owned_by = |name: &str| {
        let start = tsugi_cluster_rules::start_kind::StartKind::Normal;
        let cause = tsugi_cluster_rules::reason::Cause::ClusterStart;
        let phase = tsugi_cluster_rules::record::Phase::Starting;
        let node = node(name);
        let ownership = Ownership::Owned { node, boot: None, start, cause, phase, handover: None };
        let epoch = Epoch { incarnation: 1, counter: 1 };
        Arc::new(GroupRecord { epoch, ownership, ..GroupRecord::new(GroupIntent::Run) })
    };
    let to = |name: &str, kept: &Kept| {
        let draft = Draft::default()
            .unless_changed(&kept.record, EntryName::Group(pay()))
            .write(Write::Group(pay(), owned_by(name)));
        change(&draft, &kept.view, &kept.record).unwrap()
    };
    let (to_a, to_b) = (to("a", &kept), to("b", &kept));
    assert!(kept.commit(to_a).committed().is_some());
    assert!(kept.commit(to_b).committed().is_none(), "one owner an epoch");
    assert_eq!(kept.record.group(&pay()).unwrap().owner(), Some(&node("a")));
}

#[test]
fn two_plans_of_the_same_generation_cannot_both_stand() {
    let mut kept = Kept::new();
    let draft = |kept: &Kept, n| {
        let draft = Draft::default().unless_changed(&kept.record, EntryName::Plan);
        draft.write(Write::Plan(Arc::new(plan_of(n))))
    };
    let first = draft(&kept, 1);
    let other = change(&first, &kept.view, &kept.record).unwrap();
    kept.put(&first).unwrap();
    assert!(kept.commit(other).committed().is_none());
    let second = draft(&kept, 2);
    kept.put(&second).unwrap();
    assert_eq!(kept.record.generation(), Generation(2));
    let plans: Vec<Plan> = plans(&kept.view).unwrap().iter().map(|p| (*p.value).clone()).collect();
    assert_eq!(plans, [plan_of(1), plan_of(2)]);
}

#[test]
fn what_has_not_changed_is_not_read_again() {
    let mut kept = Kept::new();
    let both = Draft::default()
        .write(Write::Node(node("a"), in_service(1)))
        .write(Write::Node(node("b"), in_service(2)));
    kept.put(&both).unwrap();
    let before = kept.record.clone();
    let one = Draft::default().write(Write::Node(node("b"), in_service(3)));
    kept.put(&one).unwrap();
    let same = |name: &str| {
        Arc::ptr_eq(&before.nodes[&node(name)].value, &kept.record.nodes[&node(name)].value)
    };
    assert!(same("a"));
    assert!(!same("b"));
}

#[test]
fn an_entry_of_a_later_format_is_unreadable_and_has_no_default() {
    let mut view = View::founded(2);
    view.feature_level = 2;
    let later = Change::new().write(key("node/a"), vec![2, b'{', b'}']);
    view.apply(Index(1), &Command::Change(later));
    let refused = record(&view, &Record::default()).unwrap_err();
    assert_eq!(refused.key, "node/a");
    assert!(refused.why.contains("format 2"), "{}", refused.why);
    let damaged = Change::new().write(key("node/a"), vec![1, b'{']);
    view.apply(Index(2), &Command::Change(damaged));
    assert_eq!(record(&view, &Record::default()).unwrap_err().key, "node/a");
}

#[test]
fn sec18_every_link_of_the_audit_follows_from_the_one_before() {
    let mut kept = Kept::new();
    kept.orders(5);
    let links = audit(&kept.view).unwrap();
    assert_eq!(links.iter().map(|l| l.number).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(links[0].before, "0".repeat(64));
    assert_eq!(audit_break(&links), None);
}

#[test]
fn sec18_an_edited_link_is_found_whatever_was_edited() {
    let mut kept = Kept::new();
    kept.orders(5);
    let links = audit(&kept.view).unwrap();
    let edits: [fn(&mut AuditLink); 9] = [
        |l| l.entry.person.push('x'),
        |l| l.entry.words.push('x'),
        |l| l.entry.reason.clear(),
        |l| l.entry.at.0 += 1,
        |l| l.entry.outcome.push('x'),
        |l| l.entry.origin.push('x'),
        |l| l.entry.command.push('x'),
        |l| l.entry.decided_on.0 += 1,
        |l| l.before = "1".repeat(64),
    ];
    for edit in edits {
        let mut edited = links.clone();
        edit(&mut edited[2]);
        assert_eq!(audit_break(&edited), Some(3));
    }
    let mut renewed = links;
    renewed[2].entry.person.push('x');
    let link = &renewed[2];
    renewed[2].hash = link_hash(link.number, &link.before, &link.entry);
    assert_eq!(audit_break(&renewed), Some(4), "a new hash breaks the next link");
}

#[test]
fn sec18_a_link_that_was_taken_out_or_moved_is_found() {
    let mut kept = Kept::new();
    kept.orders(5);
    let links = audit(&kept.view).unwrap();
    let mut without = links.clone();
    without.remove(2);
    assert_eq!(audit_break(&without), Some(4));
    let mut moved = links;
    moved.swap(2, 3);
    assert_eq!(audit_break(&moved), Some(4));
}

#[test]
fn sec18_links_that_were_taken_away_from_either_end_are_found() {
    let mut kept = Kept::new();
    kept.orders(3);
    let links = audit(&kept.view).unwrap();
    assert_eq!(audit_broken_at(&kept.view, &links).unwrap(), None);
    assert_eq!(audit_break(&links[1..]), Some(2), "it begins with number 1");
    let change = Change::new().remove(key("audit/000000000003"));
    kept.commit(change);
    let links = audit(&kept.view).unwrap();
    assert_eq!(audit_break(&links), None, "what is left follows");
    assert_eq!(audit_broken_at(&kept.view, &links).unwrap(), Some(3), "but not up to the head");
}

#[test]
fn sec18_two_orders_at_once_cannot_both_be_the_next_link() {
    let mut kept = Kept::new();
    kept.orders(1);
    let next = |command: &str, kept: &Kept| {
        let draft = Draft::default().write(Write::Audit(order(command)));
        change(&draft, &kept.view, &kept.record).unwrap()
    };
    let (one, other) = (next("c-8", &kept), next("c-9", &kept));
    assert!(kept.commit(one).committed().is_some());
    assert!(kept.commit(other).committed().is_none(), "the second is made anew on the first");
    assert_eq!(audit_break(&audit(&kept.view).unwrap()), None);
}

#[test]
fn several_orders_of_one_draft_are_links_of_one_chain() {
    let mut kept = Kept::new();
    let draft =
        Draft::default().write(Write::Audit(order("c-1"))).write(Write::Audit(order("c-2")));
    assert!(kept.put(&draft).unwrap().committed().is_some());
    let links = audit(&kept.view).unwrap();
    assert_eq!((links.len(), audit_break(&links)), (2, None));
}

#[test]
fn a_command_is_known_once_it_is_in_the_audit() {
    let mut kept = Kept::new();
    assert!(!command_known(&kept.view, "c-1"));
    kept.orders(1);
    assert!(command_known(&kept.view, "c-1"));
    assert!(!command_known(&kept.view, "c-2"));
}

#[test]
fn the_oldest_plans_are_pruned_and_the_newest_stay() {
    let mut kept = Kept::new();
    let most = PLANS as u64;
    for n in 1..=most + 20 {
        let draft = Draft::default().write(Write::Plan(Arc::new(plan_of(n))));
        kept.put(&draft).unwrap();
    }
    let left = plans(&kept.view).unwrap();
    assert!(left.len() <= PLANS + 1, "{} are left", left.len());
    assert_eq!(left.last().unwrap().value.generation, Generation(most + 20));
    let numbers: Vec<u64> = left.iter().map(|p| p.value.generation.0).collect();
    assert!(numbers.windows(2).all(|w| w[0] + 1 == w[1]), "no gap");
    assert_eq!(kept.record.generation(), Generation(most + 20), "the head is no plan to prune");
}

#[test]
fn the_oldest_events_are_pruned_by_their_entry() {
    let mut kept = Kept::new();
    let mut filled = Change::new();
    for at in 0..EVENTS as u64 {
        filled = filled.write(event_key(&event_at(1000 + at), 0), encode(&event_at(1000 + at)));
    }
    kept.commit(filled);
    // The clock stepped back: what is newest by the ledger bears the oldest times.
    for at in 0..10 {
        let draft = Draft::default().write(Write::Event(event_at(at)));
        kept.put(&draft).unwrap();
    }
    let left = events(&kept.view).unwrap();
    assert!(left.len() <= EVENTS + 1, "{} are left", left.len());
    assert_eq!(left.last().unwrap().value.at, Wall(9));
    assert!(left[0].value.at > Wall(1000), "the oldest went first");
}

#[test]
fn an_event_of_a_later_version_is_told_as_unknown_and_hides_no_other() {
    let mut kept = Kept::new();
    let later = |what: &str| {
        let text = format!(r#"{{"at":7,"by":"a","group":"PAY","epoch":null,"what":{what}}}"#);
        [&[FORMAT], text.as_bytes()].concat()
    };
    let new = later(r#"{"happened":"moon-rose","over":"PAY"}"#);
    let new_cause = later(r#"{"happened":"lost","node":"b","cause":{"cause":"moon-rose"}}"#);
    let filled = Change::new()
        .write(key("event/1"), new)
        .write(key("event/2"), new_cause)
        .write(event_key(&event_at(8), 0), encode(&event_at(8)));
    kept.commit(filled);
    let all = events(&kept.view).unwrap();
    let unknown = Happening::Unknown;
    let of = |e: &&Versioned<EventRecord>| e.value.what == unknown && e.value.group == Some(pay());
    assert_eq!((all.iter().filter(of).count(), all.len()), (2, 3));
    kept.commit(Change::new().write(key("event/3"), vec![FORMAT, b'{']));
    assert_eq!(events(&kept.view).unwrap_err().key, "event/3", "damage is no later version");
}

#[test]
fn an_event_of_a_known_kind_that_lacks_what_it_has_is_told_as_damaged_and_hides_no_other() {
    let of = |what: &str| {
        let text = format!(r#"{{"at":7,"by":"a","group":"PAY","epoch":null,"what":{what}}}"#);
        [&[FORMAT], text.as_bytes()].concat()
    };
    for (what, said) in [
        (r#"{"happened":"guardian-lost"}"#, "node"),
        (r#"{"happened":"clock-stepped","node":"b","by_ms":"unknown variant"}"#, "invalid type"),
        (r#"{"happened":"guardian-lost","node":"no name"}"#, ""),
        (r#"{"node":"b"}"#, "happened"),
        ("7", ""),
    ] {
        let mut kept = Kept::new();
        let filled = Change::new()
            .write(key("event/1"), of(what))
            .write(event_key(&event_at(8), 0), encode(&event_at(8)));
        kept.commit(filled);
        let all = events(&kept.view).unwrap();
        assert_eq!(all.len(), 2, "{what}");
        let told = &all.iter().find(|event| event.value.at == Wall(7)).unwrap().value;
        let Happening::Damaged { key, why } = &told.what else { panic!("{what}: {told:?}") };
        assert_eq!((key.as_str(), told.group.as_ref()), ("event/1", Some(&pay())));
        assert!(why.contains(said), "{what}: {why}");
    }
}

#[test]
fn an_event_that_is_told_again_is_kept_once_and_where_it_was() {
    let mut kept = Kept::new();
    let draft = Draft::default().write(Write::Event(event_at(5))).write(Write::Event(event_at(6)));
    kept.put(&draft).unwrap();
    let before = events(&kept.view).unwrap();
    kept.put(&draft).unwrap();
    // What waits for an answer is told with what has come since, in any place.
    let more = Draft::default().write(Write::Event(event_at(7))).write(Write::Event(event_at(5)));
    kept.put(&more).unwrap();
    let after = events(&kept.view).unwrap();
    assert_eq!(after[..2], before);
    assert_eq!(after.len(), 3, "only the one that is new");
}

#[test]
fn an_event_that_is_told_again_on_an_old_view_stays_where_it_was() {
    let mut kept = Kept::new();
    let old = kept.view.clone();
    kept.put(&Draft::default().write(Write::Event(event_at(5)))).unwrap();
    kept.put(&Draft::default().write(Write::Event(event_at(6)))).unwrap();
    let before = events(&kept.view).unwrap();
    let again = Draft::default().write(Write::Event(event_at(5))).write(Write::Event(event_at(7)));
    let on_old = change(&again, &old, &Record::default()).unwrap();
    assert!(matches!(kept.commit(on_old), Outcome::Refused { .. }));
    assert_eq!(events(&kept.view).unwrap(), before);
    kept.put(&again).unwrap();
    assert_eq!(events(&kept.view).unwrap()[..2], before);
    assert_eq!(events(&kept.view).unwrap().len(), 3, "what is new is told after all");
}

#[test]
fn events_of_one_draft_at_one_moment_are_all_kept() {
    let mut kept = Kept::new();
    let draft = Draft::default().write(Write::Event(event_at(5))).write(Write::Event(event_at(5)));
    kept.put(&draft).unwrap();
    assert_eq!(events(&kept.view).unwrap().len(), 2);
}
