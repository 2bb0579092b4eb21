//! Two nodes, a network that may be cut, and a disk that each may lose.

use super::disk::on_disk;
use super::*;
use crate::plan::Life;
use crate::record::{Answer, GroupIntent, GroupRecord, LinkState};
use crate::spec::{Failback, Isolation};

/// What there is between the two.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Network {
    Up,
    Cut,
}

/// Whether a node reaches the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    Reaches,
    /// What it writes there fails.
    ReadsOnly,
    Lost,
}

/// Whether a node can use the ledger on the disk. What it claims there it may write and read all
/// the same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ledger {
    Answers,
    StandsStill,
}

pub(super) struct Pair {
    /// None has lost its power.
    pub(super) nodes: [Option<Node>; 2],
    pub(super) network: Network,
    pub(super) reach: [Reach; 2],
    pub(super) ledger: [Ledger; 2],
    pub(super) disk: [Option<Claims>; 2],
    pub(super) now: Moment,
    pub(super) record: Record,
    /// Who runs the group, and when its guardian ends it.
    pub(super) runs: [Option<Moment>; 2],
    pub(super) queue: VecDeque<(usize, Order)>,
    /// How many of its lives have ended as it was demanded.
    pub(super) ended: [usize; 2],
    /// What such a life has left running.
    pub(super) left_behind: [Option<Moment>; 2],
    /// The life of each whose end the other demands on the disk.
    pub(super) demanded: [Option<BootId>; 2],
    /// Whom a fence device has switched off.
    pub(super) shot: Vec<NodeName>,
}

const NAMES: [&str; 2] = ["a", "b"];

impl Pair {
    /// Both are up; b leads the ledger.
    fn new() -> Self {
        let record = on_disk();
        let now = Moment(0) + Span::secs(10);
        let mut pair = Self {
            nodes: [None, None],
            network: Network::Up,
            reach: [Reach::Reaches; 2],
            ledger: [Ledger::Answers; 2],
            disk: [None, None],
            now,
            record,
            runs: [None, None],
            queue: VecDeque::new(),
            demanded: [None; 2],
            ended: [0; 2],
            left_behind: [None; 2],
            shot: Vec::new(),
        };
        pair.start(0);
        pair.start(1);
        pair
    }

    /// A new life of a node, as its machine comes up.
    fn start(&mut self, place: usize) {
        let me = name(NAMES[place]);
        let life = self.now.0 as u128 * 2 + place as u128;
        let birth = Birth {
            voter: self.record.nodes.get(&me).map(|known| known.value.voter),
            name: me,
            boot: BootId(life),
            machine: BootId(life),
            at: self.now,
            longest_promise: Some(crate::timing::LONGEST_TTL),
            claimed: self.disk[place].clone(),
            record: Arc::new(self.record.clone()),
            taken_on: TakenOn::new(),
        };
        self.nodes[place] = Some(Node::new(birth));
        self.tell(place, Event::Leader { term: 1, leader: Some(name("b")) });
    }

    /// The same after the group has come up on a.
    pub(super) fn running() -> Self {
        let mut pair = Self::new();
        pair.pass(Span::secs(4));
        assert_eq!(pair.owner(), Some("a"));
        assert!(pair.runs[0].is_some());
        pair
    }

    /// Who leads the ledger from now on.
    pub(super) fn lead(&mut self, node: &str) {
        for place in 0..2 {
            self.tell(place, Event::Leader { term: 2, leader: Some(name(node)) });
        }
    }

    /// Somebody orders something of the group.
    fn intent(&mut self, intent: GroupIntent) {
        let group = GroupRecord { intent, ..self.record.group(&pay()).unwrap().clone() };
        let index = Index(self.record.applied.0 + 1);
        let draft = Draft::default().write(Write::Group(pay(), Arc::new(group)));
        self.record.apply(&draft, index);
        self.applied();
    }

