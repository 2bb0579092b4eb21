//! What a recovery leaves when it is interrupted after each of its steps, and what it refuses.

use std::collections::BTreeMap;

use tsugi_cluster_rules::lease::{former_majority_out_there, lost_voters_out_there};
use tsugi_cluster_rules::reason::Cause;
use tsugi_cluster_rules::record::{Draft, Ownership, Phase};
use tsugi_cluster_rules::start_kind::StartKind;
use tsugi_ledger::RaftLedger;

use super::super::anew::Step;
use super::super::founding::{Founding, Part};
use super::*;
use crate::config;

const NODES: [&str; 3] = ["a", "b", "c"];

/// The data directory of `c`, which is left of three: the group is with `b`, as `c` knows.
struct Left {
    place: tempfile::TempDir,
}

fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

impl Left {
    fn of_three() -> Self {
        let left = Self { place: tempfile::tempdir().unwrap() };
        let mut text = "[cluster]\nname = \"trial\"\n".to_owned();
        for (n, name) in NODES.iter().enumerate() {
            text += &format!("\n[node.{name}]\naddress = [\"127.78.0.{}\"]\n", n + 1);
        }
        text += "\n[group.WORK]\nprefer = [\"a\", \"b\", \"c\"]\n\n[[group.WORK.resource]]\n\
                 name = \"sleeper\"\nkind = \"process\"\nrun = [\"/bin/sleep\", \"9\"]\n";
        let now = tsugi_host::clock::wall();
        let identity =
            ClusterIdentity::found(&left.data().join("pki"), "trial", &node("c"), now).unwrap();
        let spec = config::read(&text).unwrap().spec;
        let founding = Founding::of(&spec, &text, Part::Joiner);
        founding.write(&left.data()).unwrap();
        let mut view = View::founded(1);
        let voters = (1..).map(VoterId).zip(NODES.map(node)).collect();
        view.voters.become_list(Index(1), voters);
        let view = anew::with_first_entry(view, &founding.first_entry(now).unwrap()).unwrap();
        let view = anew::with_first_entry(view.clone(), &owned_by_b(&view)).unwrap();
        let cluster = ClusterId(identity.cluster.id.0);
        RaftLedger::begin(&left.data().join("ledger"), cluster, &view).unwrap();
        left
    }

    fn data(&self) -> PathBuf {
        self.place.path().to_path_buf()
    }

    fn without(&self, lost: &[&str], how: How) -> Recovery {
        Recovery {
            data_dir: self.data(),
            lost: lost.iter().map(|name| (*name).to_owned()).collect(),
            author: Author { reason: "a fire".to_owned(), ..Author::default() },
            how,
            speaks: Protocol(1),
        }
    }

    /// The ledger that the next start of this node opens; none if it does not start.
    fn next_start(&self) -> Option<LastCopy> {
        let number = Founding::read(&self.data()).unwrap().voter(&node("c"))?;
        let copy = RaftLedger::last_copy(&self.data().join("ledger")).ok()?;
        (copy.owner.voter == VoterId(number)).then_some(copy)
    }
}

fn owned_by_b(view: &View) -> Draft {
    let record = records::record(view, &Record::default()).unwrap();
    let (name, known) = record.groups.first_key_value().unwrap();
    let mut group = (*known.value).clone();
    group.epoch = Epoch { incarnation: 1, counter: 7 };
    group.ownership = Ownership::Owned {
        node: node("b"),
        boot: None,
        start: StartKind::Normal,
        cause: Cause::ClusterStart,
        phase: Phase::Running,
        handover: None,
    };
    Draft::default().write(Write::Group(name.clone(), group.into()))
}

fn is_recovered(copy: &LastCopy) {
    assert!(copy.view.incarnation > 1_700_000_000, "above the clock");
    assert_eq!(copy.view.voters.list, BTreeMap::from([(VoterId(4), node("c"))]));
    let record = records::record(&copy.view, &Record::default()).unwrap();
    assert!(former_majority_out_there(&record), "nothing starts");
    assert_eq!(lost_voters_out_there(&record), [&node("a"), &node("b")]);
    let audit: Vec<_> = copy.view.entries.under("audit/").collect();
    assert_eq!(audit.len(), 2, "the head and one link: the command is there once");
}

