//! The register of a node: which number each certificate was given, and who is no member.
//!
//! Invariants: a number is given to one certificate, and is durable before it is told; the
//! numbers of the founding are the founder's to give until the ledger has its first entry.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tsugi_cluster_rules::command::{self, Before, Command, Issued, Number};
use tsugi_cluster_rules::lease::lost_voters_out_there;
use tsugi_cluster_rules::node::Fate;
use tsugi_cluster_rules::plan::Situation;
use tsugi_cluster_rules::record::Record;
use tsugi_ledger::{Ledger, View};
use tsugi_vocabulary::NodeName;
use tsugi_wire::listener::Peer;

use super::entry::{Answer, Ask, Kept, WhyNot, to_bytes};
use super::founding::{Founding, Part};
use crate::records;
use crate::standing::Standing;

/// How long the ledger is waited for.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often a decision is made again when the ledger moved on under it.
const TRIES: u32 = 8;

/// The register of one node.
pub(super) struct Register {
    data_dir: PathBuf,
    ledger: Arc<dyn Ledger>,
    standing: watch::Receiver<Arc<Standing>>,
    /// One number after the other.
    alone: tokio::sync::Mutex<()>,
}

impl Register {
    pub(super) fn new(
        data_dir: PathBuf,
        ledger: Arc<dyn Ledger>,
        standing: watch::Receiver<Arc<Standing>>,
    ) -> Self {
        Self { data_dir, ledger, standing, alone: tokio::sync::Mutex::new(()) }
    }

    /// Whether what this peer says to the ledger is heard: it has a vote or has joined under this
    /// certificate, as far as this node knows. While nobody is known to have joined, everybody is.
    pub(super) fn hears(&self, peer: &Peer) -> bool {
        let standing = self.standing.borrow();
        let nodes = &standing.record.nodes;
        let certificate = peer.fingerprint.to_string();
        nodes.is_empty()
            || standing.record.voters.contains_key(&peer.node)
            || nodes.get(&peer.node).is_some_and(|known| {
                known.value.certificate.as_ref().is_none_or(|its| *its == certificate)
            })
    }

    /// Answers at the door.
    pub(super) async fn answer(&self, peer: &Peer, body: &[u8]) -> Vec<u8> {
        let answer = match serde_json::from_slice(body) {
            Ok(Ask::Look) => self.look(peer),
            Ok(Ask::Number { kept }) => {
                self.number(peer, kept).await.unwrap_or_else(|why| Answer::No { why })
            }
            Err(_) => Answer::No { why: WhyNot::Unreadable },
        };
        to_bytes(&answer)
    }

    fn look(&self, peer: &Peer) -> Answer {
        let view = self.ledger.view();
        let incarnation = view.incarnation;
        let Ok(record) = records::record(&view, &Record::default()) else {
            return Answer::Stands { incarnation, voter: None };
        };
        if was_removed(&record, peer) {
            return Answer::Removed { incarnation };
        }
        let known = record.nodes.get(&peer.node).map(|known| known.value.voter);
        Answer::Stands { incarnation, voter: known }
    }