    /// The group is configured otherwise; both nodes have it so.
    fn configure(&mut self, change: impl FnOnce(&mut GroupSpec)) {
        let config = Arc::make_mut(self.record.config.as_mut().unwrap());
        change(config.spec.groups.get_mut(&pay()).unwrap());
        self.applied();
    }

    pub(super) fn applied(&mut self) {
        for place in 0..2 {
            if self.ledger[place] == Ledger::StandsStill {
                continue;
            }
            self.tell(place, Event::Applied(Arc::new(self.record.clone())));
        }
    }

    /// Whether a node gets what the ledger says.
    fn follows(&self, place: usize) -> bool {
        self.reach[place] != Reach::Lost && self.ledger[place] == Ledger::Answers
    }

    pub(super) fn owner(&self) -> Option<&str> {
        self.record.group(&pay())?.owner().map(NodeName::as_str)
    }

    fn step(&mut self, place: usize, event: Event) {
        let now = Now { lease: self.now, wall: Wall(self.now.0 / 1_000_000) };
        let Some(node) = &mut self.nodes[place] else { return };
        let mut out = Vec::new();
        node.step(now, event, &mut out);
        self.queue.extend(out.into_iter().map(|order| (place, order)));
    }

    pub(super) fn tell(&mut self, place: usize, event: Event) {
        self.step(place, event);
        while let Some((place, order)) = self.queue.pop_front() {
            self.carry_out(place, order);
        }
    }

    fn carry_out(&mut self, place: usize, order: Order) {
        let via = Via { network: 0, from: ([10, 0, 0, 1], 7400).into() };
        let heard = self.network == Network::Up;
        match order {
            Order::Beat(beat, _) if heard => {
                self.step(1 - place, Event::Heard { via, beat: Arc::new(beat) });
            }
            Order::Answer { ack, .. } if heard => self.step(1 - place, Event::Acked(ack)),
            Order::AskDisk(claims) if self.reach[place] == Reach::Reaches => {
                let number = claims.number;
                self.disk[place] = Some(claims);
                let shows = Shows::Claims(self.disk[1 - place].clone());
                self.step(place, Event::Disk { number, shows });
            }
            Order::AskDisk(claims) => {
                let (number, shows) = (claims.number, Shows::Nothing);
                self.step(place, Event::Disk { number, shows });
            }
            Order::Propose { proposal, draft } => {
                let index = Index(self.record.applied.0 + 1);
                let fate = match self.record.admits(&draft) {
                    _ if !self.follows(place) => Fate::Unknown,
                    _ if self.reach[place] == Reach::ReadsOnly => Fate::Unknown,
                    false => Fate::Overtaken,
                    true => {
                        self.record.apply(&draft, index);
                        Fate::Taken(index)
                    }
                };
                self.step(place, Event::Proposed { proposal, fate });
                for place in 0..2 {
                    if self.follows(place) {
                        self.step(place, Event::Applied(Arc::new(self.record.clone())));
                    }
                }
            }
            Order::Arm { group, epoch, deadline } => {
                if let Some(until) = &mut self.runs[place] {
                    *until = deadline;
                }
                self.step(place, Event::Armed { group, epoch });
            }
            Order::Do { group, epoch, act, what } => self.act(place, (group, epoch, act), &what),
            Order::Demand { node, life } => {
                assert_eq!(node, name(NAMES[1 - place]));
                self.demanded[1 - place] = life;
            }
            Order::EndLife => {
                self.queue.retain(|(of, _)| *of != place);
                self.ended[place] += 1;
                self.left_behind[place] = self.runs[place];
                self.start(place);
            }
            Order::Fence { node, boot, .. } => self.switch_off(place, (node, boot)),
            Order::Beat(..)
            | Order::Answer { .. }
            | Order::Disarm { .. }
            | Order::AskState { .. }
            | Order::Rehearse { .. }
            | Order::EndRehearsal
            | Order::KillProcess { .. }
            | Order::KillAgent
            | Order::ChangeVoters { .. }
            | Order::KeepPromise(_)
            | Order::WakeAt(_)
            | Order::Left => {}
        }
    }

