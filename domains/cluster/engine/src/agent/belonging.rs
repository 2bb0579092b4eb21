//! Whether this node still belongs: it may have been taken out while it was away, or the ledger
//! was restored from a backup and this node's copy is of its former life.
//!
//! ```text
//! running ──"taken out"──▶ everything put aside, the node ends
//!    └──"a later life of the ledger", and no leader here──▶ note ─▶ restart ─▶ copy put aside
//!                                                  ─▶ new number ─▶ note gone ─▶ running
//! ```
//!
//! The note stands from before the first step until after the last, so an interrupted node goes
//! on from any of them. Its old copy is aside before it asks for a number: whoever has a number
//! of the restored ledger never votes in the former one again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tsugi_cluster_rules::spec::ResourceKind;
use tsugi_host::Host;
use tsugi_host::hands::Hands;
use tsugi_host::request::{Answer as HandsAnswer, Listing, Report, Request, Unmounting};
use tsugi_ledger::Ledger;
use tsugi_messages as messages;
use tsugi_vocabulary::NodeName;
use tsugi_wire::client::Client;
use tsugi_wire::files;
use tsugi_wire::identity::ClusterIdentity;
use tsugi_wire::tls::Tls;

use super::book::Book;
use super::entry::{Answer, Ask, Kept, to_bytes};
use super::founding::{FOUNDING_FILE, Founding, FoundingFailure};
use super::join::JoinFailure;
use super::ledger_link::{Link, LinkFailure};
use super::start::{AgentConfig, AgentFailure, FOUNDING_CHANNEL, surroundings};
use super::{aside, by_agents, join};
use crate::core::{Letter, Post};
use crate::{config, logbook};

/// The note that this node's copy is to be put aside.
pub(super) const NOTE: &str = "comes-in-again.json";
/// The next look, while no leader is heard.
const OFTEN: Duration = Duration::from_secs(2);
/// The next look, while one is.
const SELDOM: Duration = Duration::from_secs(30);
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a node that was taken out goes on voting, for its vote to be taken away in order.
const LAST_VOTES: Duration = Duration::from_secs(5);

/// What the look needs of a running agent.
pub(super) struct Lookout {
    data_dir: PathBuf,
    me: NodeName,
    voter: u64,
    book: Arc<Book>,
    tls: Arc<Tls>,
    ledger: Arc<dyn Ledger>,
    post: Post,
}

/// Which look it is: the first with something to compare, or a later one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    First,
    Later,
}

enum Verdict {
    Belongs,
    Removed,
    Superseded,
}

/// What all the nodes together say.
enum Seen {
    Belongs,
    Removed,
    /// These nodes stand in a later life of the ledger.
    Superseded(BTreeSet<NodeName>),
}

/// Whether a node whose ledger lives on elsewhere leaves its own. While it runs under a leader it
/// stays: somebody may have restored a backup on a machine that was only cut off. A leader that
/// stands in the later life is none of its own, though its beats are heard: they say who leads,
/// not in which life.
fn leaves(look: Look, leader: Option<&NodeName>, later: &BTreeSet<NodeName>) -> bool {
    look == Look::First || leader.is_none_or(|leader| later.contains(leader))
}

impl Lookout {
    pub(super) fn new(
        config: &AgentConfig,
        (me, voter): (NodeName, u64),
        link: &Link,
        post: Post,
    ) -> Self {
        Self {
            data_dir: config.data_dir.clone(),
            me,
            voter,
            book: Arc::clone(&link.book),
            tls: Arc::clone(&link.tls),
            ledger: Arc::clone(&link.ledger),
            post,
        }
    }

    /// Looks now and then, and ends the core when this node does not belong any more.
    pub(super) async fn watch(self) {
        // After the start of all agents no lease is given for the longest TTL (L4). A ledger that
        // was restored meanwhile is found in that time, before anything of the former one starts.
        let mut first = Look::First;
        loop {
            if self.own_record_says_removed() {
                self.vote_to_the_end().await;
                return self.post.send(Letter::Removed);
            }
            match self.look().await {
                Seen::Belongs => {}
                Seen::Removed => return self.post.send(Letter::Removed),
                Seen::Superseded(later) if leaves(first, self.leader().as_ref(), &later) => {
                    if leave_note(&self.data_dir, &self.kept()).is_ok() {
                        return self.post.send(Letter::StepAside);
                    }
                }
                Seen::Superseded(_) => {}
            }
            if self.has_caught_up() {
                first = Look::Later;
            }
            self.rest(first).await;
        }
    }