    async fn number(&self, peer: &Peer, kept: Option<Kept>) -> Result<Answer, WhyNot> {
        let _alone = self.alone.lock().await;
        let founding = Founding::read(&self.data_dir).map_err(|_| WhyNot::NotTheFounder)?;
        if self.ledger.view().get("config").is_none() {
            self.take(founding.clone(), peer)?;
            return Ok(Answer::Number { founding: Box::new(founding.for_joiner()) });
        }
        match tokio::time::timeout(PATIENCE, self.ledger.barrier()).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) | Err(_) => return Err(WhyNot::NoMajority),
        }
        let view = self.ledger.view();
        let former = kept.as_ref().filter(|k| k.incarnation < view.incarnation);
        let former = former.map(|kept| kept.voters.clone()).unwrap_or_default();
        if let Some(Kept { incarnation: kept, .. }) =
            kept.as_ref().filter(|k| k.incarnation > view.incarnation)
        {
            return Err(WhyNot::Later { kept: *kept, ours: view.incarnation });
        }
        let certificate = peer.fingerprint.to_string();
        for _ in 0..TRIES {
            let view = self.ledger.view();
            let record =
                records::record(&view, &Record::default()).map_err(|_| WhyNot::NoMajority)?;
            // Whoever kept nothing has come with a token. No certificate is known to be refused.
            let anew = kept.is_none() && is_gone_unasked(&record, peer);
            if was_removed(&record, peer) && !anew {
                return Ok(Answer::Removed { incarnation: view.incarnation });
            }
            let known = record.nodes.get(&peer.node).map(|known| &known.value);
            let its_own = known.is_some_and(|k| k.certificate.as_deref() == Some(&*certificate));
            if lost_voters_out_there(&record).contains(&&peer.node) {
                // Whoever asks under its certificate has put its copy aside (`belonging`); another
                // machine of that name says nothing of what the lost one runs.
                let unasked = known.is_some_and(|k| k.certificate.is_none());
                if !(its_own || unasked) || kept.is_none() {
                    return Err(WhyNot::StillAwaited);
                }
                let (node, certificate) = (peer.node.clone(), certificate.clone());
                let stood_aside = Command::NodeStoodAside { node, certificate };
                self.enter(&record, peer, stood_aside).await?;
                continue;
            }
            if its_own {
                let founding =
                    Founding::of_record(&view, &record).map_err(|_| WhyNot::NotConfigured)?;
                return Ok(Answer::Number { founding: Box::new(founding) });
            }
            if !record.spec().is_some_and(|spec| spec.nodes.contains_key(&peer.node)) {
                return Err(WhyNot::NotConfigured);
            }
            let mine = founding.part == Part::Founder && record.restored.is_none();
            let number = match self.take(founding.clone(), peer) {
                Ok(()) if mine => Number::OfTheFounding,
                Ok(()) | Err(_) => Number::New,
            };
            let join = Command::NodeJoin {
                node: peer.node.clone(),
                certificate: certificate.clone(),
                number,
                former: former.clone(),
            };
            self.enter(&record, peer, join).await?;
        }
        Err(WhyNot::NoMajority)
    }

    /// Brings the founding record up to what the ledger says, if it says something else.
    pub(super) async fn catch_up(&self, view: &View, record: &Record, me: &NodeName) {
        let _alone = self.alone.lock().await;
        let Ok(founding) = Founding::read(&self.data_dir) else { return };
        let now = founding.caught_up(view, record, me);
        if now != founding {
            // It is only where to begin from; the ledger's word counts, and it is written again.
            let _tried_again = now.write(&self.data_dir);
        }
    }

    /// The founder's own note of whom it gave a number of the founding to.
    fn take(&self, mut founding: Founding, peer: &Peer) -> Result<(), WhyNot> {
        if founding.part != Part::Founder {
            return Err(WhyNot::NotTheFounder);
        }
        if founding.voter(&peer.node).is_none() {
            return Err(WhyNot::NotConfigured);
        }
        let certificate = peer.fingerprint.to_string();
        match founding.taken.get(&peer.node) {
            Some(other) if *other != certificate => return Err(WhyNot::NameTaken),
            Some(_) => return Ok(()),
            None => {}
        }
        founding.taken.insert(peer.node.clone(), certificate);
        founding.write(&self.data_dir).map_err(|_| WhyNot::NotTheFounder)
    }

    /// Puts what becomes of the node into the ledger, with its line in the audit.
    async fn enter(&self, record: &Record, peer: &Peer, command: Command) -> Result<(), WhyNot> {
        let standing = self.standing.borrow().clone();
        let at = tsugi_host::clock::wall();
        let certificate = peer.fingerprint.to_string();
        let issued = Issued {
            words: words(&command).to_owned(),
            command,
            person: format!("node {}", peer.node),
            origin: peer.addr.to_string(),
            command_id: format!("join-{}-{}", certificate.get(..16).unwrap_or_default(), at.0),
            decided_on: record.generation(),
            reason: String::new(),
            at,
            before: Before::New,
        };
        let situation = Situation {
            record,
            sights: standing.sights.clone(),
            by: standing.me.clone(),
            at,
            settled: standing.settled,
        };
        let planned = command::planned(&situation, &issued).map_err(|_| WhyNot::NotConfigured)?;
        let Some(draft) = planned.draft else { return Ok(()) };
        match tokio::time::timeout(PATIENCE, super::tasks::put(&*self.ledger, &draft)).await {
            // Taken, or overtaken by something else: the next look tells.
            Ok(Fate::Taken(_) | Fate::Overtaken) => {}
            Ok(Fate::Unknown) | Err(_) => return Err(WhyNot::NoMajority),
        }
        let _shown = tokio::time::timeout(PATIENCE, self.ledger.barrier()).await;
        Ok(())
    }
}

/// What was typed on the node for this to come of it.
fn words(command: &Command) -> &'static str {
    match command {
        Command::NodeStoodAside { .. } => "tsugi node run",
        _ => "tsugi node join",
    }
}

/// Whether whoever shows this certificate was taken out for good.
fn was_removed(record: &Record, peer: &Peer) -> bool {
    let certificate = peer.fingerprint.to_string();
    let Some(gone) = record.gone.get(&peer.node) else { return false };
    match record.nodes.get(&peer.node) {
        Some(_) => gone.certificate.as_deref() == Some(&*certificate),
        None => gone.certificate.as_ref().is_none_or(|its| *its == certificate),
    }
}

/// Whether the node of this name is gone and was never known to have a certificate.
fn is_gone_unasked(record: &Record, peer: &Peer) -> bool {
    let gone = record.gone.get(&peer.node).is_some_and(|gone| gone.certificate.is_none());
    gone && !record.nodes.contains_key(&peer.node)
}

/// Where every node listens, and under which number each has joined.
pub(super) fn members(view: &View, record: &Record) -> Vec<(u64, NodeName)> {
    let voters = view.voters.list.iter().map(|(id, node)| (id.0, node.clone()));
    let joined = record.nodes.iter().map(|(node, known)| (known.value.voter, node.clone()));
    voters.chain(joined).collect()
}
