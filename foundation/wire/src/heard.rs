//! Over which networks each node is heard now, as its datagrams tell.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tsugi_vocabulary::{BootId, NodeName};

/// A network over which nothing of a node came for so long, while others brought something, does
/// not carry. Set by [`Heard::patience`]; this is for who sets nothing.
const PATIENCE: Duration = Duration::from_millis(100);

/// A node that was not heard for so long is not looked for before it is needed.
const LATELY: Duration = Duration::from_secs(2);

/// A datagram of a node, or a copy of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Came {
    /// The start of its sender, if this copy is the first; copies of it are of the same.
    pub boot: Option<BootId>,
    /// Its number.
    pub sequence: u64,
}

/// When each node was last heard on each network.
#[derive(Debug, Default)]
pub struct Heard(Mutex<State>);

#[derive(Debug)]
struct State {
    nodes: BTreeMap<NodeName, Sender>,
    patience: Duration,
}

impl Default for State {
    fn default() -> Self {
        Self { nodes: BTreeMap::new(), patience: PATIENCE }
    }
}

#[derive(Debug, Default)]
struct Sender {
    boot: Option<BootId>,
    /// The newest datagram that is known to have been sent over every network.
    everywhere: u64,
    networks: Vec<Option<Last>>,
    /// When anything of it was last heard over each network, whatever became of either since.
    ever: Vec<Option<Instant>>,
}

/// The newest datagram that came over a network.
#[derive(Clone, Copy, Debug)]
struct Last {
    sequence: u64,
    at: Instant,
}

impl Sender {
    fn last(&self, network: usize) -> Option<Last> {
        self.networks.get(network).copied().flatten()
    }

    fn newest(&self) -> Option<Instant> {
        self.networks.iter().flatten().map(|last| last.at).max()
    }

    /// Whether a network brought the newest of what went over all of them, or something later,
    /// and is not far behind the others.
    fn carries(&self, network: usize, patience: Duration) -> bool {
        let (Some(last), Some(newest)) = (self.last(network), self.newest()) else { return false };
        last.sequence >= self.everywhere && newest - last.at <= patience
    }
}

impl Heard {
    /// How far a network may be behind the others: longer than it takes a node to send something
    /// over each in turn.
    pub fn patience(&self, patience: Duration) {
        self.lock().patience = patience;
    }

    /// Something of `node` has come over the network at this place in its list of addresses.
    pub fn note(&self, node: &NodeName, network: usize, came: Came) {
        let mut state = self.lock();
        if !state.nodes.contains_key(node) {
            state.nodes.insert(node.clone(), Sender::default());
        }
        let Some(sender) = state.nodes.get_mut(node) else { return };
        if came.boot.is_some() && came.boot != sender.boot {
            let ever = std::mem::take(&mut sender.ever);
            *sender = Sender { boot: came.boot, ever, ..Sender::default() };
        }
        if sender.networks.len() <= network {
            sender.networks.resize(network + 1, None);
        }
        let before = sender.networks[network].map_or(0, |last| last.sequence);
        let (sequence, at) = (came.sequence.max(before), Instant::now());
        sender.networks[network] = Some(Last { sequence, at });
        if sender.ever.len() <= network {
            sender.ever.resize(network + 1, None);
        }
        sender.ever[network] = Some(at);
    }

    /// The datagram of this number was sent over every network: one that brings no copy of it, and
    /// nothing later, does not carry.
    pub fn went_everywhere(&self, node: &NodeName, sequence: u64) {
        if let Some(sender) = self.lock().nodes.get_mut(node) {
            sender.everywhere = sender.everywhere.max(sequence);
        }
    }

    /// This end of a network is gone: whoever was heard over it has to be heard anew.
    pub fn lost(&self, network: usize) {
        for sender in self.lock().nodes.values_mut() {
            if let Some(last) = sender.networks.get_mut(network) {
                *last = None;
            }
        }
    }

    /// Whether `node` is heard now, and over each of `count` networks.
    #[must_use]
    pub fn on_all(&self, node: &NodeName, count: usize) -> bool {
        let state = self.lock();
        let Some(sender) = state.nodes.get(node) else { return false };
        let now = sender.newest().is_some_and(|at| at.elapsed() <= state.patience);
        now && (0..count).all(|network| sender.carries(network, state.patience))
    }

    /// The networks on which `node` is heard, of `count`; all of them as long as it was not heard
    /// at all.
    #[must_use]
    pub fn alive(&self, node: &NodeName, count: usize) -> Vec<usize> {
        let state = self.lock();
        let sender = state.nodes.get(node).filter(|sender| sender.newest().is_some());
        let Some(sender) = sender else { return (0..count).collect() };
        (0..count).filter(|network| sender.carries(*network, state.patience)).collect()
    }

    /// How long ago each node was heard over each network, by its place in the list of addresses:
    /// also over one that is lost since, and without those over which it never was.
    #[must_use]
    pub fn ago(&self) -> Vec<(NodeName, usize, Duration)> {
        let state = self.lock();
        let over = |sender: &Sender| {
            let each = sender.ever.iter().enumerate();
            each.filter_map(|(n, at)| Some((n, at.as_ref()?.elapsed()))).collect::<Vec<_>>()
        };
        let each = state.nodes.iter().map(|(node, sender)| (node.clone(), over(sender)));
        each.flat_map(|(node, all)| all.into_iter().map(move |(n, ago)| (node.clone(), n, ago)))
            .collect()
    }