    /// Waits for the next look: shortly while no leader is heard, and until its own copy says more.
    async fn rest(&self, look: Look) {
        let mut applied = self.ledger.watch();
        let mut leads = self.ledger.leadership_watch();
        let alone = || self.is_alone() || look == Look::First;
        let begun = tokio::time::Instant::now();
        while !self.own_record_says_removed() {
            let until = begun + if alone() { OFTEN } else { SELDOM };
            let ended = tokio::select! {
                () = tokio::time::sleep_until(until) => return,
                changed = applied.changed() => changed.is_err(),
                changed = leads.changed() => changed.is_err(),
            };
            if ended {
                return;
            }
        }
    }

    /// Whether no leader is heard.
    fn is_alone(&self) -> bool {
        self.ledger.leadership().leader.is_none()
    }

    fn leader(&self) -> Option<NodeName> {
        let leader = self.ledger.leadership().leader?;
        self.ledger.view().voters.list.get(&leader).cloned()
    }

    fn has_caught_up(&self) -> bool {
        self.ledger.view().get("config").is_some()
    }

    fn own_record_says_removed(&self) -> bool {
        let view = self.ledger.view();
        let is = |folder: &str| view.get(&format!("{folder}/{}", self.me)).is_some();
        is("gone") && !is("node")
    }

    async fn vote_to_the_end(&self) {
        let until = tokio::time::Instant::now() + LAST_VOTES;
        let mut applied = self.ledger.watch();
        while self.ledger.view().voters.of(&self.me).is_some() {
            match tokio::time::timeout_at(until, applied.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return,
            }
        }
    }

    fn kept(&self) -> Kept {
        let view = self.ledger.view();
        let voters = view.voters.list.values().cloned().collect();
        Kept { incarnation: view.incarnation, voter: self.voter, voters }
    }

    async fn look(&self) -> Seen {
        if !self.has_caught_up() {
            // It has not caught up: it knows of no life of the ledger yet.
            return Seen::Belongs;
        }
        let kept = self.kept();
        let mut looks = JoinSet::new();
        for node in self.book.nodes().into_iter().filter(|node| *node != self.me) {
            let (tls, addresses) = (Arc::clone(&self.tls), self.book.addresses(&node));
            looks.spawn(async move {
                let answer = look_at(&tls, &node, addresses).await;
                (node, answer)
            });
        }
        let mut later = BTreeSet::new();
        while let Some(Ok((node, answer))) = looks.join_next().await {
            match judge(answer.as_ref(), &kept) {
                Verdict::Belongs => {}
                Verdict::Removed => return Seen::Removed,
                Verdict::Superseded => drop(later.insert(node)),
            }
        }
        if later.is_empty() { Seen::Belongs } else { Seen::Superseded(later) }
    }
}

pub(super) async fn look_at(
    tls: &Arc<Tls>,
    node: &NodeName,
    addresses: Vec<std::net::SocketAddr>,
) -> Option<Answer> {
    let client = Client::new(Arc::clone(tls), node.clone(), addresses);
    let body = client.request(FOUNDING_CHANNEL, to_bytes(&Ask::Look), PATIENCE).await;
    serde_json::from_slice(&body.ok()?).ok()
}

/// What one node's answer says to a node that keeps this.
fn judge(answer: Option<&Answer>, kept: &Kept) -> Verdict {
    match answer {
        Some(Answer::Removed { incarnation }) if *incarnation >= kept.incarnation => {
            Verdict::Removed
        }
        Some(Answer::Stands { incarnation, .. }) if *incarnation > kept.incarnation => {
            Verdict::Superseded
        }
        // Its name has come again under another number: this copy is nobody's.
        Some(Answer::Stands { incarnation, voter: Some(voter) })
            if *incarnation == kept.incarnation && *voter > kept.voter =>
        {
            Verdict::Removed
        }
        Some(
            Answer::Removed { .. }
            | Answer::Stands { .. }
            | Answer::Number { .. }
            | Answer::No { .. },
        )
        | None => Verdict::Belongs,
    }
}