    /// By its device, which says so.
    fn switch_off(&mut self, by: usize, (node, boot): (NodeName, BootId)) {
        self.cut_power(NAMES.iter().position(|n| *n == node.as_str()).unwrap());
        self.shot.push(node.clone());
        self.step(by, Event::Fenced { node, boot, outcome: Ok(()) });
    }

    fn act(&mut self, place: usize, (group, epoch, act): (GroupName, Epoch, u64), what: &Act) {
        match what {
            Act::Start { .. } => {
                let node = self.nodes[place].as_ref().expect("it has power");
                self.runs[place] = node.deadline(&pay());
                assert!(self.runs[1 - place].is_none(), "two run it");
            }
            Act::Stop { .. } | Act::LetGo => self.runs[place] = None,
            _ => {}
        }
        let outcome = match what {
            Act::Adopt => Outcome::Adopted(Vec::new()),
            _ => Outcome::Fine { took: Span::millis(1) },
        };
        self.step(place, Event::Done { group, epoch, act, outcome });
    }

    pub(super) fn pass(&mut self, time: Span) {
        let end = self.now + time;
        while self.now < end {
            self.now += Span::millis(5);
            for place in 0..2 {
                // The guardian of a node that lost its power has lost it too.
                if self.runs[place].is_some_and(|until| until <= self.now) {
                    self.runs[place] = None;
                    let (group, epoch) = (pay(), self.record.group(&pay()).unwrap().epoch);
                    self.tell(place, Event::GuardianReleased { group, epoch });
                }
                if let (Some(life), Reach::Reaches) = (self.demanded[place], self.reach[place]) {
                    self.tell(place, Event::EndDemanded(life));
                }
                self.tell(place, Event::Tick);
            }
        }
    }

    pub(super) fn cut_power(&mut self, place: usize) {
        self.nodes[place] = None;
        self.runs[place] = None;
    }

    /// The server of the group ends by itself on a node.
    pub(super) fn dies(&mut self, place: usize) {
        let group = pay();
        let epoch = self.record.group(&group).unwrap().epoch;
        let (resource, how) = (resource_name("server"), "exit 3".into());
        self.tell(place, Event::Died { group, epoch, resource, how });
        self.pass(Span::millis(200));
    }

    fn link(&mut self, place: usize, link: &str, state: LinkState) {
        self.tell(place, Event::Link { link: link.to_owned(), state });
    }

    fn links_down(&self, place: usize) -> Vec<&String> {
        let known = &self.record.nodes[&name(NAMES[place])].value;
        known.links_down.iter().collect()
    }
}

#[test]
fn ph_19_with_every_network_cut_and_the_disk_alive_the_owner_goes_on_and_nobody_takes_over() {
    let mut pair = Pair::running();
    let epoch = pair.record.group(&pay()).unwrap().epoch;
    pair.network = Network::Cut;
    pair.pass(Span::secs(20));
    assert_eq!(pair.record.group(&pay()).unwrap().epoch, epoch);
    assert!(pair.runs[0].is_some(), "it never stopped");
    let b = pair.nodes[1].as_ref().unwrap();
    assert_eq!(b.sights(pair.now)[&name("a")].life, Life::Heard, "it writes on the disk");
    pair.network = Network::Up;
    pair.pass(Span::secs(2));
    assert_eq!((pair.owner(), pair.runs[0].is_some()), (Some("a"), true));
}

#[test]
fn one_of_two_takes_over_from_the_other_with_the_vote_of_the_disk() {
    for network in [Network::Up, Network::Cut] {
        let mut pair = Pair::running();
        pair.network = network;
        pair.pass(Span::secs(3));
        pair.cut_power(0);
        pair.pass(Span::secs(2));
        assert_eq!(pair.owner(), Some("b"));
        assert!(pair.runs[1].is_some());
    }
}

