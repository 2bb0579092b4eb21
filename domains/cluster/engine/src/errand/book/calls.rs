//! Resource agents that are called: when, and what becomes of an errand by what they answer.
//!
//! An agent that cannot work here (its file, its program or a parameter is missing) cannot stop
//! anything either. As long as it has begun nothing here that is no reason to end the machine; once
//! it may have, nothing but its own word that it runs no more is believed.

use tsugi_cluster_rules::reason::{How, Mishap};
use tsugi_cluster_rules::record::Happening;
use tsugi_cluster_rules::spec::ResourceKind;
use tsugi_host::Host;
use tsugi_host::request::{Ended, Failure, Request};
use tsugi_vocabulary::{GroupName, Moment, ResourceName};

use super::super::how::how_failed;
use super::super::ocf::{Call, Came, came_of};
use super::super::roster::Here;
use super::super::{FLOOD, Job, Step};
use super::{Errands, Finished};

impl Errands {
    /// What a former agent of this machine knew is gone: anything may run.
    pub(super) fn may_all_run(&mut self, job: &Job) {
        for resource in &job.spec.resources {
            if let ResourceKind::Ocf { .. } | ResourceKind::Unit { .. } = &resource.kind {
                self.roster.may_run(&job.group, &resource.name);
            }
        }
    }

    /// Calls a resource agent.
    pub(super) fn call(
        &mut self,
        number: u64,
        (call, request): (Call, &Request),
        host: &mut dyn Host,
        out: &mut Vec<Finished>,
    ) {
        if let (Call::Start, Some((group, resource))) = (call, self.called_for(number)) {
            self.roster.may_run(&group, &resource);
        }
        self.ask(number, request, host, out);
    }

    /// The hands could not start an agent.
    pub(super) fn not_called(
        &mut self,
        (now, number): (Moment, u64),
        failure: &Failure,
        host: &mut dyn Host,
        out: &mut Vec<Finished>,
    ) {
        let Some(Step::Call { call, .. }) = self.open.get(&number).and_then(|e| e.steps.front())
        else {
            return;
        };
        let call = *call;
        let how = how_failed(failure);
        match (call, failure) {
            (_, Failure::NotStarted { .. }) => {
                self.refused((now, number), (call, how), host, out);
            }
            (Call::Find, _) => self.go_past((now, number), host, out),
            (Call::Start | Call::Stop | Call::Kill | Call::Gone | Call::Ask, _) => {
                self.fail(number, how, out);
            }
        }
    }

    /// A call has ended.
    pub(super) fn called(
        &mut self,
        (now, number): (Moment, u64),
        (call, ended): (Call, &Ended),
        host: &mut dyn Host,
        out: &mut Vec<Finished>,
    ) {
        let Some((group, resource)) = self.called_for(number) else { return };
        if let (Call::Start | Call::Stop | Call::Kill, true) = (call, ended.dropped > FLOOD) {
            let (epoch, of) = (ended.program.epoch, resource.clone());
            let what = Happening::Flooded { resource: of };
            out.push(Finished::Seen { group: group.clone(), epoch, what });
        }
        match came_of(call, ended) {
            Came::Well => {
                match call {
                    Call::Gone => self.roster.is_gone(&group, &resource),
                    Call::Find => {
                        if let Some(errand) = self.open.get_mut(&number) {
                            errand.answered.insert(resource);
                        }
                    }
                    Call::Start | Call::Stop | Call::Kill | Call::Ask => {}
                }
                self.go_past((now, number), host, out);
            }
            Came::Absent => {
                self.roster.is_gone(&group, &resource);
                self.go_past((now, number), host, out);
            }
            Came::Refused(how) => self.refused((now, number), (call, how), host, out),
            // What cannot be told from what runs is let go of.
            Came::Badly(_) if call == Call::Find => self.go_past((now, number), host, out),
            Came::Badly(how) => match (call, self.roster.by_agent(&group, &resource)) {
                (Call::Stop | Call::Kill | Call::Gone, Here::Nothing)
                    if how.mishap != Mishap::StillThere =>
                {
                    self.go_past((now, number), host, out);
                }
                (Call::Start | Call::Ask | Call::Find, _)
                | (Call::Stop | Call::Kill | Call::Gone, _) => {
                    self.fail(number, how, out);
                }
            },
        }
    }

    /// The agent cannot work here.
    fn refused(
        &mut self,
        (now, number): (Moment, u64),
        (call, how): (Call, How),
        host: &mut dyn Host,
        out: &mut Vec<Finished>,
    ) {
        let Some((group, resource)) = self.called_for(number) else { return };
        match (call, self.roster.by_agent(&group, &resource)) {
            (Call::Start, _) => {
                self.roster.is_gone(&group, &resource);
                self.fail(number, how, out);
            }
            (Call::Find, _) | (Call::Stop | Call::Kill | Call::Gone, Here::Nothing) => {
                self.go_past((now, number), host, out);
            }
            (Call::Stop | Call::Kill | Call::Gone, Here::Perhaps) | (Call::Ask, _) => {
                self.fail(number, how, out);
            }
        }
    }

    /// On to the next step.
    fn go_past(
        &mut self,
        (now, number): (Moment, u64),
        host: &mut dyn Host,
        out: &mut Vec<Finished>,
    ) {
        let Some(errand) = self.open.get_mut(&number) else { return };
        errand.steps.pop_front();
        self.go_on(now, number, host, out);
    }

    /// What went wrong, with the resource whose agent was called: of a release of everything nobody
    /// would know which it was.
    pub(super) fn named(&self, number: u64, how: How) -> How {
        match self.called_for(number) {
            Some((_, resource)) => How { words: format!("{resource}: {}", how.words), ..how },
            None => how,
        }
    }

    /// Whose agent an errand has called, or is about to.
    fn called_for(&self, number: u64) -> Option<(GroupName, ResourceName)> {
        let errand = self.open.get(&number)?;
        match errand.steps.front()? {
            Step::Call { request: Request::Spawn(program), .. } => {
                Some((errand.job.group.clone(), program.name.clone()))
            }
            _ => None,
        }
    }
}
