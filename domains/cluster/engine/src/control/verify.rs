//! Has every node look before a configuration is applied, and refuses one that brings faults with
//! it (PH-16). What was wrong before does not keep anybody from changing something else.

use std::sync::Arc;

use tsugi_cluster_rules::parity::new_ones;
use tsugi_cluster_rules::refusal::Refusal;
use tsugi_messages as messages;
use tsugi_wire::control::report::{No, Refused};
use tsugi_wire::control::{Change, How, Reply, Verify, Words};

use super::change::{Tried, applied};
use super::refusal::{no, refused};
use super::{Services, view};

/// What the nodes have found that is new with this text; nothing where nobody was asked to look.
pub(super) async fn found_by_nodes(
    services: &Services,
    change: &Change,
    (text, verify): (&str, Verify),
) -> Tried<Vec<Words>> {
    let record = services.view.standing.borrow().record.clone();
    let config = Arc::new(applied(text, None)?);
    let is_applied = record.config.as_ref().is_some_and(|now| now.hash == config.hash);
    let rounds = match verify {
        Verify::Skipped if change.reason.trim().is_empty() && change.how == How::ForReal => {
            let refusal = Refusal::ReasonRequired;
            return Err(Box::new(refused(&refusal, &record, &change.words)));
        }
        Verify::Skipped => return Ok(Vec::new()),
        Verify::First => (services.parity)().filter(|_| !is_applied),
    };
    let Some(rounds) = rounds else { return Ok(Vec::new()) };
    let (now, then) = tokio::join!(rounds.round(), rounds.round_for(&config));
    let now = now.as_ref().map_or(&[][..], |now| &now.verdicts);
    let new = new_ones(now, &then.verdicts);
    let told: Vec<_> = new.iter().map(view::could_take).collect();
    let faults = told.iter().filter(|verdict| verdict.could == "no");
    let faults: Vec<Words> =
        faults.flat_map(|v| v.gaps.iter().map(|gap| gap.what.clone())).collect();
    if change.how == How::ForReal && !faults.is_empty() {
        let what = messages::config_not_verified(faults.len());
        let next = what.next();
        return Err(Box::new(Refused { because: faults, next, ..no(No::Refused, &what) }));
    }
    Ok(told.into_iter().flat_map(|verdict| verdict.gaps).map(|gap| gap.what).collect())
}

/// The answer with these notes as well.
pub(super) fn noted(reply: Reply, found: Vec<Words>) -> Reply {
    match reply {
        Reply::Done(mut done) => {
            done.notes.extend(found);
            Reply::Done(done)
        }
        Reply::Outlook(mut outlook) => {
            outlook.notes.extend(found);
            Reply::Outlook(outlook)
        }
        reply => reply,
    }
}