#[test]
fn while_both_hear_each_other_the_loss_of_the_disk_stops_nothing_and_one_more_loss_does() {
    let mut pair = Pair::running();
    pair.reach = [Reach::Lost; 2];
    pair.pass(Span::secs(5));
    assert!(pair.runs[0].is_some());
    pair.network = Network::Cut;
    pair.pass(Span::secs(2));
    assert_eq!(pair.runs, [None, None]);
}

#[test]
fn an_owner_keeps_its_group_while_the_other_begins_anew_and_promises_nothing_yet() {
    let mut pair = Pair::running();
    let epoch = pair.record.group(&pay()).unwrap().epoch;
    pair.cut_power(1);
    pair.pass(Span::secs(1));
    pair.start(1);
    pair.pass(Span::secs(2));
    assert_eq!(pair.record.group(&pay()).unwrap().epoch, epoch);
    assert!(pair.runs[0].is_some(), "the vote of the disk has held it");
}

#[test]
fn who_takes_over_keeps_the_group_though_the_other_has_not_heard_of_the_takeover() {
    let mut pair = Pair::running();
    pair.dies(0);
    pair.pass(Span::secs(1));
    // Its copy of the record stays where it is; it is heard, and it answers.
    pair.reach[0] = Reach::Lost;
    pair.dies(0);
    pair.pass(Span::secs(2));
    let epoch = pair.record.group(&pay()).unwrap().epoch;
    assert_eq!((pair.owner(), pair.runs[1].is_some()), (Some("b"), true));
    pair.pass(Span::secs(5));
    assert_eq!(pair.record.group(&pay()).unwrap().epoch, epoch);
    assert!(pair.runs[1].is_some(), "the vote of the disk has held it");
}

#[test]
fn an_owner_that_loses_the_disk_and_every_network_is_taken_over_from() {
    let mut pair = Pair::running();
    pair.reach[0] = Reach::Lost;
    pair.network = Network::Cut;
    pair.pass(Span::secs(3));
    assert_eq!(pair.owner(), Some("b"));
    assert!(pair.runs[0].is_none() && pair.runs[1].is_some());
}

#[test]
fn a_node_that_comes_back_alone_takes_over_from_one_that_it_never_heard() {
    let mut pair = Pair::running();
    pair.cut_power(0);
    pair.cut_power(1);
    pair.pass(Span::secs(1));
    pair.start(1);
    pair.pass(Span::secs(4));
    assert_eq!(pair.owner(), Some("b"));
    assert!(pair.runs[1].is_some());
}

#[test]
fn a_group_that_fails_where_only_the_disk_is_seen_is_taken_over_and_counted_once() {
    for leader in ["b", "a"] {
        let mut pair = Pair::running();
        pair.lead(leader);
        pair.network = Network::Cut;
        pair.pass(Span::secs(3));
        pair.dies(0);
        assert_eq!(pair.owner(), Some("a"), "restarted in place once");
        pair.dies(0);
        pair.pass(Span::secs(2));
        assert_eq!(pair.owner(), Some("b"), "led by {leader}");
        assert!(pair.runs[0].is_none() && pair.runs[1].is_some());
        let counted = &pair.record.group(&pay()).unwrap().failures;
        let counted: Vec<Answer> = counted.iter().map(|failure| failure.answer).collect();
        assert_eq!(counted, [Answer::Restarted, Answer::TakenOver], "led by {leader}");
    }
}

#[test]
fn while_the_networks_stand_a_failure_is_told_in_beats_and_no_link_in_the_ledger() {
    let mut pair = Pair::running();
    pair.link(0, "eth1", LinkState::Down);
    pair.dies(0);
    pair.dies(0);
    pair.pass(Span::secs(2));
    assert_eq!(pair.owner(), Some("b"));
    assert_eq!(pair.record.group(&pay()).unwrap().failures.len(), 2);
    assert_eq!(pair.links_down(0), Vec::<&String>::new());
}

