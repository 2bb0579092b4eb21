//! What waits for a confirmation and goes back without it, and what is applied twice.

use super::*;

impl Site {
    /// Undoes from now on what is not confirmed.
    fn undoes(&self) {
        let handle: Arc<dyn Ledger> = Arc::new(self.ledger.handle(VoterId(1)));
        let get: GetLedger = Arc::new(move || Some(Arc::clone(&handle)));
        let services = services(self.standing.subscribe(), get, self.members.clone());
        let (look, again) = (Duration::from_millis(10), Duration::from_millis(20));
        self.runtime.spawn(keep_or_undo(services, Pace { look, again }));
    }

    /// Whether this text is applied before long.
    fn has(&self, text: &str) -> bool {
        let begun = std::time::Instant::now();
        while begun.elapsed() < LONG {
            if self.record().config.is_some_and(|c| c.text == text) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }
}

#[test]
fn an_unconfirmed_apply_is_undone_by_the_node_that_leads() {
    let mut given = record();
    let mut config = (**given.config.as_ref().unwrap()).clone();
    let back_to = FILE.to_owned();
    config.text = FILE.replace("kessai", "kessai2");
    config.hash = "x".repeat(64);
    // Whoever leads now has never seen it before: the moment is in the ledger.
    let (within, since) = (Span::secs(300), Some(Wall(1)));
    config.unconfirmed = Some(Unconfirmed { back_to, within, since });
    given.config = Some(Arc::new(config));
    let site = Site::with(&given);
    site.undoes();
    assert!(site.has(FILE), "it goes back by itself");
    assert_eq!(site.audit()[0].entry.person, "tsugi");
}

#[test]
fn an_undo_that_a_rule_refuses_is_tried_again_and_again_until_it_can_be_done() {
    let mut given = record();
    let mut config = (**given.config.as_ref().unwrap()).clone();
    // The configuration to go back to lacks the node that owns PAY.
    let back_to = FILE.replace("node1", "node3");
    let (within, since) = (Span::millis(1), Some(Wall(1)));
    config.unconfirmed = Some(Unconfirmed { back_to: back_to.clone(), within, since });
    config.hash = "x".repeat(64);
    given.config = Some(Arc::new(config));
    let site = Site::with(&given);
    site.undoes();
    let refused = |l: &&records::AuditLink| l.entry.outcome.starts_with("refused 14");
    until("it is refused twice", || site.audit().iter().filter(refused).count() >= 2);
    let stopped = with_pay(|pay| {
        pay.ownership = tsugi_cluster_rules::record::Ownership::Nobody;
    });
    let pay = stopped.groups[&group("PAY")].value.clone();
    let draft = Draft::default().write(Write::Group(group("PAY"), pay));
    let change = records::change(&draft, &site.ledger.view(), &Record::default()).unwrap();
    site.ledger.commit_now(change).unwrap();
    assert!(site.has(&back_to), "{:?}", site.audit());
}

#[test]
fn an_apply_on_top_of_one_that_waits_goes_back_to_what_was_sure() {
    let site = Site::with(&record());
    let apply = |id: &str, text: &str| {
        let text = text.to_owned();
        let what = apply(&text, Some(Span::secs(300)));
        site.change(command(id, what))
    };
    let Reply::Done(first) = apply("c-1", &FILE.replace("10.0.0.9/24", "10.0.0.8/24")) else {
        panic!("done")
    };
    assert_eq!(first.waits_for.unwrap().next.as_deref(), Some("tsugi confirm"));
    apply("c-2", &FILE.replace("10.0.0.9/24", "10.0.0.7/24"));
    let waits = site.record().config.unwrap().unconfirmed.clone().unwrap();
    assert_eq!(waits.back_to, FILE);
    assert!(waits.since.is_some_and(|at| at.0 > 1_600_000_000_000), "{waits:?}");
}

#[test]
fn what_is_so_already_is_told_in_the_words_of_the_configuration() {
    let site = Site::with(&record());
    assert_eq!(no(site.change(command("c-1", Operation::Confirm))).what.id, "TSUG10556-I");
    let same = apply(FILE, None);
    let Reply::Done(done) = site.change(command("c-2", same)) else { panic!("done") };
    assert_eq!((done.what.id.as_str(), done.already_so), ("TSUG10615-I", true));
}