#[test]
fn interrupted_after_any_step_a_node_starts_as_before_or_only_once_it_is_given_again() {
    for done in 0..=Step::ALL.len() {
        let left = Left::of_three();
        let what = left.without(&["a", "b"], How::ForReal);
        let ground = ground(&what).unwrap_or_else(|_| panic!("it has a copy"));
        let lost = [node("a"), node("b")].into();
        let person = anew::person();
        let view = made_anew((&what, &person), (&ground, &lost)).unwrap();
        let record = records::record(&view, &Record::default()).unwrap();
        let (data_dir, cluster) = (&*what.data_dir, ground.copy.owner.cluster);
        let placing = Placing { data_dir, cluster, view: &view, record: &record };
        for step in &Step::ALL[..done] {
            placing.step(*step).unwrap();
        }
        let next = left.next_start();
        match done {
            0 | 1 => assert_eq!(next.unwrap().view, ground.copy.view, "nothing happened"),
            2..=4 => {
                assert_eq!(next, None, "after {done} steps");
                assert!(anew::is_half_done(&left.data()), "and it says so");
            }
            _ => is_recovered(&next.unwrap()),
        }
        let again = recover(&what, |_| {});
        match done {
            5 => assert!(matches!(again, Err(AnewRefused::Because(_))), "it is there: {again:?}"),
            _ => drop(again.unwrap_or_else(|why| panic!("after {done} steps: {why:?}"))),
        }
        is_recovered(&left.next_start().unwrap());
        assert!(!anew::is_half_done(&left.data()));
        let old = RaftLedger::last_copy(&left.data().join("aside/1/ledger")).unwrap();
        assert_eq!(old.view, ground.copy.view, "nothing is deleted");
    }
}

#[test]
fn what_the_node_keeps_is_shown_before_anything_is_refused_and_a_dry_run_changes_nothing() {
    let left = Left::of_three();
    let mut shown = Vec::new();
    let mut said = |lost: &[&str], how| match recover(&left.without(lost, how), |survey| {
        shown.push(survey.clone());
    }) {
        Ok(would) => would.id(),
        Err(AnewRefused::Because(why)) => why.id(),
        Err(other) => panic!("{other:?}"),
    };
    assert_eq!(said(&["x"], How::ForReal), "TSUG80314-E");
    assert_eq!(said(&["a"], How::ForReal), "TSUG80313-E", "b and c are two of three");
    assert_eq!(said(&["a", "b"], How::DryRun), "TSUG80309-I");
    assert_eq!(shown.len(), 3);
    let survey = shown.remove(2);
    assert_eq!((survey.incarnation, survey.term, survey.place), (1, 1, Index(2)));
    assert_eq!((survey.heard, survey.tokens), (None, Tokens::Here));
    assert_eq!(survey.voters, BTreeSet::from(NODES.map(node)));
    let (group, owner, epoch) = &survey.groups[0];
    assert_eq!((group.as_str(), owner.as_ref()), ("WORK", Some(&node("b"))));
    assert_eq!(*epoch, Epoch { incarnation: 1, counter: 7 });
    assert!(!left.data().join("aside").exists() && !anew::is_half_done(&left.data()));
    assert_eq!(left.next_start().unwrap().view.incarnation, 1);
}

#[test]
fn a_node_whose_copy_is_gone_or_of_nobody_recovers_nothing() {
    let left = Left::of_three();
    std::fs::rename(left.data().join("ledger"), left.data().join("elsewhere")).unwrap();
    let refused = recover(&left.without(&["a", "b"], How::ForReal), |_| panic!("nothing to show"));
    let Err(AnewRefused::Because(why)) = refused else { panic!("{refused:?}") };
    assert_eq!(why.id(), "TSUG80315-E");
    assert!(!left.data().join("ledger").exists());
}