#[test]
fn a_group_that_failed_unheard_and_is_not_to_run_any_more_is_given_back_and_not_judged() {
    let mut pair = Pair::running();
    pair.network = Network::Cut;
    pair.pass(Span::secs(3));
    pair.dies(0);
    // The order comes before the word of the failure.
    pair.reach[0] = Reach::Lost;
    pair.dies(0);
    pair.intent(GroupIntent::Stop(crate::record::Order {
        by: "ops".to_owned(),
        reason: "to look at it".to_owned(),
        at: Wall(0),
        command: "1".to_owned(),
    }));
    pair.reach[0] = Reach::Reaches;
    pair.pass(Span::secs(2));
    assert_eq!((pair.owner(), pair.runs), (None, [None, None]));
    let group = pair.record.group(&pay()).unwrap();
    assert!(matches!(group.intent, GroupIntent::Stop(_)), "{:?}", group.intent);
    assert_eq!(group.failures.len(), 1);
}

#[test]
fn links_that_do_not_carry_are_told_in_the_ledger_while_only_the_disk_is_seen() {
    let mut pair = Pair::running();
    pair.network = Network::Cut;
    pair.pass(Span::secs(3));
    pair.link(0, "eth1", LinkState::Down);
    pair.pass(Span::secs(1));
    assert_eq!(pair.links_down(0), ["eth1"]);
    let seen = |pair: &Pair| pair.nodes[1].as_ref().unwrap().sights(pair.now)[&name("a")].clone();
    assert_eq!(seen(&pair).links, [("eth1".to_owned(), LinkState::Down)].into());
    assert_eq!(seen(&pair).life, Life::Heard);
    pair.network = Network::Up;
    pair.pass(Span::secs(1));
    assert_eq!(pair.links_down(0), Vec::<&String>::new(), "beats tell it again");
    assert_eq!(seen(&pair).links, [("eth1".to_owned(), LinkState::Down)].into());
}

/// Every network between the two is cut, and no link of either carries.
fn isolated(isolation: Isolation, startup: Startup, leader: &str) -> Pair {
    let mut pair = Pair::running();
    pair.configure(|group| (group.failure.isolation, group.startup) = (isolation, startup));
    pair.lead(leader);
    pair.network = Network::Cut;
    pair.pass(Span::secs(3));
    // The other way round the owner would hand over first, and rightly.
    for place in [1, 0] {
        LINKS.iter().for_each(|link| pair.link(place, link, LinkState::Down));
        pair.pass(Span::secs(2));
    }
    pair
}

const LINKS: [&str; 2] = ["eth0", "eth1"];

#[test]
fn ph_19_a_group_that_nobody_can_call_stays_or_is_stopped_as_configured() {
    for leader in NAMES {
        for startup in [Startup::Auto, Startup::Manual] {
            let stays = isolated(Isolation::Stay, startup, leader);
            assert_eq!(stays.owner(), Some("a"), "led by {leader}");
            assert!(stays.runs[0].is_some() && stays.runs[1].is_none());

            let mut stops = isolated(Isolation::Stop, startup, leader);
            assert_eq!((stops.owner(), stops.runs), (None, [None, None]), "led by {leader}");
            // Where a link carries first it is started again, though only the disk is seen.
            stops.link(1, "eth0", LinkState::Up);
            stops.pass(Span::secs(3));
            assert_eq!(stops.owner(), Some("b"), "led by {leader}");
            assert!(stops.runs[0].is_none() && stops.runs[1].is_some());
        }
    }
}

#[test]
fn ph_19_a_group_whose_owner_alone_is_isolated_goes_to_the_other_over_the_disk() {
    for leader in NAMES {
        let mut pair = Pair::running();
        pair.lead(leader);
        pair.network = Network::Cut;
        pair.pass(Span::secs(3));
        LINKS.iter().for_each(|link| pair.link(0, link, LinkState::Down));
        pair.pass(Span::secs(3));
        assert_eq!(pair.owner(), Some("b"), "led by {leader}");
        assert!(pair.runs[0].is_none() && pair.runs[1].is_some());
    }
}

