//! Before a node comes in to a restored ledger: what resource agents have brought up here under the
//! former one is taken down by them, as nothing else can.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tsugi_cluster_rules::desk::{Act, Outcome};
use tsugi_cluster_rules::spec::GroupSpec;
use tsugi_host::request::Request;
use tsugi_host::{Gone, Host, clock};
use tsugi_messages as messages;
use tsugi_vocabulary::{Epoch, GroupName};

use crate::errand::{Errands, Finished, Job, Surroundings};
use crate::logbook;

/// How often the hands are heard.
const LOOK: Duration = Duration::from_millis(5);
/// How long after a stop that failed the next one is tried.
const AGAIN: Duration = Duration::from_millis(500);

/// Has the agents of these groups stop what they may have here; back when they all say that
/// nothing of it runs.
pub(super) fn let_go(
    host: &mut dyn Host,
    groups: &BTreeMap<GroupName, GroupSpec>,
    around: &Surroundings,
) -> Result<(), Gone> {
    host.ask(&Request::Watch)?;
    for (group, spec) in groups.iter().filter(|(_, spec)| spec.beyond_reach().next().is_some()) {
        let mut errands = Errands::new(around.clone());
        let job = |what| {
            let (group, spec) = (group.clone(), Arc::new(spec.clone()));
            Job { group, epoch: Epoch::NONE, act: 1, what, spec }
        };
        // Which of them run is not known: none is believed to have begun nothing.
        done(host, &mut errands, job(Act::Adopt))?;
        let mut told = None;
        while let Outcome::Stuck { .. } | Outcome::Failed { .. } =
            done(host, &mut errands, job(Act::LetGo))?
        {
            told.get_or_insert_with(|| {
                logbook::say(&messages::group_is_stuck(group, &around.node));
            });
            std::thread::sleep(AGAIN);
        }
    }
    Ok(())
}

/// Carries one job out.
fn done(host: &mut dyn Host, errands: &mut Errands, job: Job) -> Result<Outcome, Gone> {
    let mut out = Vec::new();
    errands.begin(clock::now(), job, host, &mut out);
    loop {
        let act = |finished| match finished {
            Finished::Act { outcome, .. } => Some(outcome),
            Finished::Seen { .. } | Finished::Died { .. } => None,
        };
        if let Some(outcome) = out.drain(..).find_map(act) {
            return Ok(outcome);
        }
        match host.next_report()? {
            Some(report) => errands.on_report(clock::now(), &report, host, &mut out),
            None => std::thread::sleep(LOOK),
        }
        errands.on_time(clock::now(), host, &mut out);
    }
}