    /// Over which networks something of each node comes now; a node that is missing was never
    /// heard.
    #[must_use]
    pub fn now(&self) -> BTreeMap<NodeName, BTreeSet<usize>> {
        let state = self.lock();
        let networks = |sender: &Sender| -> BTreeSet<usize> {
            let now = sender.newest().is_some_and(|at| at.elapsed() < LATELY);
            let carries = |network: &usize| now && sender.carries(*network, state.patience);
            (0..sender.networks.len()).filter(carries).collect()
        };
        state.nodes.iter().map(|(name, sender)| (name.clone(), networks(sender))).collect()
    }

    /// Whether `node` was heard at all within the last two seconds.
    pub(crate) fn lately(&self, node: &NodeName) -> bool {
        let newest = self.lock().nodes.get(node).and_then(Sender::newest);
        newest.is_some_and(|at| at.elapsed() < LATELY)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half way, so a poisoned state is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a() -> NodeName {
        NodeName::new("a").expect("a name")
    }

    fn heard(copies: &[(usize, u64)]) -> Heard {
        let heard = Heard::default();
        // Only numbers decide here, however slow the machine is.
        heard.patience(Duration::from_secs(3600));
        for (network, sequence) in copies {
            heard.note(&a(), *network, Came { boot: Some(BootId(1)), sequence: *sequence });
        }
        heard
    }

    #[test]
    fn how_long_ago_a_node_was_heard_is_told_of_a_network_that_is_lost_as_well() {
        let heard = Heard::default();
        let came = |boot, sequence| Came { boot: Some(BootId(boot)), sequence };
        heard.note(&a(), 0, came(1, 7));
        heard.note(&a(), 1, came(1, 7));
        heard.lost(1);
        heard.note(&a(), 0, came(2, 1));
        let over: Vec<(NodeName, usize)> =
            heard.ago().into_iter().map(|(n, at, _)| (n, at)).collect();
        assert_eq!(over, [(a(), 0), (a(), 1)]);
    }

    #[test]
    fn who_was_never_heard_may_be_on_any_network_and_is_not_heard_on_all() {
        assert_eq!(heard(&[]).alive(&a(), 3), [0, 1, 2]);
        assert!(!heard(&[]).on_all(&a(), 3));
        assert!(!heard(&[(0, 1)]).on_all(&a(), 2));
    }

    #[test]
    fn what_went_over_one_network_in_turn_says_nothing_of_the_others() {
        let heard = heard(&[(0, 1), (1, 2), (2, 3), (0, 4)]);
        assert!(heard.on_all(&a(), 3));
        assert_eq!(heard.alive(&a(), 3), [0, 1, 2]);
    }

    #[test]
    fn what_went_everywhere_and_did_not_come_over_a_network_says_that_it_does_not_carry() {
        let heard = heard(&[(0, 1), (1, 2), (2, 3), (2, 4)]);
        heard.went_everywhere(&a(), 4);
        assert_eq!(heard.alive(&a(), 3), [2]);
        // What had waited since before the cut is read later, and is no news of today.
        heard.note(&a(), 0, Came { boot: Some(BootId(1)), sequence: 3 });
        assert_eq!(heard.alive(&a(), 3), [2]);
        heard.note(&a(), 0, Came { boot: None, sequence: 4 });
        heard.note(&a(), 1, Came { boot: Some(BootId(1)), sequence: 5 });
        assert!(heard.on_all(&a(), 3), "a copy, and something later");
    }

    #[test]
    fn a_network_that_falls_behind_the_others_does_not_carry() {
        let heard = heard(&[(0, 1), (1, 2)]);
        heard.patience(Duration::ZERO);
        assert_eq!(heard.alive(&a(), 2), [1]);
        assert!(!heard.on_all(&a(), 2));
    }

    #[test]
    fn when_this_end_is_lost_everybody_has_to_be_heard_anew() {
        let heard = heard(&[(0, 1), (1, 1)]);
        heard.lost(0);
        assert_eq!(heard.alive(&a(), 2), [1]);
        heard.note(&a(), 0, Came { boot: Some(BootId(1)), sequence: 2 });
        assert_eq!(heard.alive(&a(), 2), [0, 1]);
        heard.lost(0);
        heard.lost(1);
        assert_eq!(heard.alive(&a(), 2), [0, 1], "it may be anywhere");
    }

    #[test]
    fn who_is_heard_is_told_network_by_network_and_who_never_was_is_not_told_at_all() {
        let none = Heard::default().now();
        assert!(none.is_empty(), "{none:?}");
        let heard = heard(&[(0, 1), (1, 2), (2, 3), (2, 4)]);
        let over = |networks: &[usize]| BTreeMap::from([(a(), networks.iter().copied().collect())]);
        assert_eq!(heard.now(), over(&[0, 1, 2]));
        heard.went_everywhere(&a(), 4);
        assert_eq!(heard.now(), over(&[2]));
        (0..3).for_each(|network| heard.lost(network));
        assert_eq!(heard.now(), over(&[]));
    }

    #[test]
    fn another_start_of_a_node_counts_anew() {
        let heard = heard(&[(0, 900), (1, 901)]);
        heard.went_everywhere(&a(), 900);
        heard.note(&a(), 0, Came { boot: Some(BootId(2)), sequence: 1 });
        assert_eq!(heard.alive(&a(), 2), [0]);
        heard.note(&a(), 1, Came { boot: Some(BootId(2)), sequence: 2 });
        assert!(heard.on_all(&a(), 2));
    }
}