fn leave_note(data_dir: &Path, kept: &Kept) -> Result<(), files::FileFailure> {
    files::replace(&data_dir.join(NOTE), &to_bytes(kept))
}

/// The note, if this node is on its way in again.
fn note(data_dir: &Path) -> Result<Option<Kept>, AgentFailure> {
    let Some(text) = files::read_text_if_there(&data_dir.join(NOTE))? else { return Ok(None) };
    let kept = serde_json::from_str(&text);
    kept.map(Some).map_err(|e| FoundingFailure::Damaged(e.to_string()).into())
}

/// A node that is on its way in again: puts its copy aside and asks for a number, for as long as
/// it takes. Any other goes on at once.
pub(super) fn come_in_again(
    config: &AgentConfig,
    runtime: &tokio::runtime::Runtime,
) -> Result<(), AgentFailure> {
    let Some(kept) = note(&config.data_dir)? else { return Ok(()) };
    let identity = ClusterIdentity::load(&config.pki_dir)?;
    let me = identity.subject.name.clone();
    let tls = Arc::new(Tls::new(&identity, config.build.protocol).map_err(LinkFailure::Tls)?);
    let founding = Founding::read(&config.data_dir)?;
    let book = Book::of(&founding);
    let ledger = aside::LEDGER.map(|name| config.data_dir.join(name));
    loop {
        let (found, answer) = runtime.block_on(ask_around(&tls, &book, &me));
        match judge(answer.as_ref(), &kept) {
            Verdict::Superseded => {}
            // The later life is not there any more; this node has not begun to leave its own.
            Verdict::Belongs if answer.is_some() && ledger.iter().all(|path| path.exists()) => {
                break;
            }
            Verdict::Removed => {
                let place = put_all_aside(config)?;
                return Err(AgentFailure::Removed { node: me, place });
            }
            Verdict::Belongs => {
                std::thread::sleep(OFTEN);
                continue;
            }
        }
        let_go_of_all(config, &founding, &me)?;
        if ledger.iter().any(|path| path.exists()) {
            let place = aside::put(&config.data_dir, &ledger)?;
            logbook::say(&messages::came_in_again(&me, place.display()));
        }
        match runtime.block_on(join::number(&tls, &found, (&me, Some(kept.clone())))) {
            Ok(next) => {
                next.write(&config.data_dir)?;
                break;
            }
            // It was named lost: what it let go of is known now, and it comes in with a token only.
            Err(JoinFailure::Removed(_)) => {
                let place = put_all_aside(config)?;
                return Err(AgentFailure::Removed { node: me, place });
            }
            Err(why) => {
                logbook::say(&messages::token_refused(&me, why));
                std::thread::sleep(OFTEN);
            }
        }
    }
    Ok(std::fs::remove_file(config.data_dir.join(NOTE))?)
}

/// The first answer that says something other than *you belong*, and where it came from.
async fn ask_around(
    tls: &Arc<Tls>,
    book: &Book,
    me: &NodeName,
) -> (Vec<std::net::SocketAddr>, Option<Answer>) {
    let mut heard = (Vec::new(), None);
    for node in book.nodes().into_iter().filter(|node| node != me) {
        let addresses = book.addresses(&node);
        let Some(answer) = look_at(tls, &node, addresses.clone()).await else { continue };
        let later = |a: &Answer| match a {
            Answer::Stands { incarnation, .. } | Answer::Removed { incarnation } => *incarnation,
            Answer::Number { .. } | Answer::No { .. } => 0,
        };
        if heard.1.as_ref().is_none_or(|known| later(&answer) > later(known)) {
            heard = (addresses, Some(answer));
        }
    }
    heard
}