#[test]
fn a_group_that_ends_on_a_node_whose_ledger_stands_still_goes_to_the_other_node() {
    for network in [Network::Up, Network::Cut] {
        let mut pair = Pair::running();
        pair.network = network;
        pair.pass(Span::secs(3));
        pair.ledger[0] = Ledger::StandsStill;
        // Restarted in place, without the ledger; what comes then is somebody else's to decide.
        pair.dies(0);
        assert!(pair.runs[0].is_some());
        pair.dies(0);
        pair.pass(Span::secs(5));
        assert_eq!(pair.owner(), Some("b"));
        assert!(pair.runs[0].is_none() && pair.runs[1].is_some());

        // It goes back to a node that gets what the ledger says, and not before.
        pair.configure(|group| group.failback = Failback::WhenBetter);
        pair.pass(Span::secs(5));
        assert_eq!(pair.owner(), Some("b"));
        pair.ledger[0] = Ledger::Answers;
        pair.network = Network::Up;
        pair.applied();
        let entry = pair.record.groups.get_mut(&pay()).unwrap();
        Arc::make_mut(&mut entry.value).failures.clear();
        pair.applied();
        pair.pass(Span::secs(5));
        assert_eq!(pair.owner(), Some("a"));
    }
}

/// Where its writes fail, its claims say nothing of what it was given since. Its beats do.
#[test]
fn what_a_node_tells_in_its_beats_is_taken_up_whatever_stands_on_the_disk() {
    let mut pair = Pair::running();
    pair.lead("a");
    pair.reach[1] = Reach::ReadsOnly;
    pair.dies(0);
    pair.dies(0);
    pair.pass(Span::secs(1));
    assert_eq!((pair.owner(), pair.runs[1].is_some()), (Some("b"), true));
    let claimed = |pair: &Pair| pair.disk[1].as_ref().unwrap().groups.contains_key(&pay());
    let epoch = pair.record.group(&pay()).unwrap().epoch;
    pair.pass(Span::secs(8));
    assert!(!claimed(&pair), "its writes fail");
    let sights = pair.nodes[0].as_ref().unwrap().sights(pair.now);
    assert!(sights[&name("b")].entries.reach_it());
    assert_eq!(pair.record.group(&pay()).unwrap().epoch, epoch);
    assert_eq!((pair.owner(), pair.runs[1].is_some()), (Some("b"), true));
}

#[test]
fn a_group_that_runs_where_the_ledger_stands_still_stays() {
    for network in [Network::Up, Network::Cut] {
        let mut pair = Pair::running();
        pair.ledger[0] = Ledger::StandsStill;
        pair.network = network;
        pair.pass(Span::secs(8));
        assert_eq!(pair.owner(), Some("a"));
        assert!(pair.runs[0].is_some() && pair.runs[1].is_none());
    }
}

#[test]
fn ph_19_at_a_cut_the_links_of_the_other_node_are_as_it_told_them_last() {
    let mut pair = Pair::running();
    pair.lead("a");
    LINKS.iter().for_each(|link| pair.link(1, link, LinkState::Down));
    pair.pass(Span::secs(1));
    pair.network = Network::Cut;
    pair.ledger[1] = Ledger::StandsStill;
    pair.pass(Span::secs(1));
    LINKS.iter().for_each(|link| pair.link(0, link, LinkState::Down));
    pair.pass(Span::secs(2));
    assert_eq!(pair.owner(), Some("a"), "nobody can call it there either");
}

#[test]
fn a_link_that_carries_again_just_as_the_networks_are_cut_is_told_in_the_ledger() {
    let mut pair = Pair::running();
    LINKS.iter().for_each(|link| pair.link(1, link, LinkState::Down));
    pair.pass(Span::secs(1));
    pair.network = Network::Cut;
    LINKS.iter().for_each(|link| pair.link(1, link, LinkState::Up));
    pair.pass(Span::secs(2));
    let seen = pair.nodes[0].as_ref().unwrap().sights(pair.now)[&name("b")].clone();
    assert_eq!(seen.links, BTreeMap::new());
}