/// Nothing that ran here under the former ledger may go on under the restored one, not even a
/// group that was pinned, whose guardian was disarmed.
fn let_go_of_all(
    config: &AgentConfig,
    founding: &Founding,
    me: &NodeName,
) -> Result<(), AgentFailure> {
    let mut hands = Hands::connect(&config.run_dir).map_err(AgentFailure::Hands)?;
    let spec = config::read(&founding.config).map(|resolved| resolved.spec);
    let groups = spec.map(|spec| spec.groups).unwrap_or_default();
    by_agents::let_go(&mut hands, &groups, &surroundings(config, me)).map_err(gone)?;
    loop {
        let listing = listing(&mut hands)?;
        let addresses: Vec<_> = groups
            .values()
            .flat_map(|group| &group.resources)
            .filter_map(|resource| match &resource.kind {
                ResourceKind::Address { address, .. } => Some(*address),
                _ => None,
            })
            .filter(|address| listing.addresses.iter().any(|(_, there)| there == address))
            .collect();
        if listing.processes.is_empty() && listing.mounts.is_empty() && addresses.is_empty() {
            return Ok(());
        }
        let kill = listing.processes.iter().map(|(g, _)| Request::KillGroup { group: g.clone() });
        let drop = addresses.into_iter().map(|address| Request::RemoveAddress { address });
        let unmount = listing
            .mounts
            .iter()
            .map(|dir| Request::Unmount { dir: dir.clone(), how: Unmounting::Emergency });
        for request in kill.chain(drop).chain(unmount) {
            hands.ask(&request).map_err(gone)?;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn listing(hands: &mut Hands) -> Result<Listing, AgentFailure> {
    hands.ask(&Request::List).map_err(gone)?;
    loop {
        match hands.next_report().map_err(gone)? {
            Some(Report::Answer { outcome: Ok(HandsAnswer::Listing(listing)), .. }) => {
                return Ok(listing);
            }
            Some(Report::Answer { .. } | Report::Event(_)) => {}
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

fn gone(gone: tsugi_host::Gone) -> AgentFailure {
    AgentFailure::Hands(std::io::Error::other(gone.why))
}

/// A node that was taken out for good: what it kept is put aside, the identity before the ledger,
/// so that its next start waits for a new token whatever happens in between.
pub(super) fn put_all_aside(config: &AgentConfig) -> std::io::Result<PathBuf> {
    let [ledger, kept] = aside::LEDGER.map(|name| config.data_dir.join(name));
    let [note, founding] = [NOTE, FOUNDING_FILE].map(|name| config.data_dir.join(name));
    aside::put(&config.data_dir, &[note, config.pki_dir.clone(), ledger, kept, founding])
}

/// What a former cluster left in the directory of a node that has no identity.
pub(super) fn clear_leftovers(data_dir: &Path) -> std::io::Result<()> {
    let left = aside::LEDGER.map(|name| data_dir.join(name));
    let left: Vec<PathBuf> = left.into_iter().chain([data_dir.join(FOUNDING_FILE)]).collect();
    if left.iter().any(|path| path.exists()) {
        aside::put(data_dir, &left)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(answer: &Answer) -> &'static str {
        let kept = Kept { incarnation: 7, voter: 2, voters: [].into() };
        match judge(Some(answer), &kept) {
            Verdict::Belongs => "belongs",
            Verdict::Removed => "removed",
            Verdict::Superseded => "superseded",
        }
    }

    #[test]
    fn only_a_ledger_that_is_not_older_may_say_that_a_node_does_not_belong() {
        let stands = |incarnation, voter| Answer::Stands { incarnation, voter };
        assert_eq!(verdict(&stands(7, Some(2))), "belongs");
        assert_eq!(verdict(&stands(7, None)), "belongs", "the other has not applied it yet");
        assert_eq!(verdict(&stands(7, Some(5))), "removed", "wiped, and here again as 5");
        assert_eq!(verdict(&stands(8, Some(2))), "superseded");
        assert_eq!(verdict(&stands(6, Some(9))), "belongs", "that one was left behind");
        assert_eq!(verdict(&Answer::Removed { incarnation: 7 }), "removed");
        assert_eq!(verdict(&Answer::Removed { incarnation: 6 }), "belongs");
    }

    #[test]
    fn a_leader_of_the_later_life_holds_nobody_back_and_one_of_the_own_does() {
        let node = |name: &str| NodeName::new(name).unwrap();
        let later = BTreeSet::from([node("a")]);
        assert!(leaves(Look::Later, None, &later), "nobody leads");
        assert!(leaves(Look::Later, Some(&node("a")), &later), "its beats say that it leads");
        assert!(!leaves(Look::Later, Some(&node("b")), &later), "the former ledger goes on");
        assert!(leaves(Look::First, Some(&node("b")), &later), "before anything is promised");
    }
}
