//! The errands under way: which request belongs to which, and what each waits for.

mod calls;
mod ends;
mod left;
mod tries;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use tsugi_cluster_rules::desk::{Act, Outcome};
use tsugi_cluster_rules::reason::{How, Mishap};
use tsugi_cluster_rules::record::{Happening, MonitorTurn};
use tsugi_cluster_rules::spec::{OnRecover, ResourceSpec};
use tsugi_host::Host;
use tsugi_host::address::raise::ANNOUNCE_AFTER;
use tsugi_host::request::{Answer, Failure, ProgramId, Report, Request, RequestId, Target};
use tsugi_vocabulary::{Epoch, GroupName, Moment, ResourceName, Span};

use super::findings::{found, has_line, recovers};
use super::how::how_failed;
use super::{ANSWER_LIMIT, Job, KILL_LIMIT, READY_LOOK, Roster, Step, Surroundings};
use super::{detour, folder, recipe};
use tries::{Pace, answer_limit};

/// What came of the errands.
#[derive(Clone, Debug, PartialEq)]
pub enum Finished {
    /// An act is done.
    Act {
        /// The group.
        group: GroupName,
        /// The epoch.
        epoch: Epoch,
        /// The rules' number.
        act: u64,
        /// The outcome.
        outcome: Outcome,
    },
    /// Something that was seen on the way, to be written down.
    Seen {
        /// The group.
        group: GroupName,
        /// The epoch it was done under.
        epoch: Epoch,
        /// What.
        what: Happening,
    },
    /// A service program ended that nobody asked to end.
    Died {
        /// The group.
        group: GroupName,
        /// The epoch it ran under.
        epoch: Epoch,
        /// Its resource.
        resource: ResourceName,
        /// `exit 3`, `signal 9`.
        how: How,
    },
}

/// All errands of a node.
#[derive(Debug)]
pub struct Errands {
    around: Surroundings,
    roster: Roster,
    next: u64,
    open: BTreeMap<u64, Errand>,
    asked: BTreeMap<RequestId, u64>,
    /// Announcements that are made again: caches that missed the first learn from a later one.
    repeats: Vec<(Moment, GroupName, Request)>,
    let_go: Vec<(GroupName, Span)>,
    /// The epoch in which each group last began here, with nothing left of before.
    begun: BTreeMap<GroupName, Epoch>,
    pace: Pace,
    /// The folders of earlier runs whose end was asked for.
    tidied: BTreeSet<String>,
}

#[derive(Debug)]
struct Errand {
    job: Job,
    began: Moment,
    steps: VecDeque<Step>,
    detours: usize,
    /// How often a volume was tried again.
    again: u32,
    wait: Wait,
    end: HowItEnds,
    /// The resources whose agents have said that they run.
    answered: BTreeSet<ResourceName>,
    /// What has failed of scripts of which none keeps the next from its turn.
    failed: Option<How>,
}

impl Errand {
    /// Whether its scripts have nothing to do with each other.
    fn goes_on(&self) -> bool {
        matches!(self.job.what, Act::Recover { .. })
    }

    /// What came of it once there is no further step.
    fn outcome(&mut self, now: Moment) -> Outcome {
        let took = now.since(self.began);
        match (self.failed.take(), self.end) {
            (Some(how), _) => Outcome::Failed { how },
            (None, HowItEnds::ByItself) => Outcome::Fine { took },
            (None, HowItEnds::Killed) => Outcome::Forced { took },
        }
    }

    fn note_failed(&mut self, how: How) {
        self.failed = Some(match self.failed.take() {
            None => how,
            Some(first) => How::of(first.mishap, format!("{}; {}", first.words, how.words)),
        });
    }

    /// Whether its next step follows although this one was refused.
    fn does_without(&self, failure: &Failure) -> bool {
        let tried = matches!(self.steps.front(), Some(Step::Try(_)));
        // A program that has ended cannot be signalled: its end is what was wanted.
        let ended = *failure == Failure::NoProgram && matches!(self.wait, Wait::End { .. });
        tried || ended
    }
}

/// Whether all that was to end has ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HowItEnds {
    ByItself,
    Killed,
}

/// So many detours: an errand that goes no further.
const CUT_SHORT: usize = usize::MAX;

/// What an errand waits for.
#[derive(Clone, Debug)]
enum Wait {
    /// The answer to a request.
    Answer { until: Moment },
    /// The end of a script.
    Script { program: Option<ProgramId> },
    /// The end of a service program, and what to do if it does not come.
    End { program: ProgramId, until: Moment, then: Then },
    /// A line in a file.
    Line { look: Moment, until: Moment },
    /// The next try.
    Rest { until: Moment },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Kill,
    GiveUp,
}

impl Errands {
    /// No errands yet.
    #[must_use]
    pub fn new(around: Surroundings) -> Self {
        Self {
            around,
            roster: Roster::default(),
            next: 0,
            open: BTreeMap::new(),
            asked: BTreeMap::new(),
            repeats: Vec::new(),
            let_go: Vec::new(),
            begun: BTreeMap::new(),
            pace: Pace::Patient,
            tidied: BTreeSet::new(),
        }
    }

    /// Begins a job. A job for a group that supersedes what goes on there (`LetGo`) does not wait
    /// for it: the hands answer both.
    pub fn begin(&mut self, now: Moment, job: Job, host: &mut dyn Host, out: &mut Vec<Finished>) {
        let mut steps = match recipe::steps(&job, &self.around) {
            Ok(steps) => steps,
            Err(how) => return out.push(finished(&job, Outcome::Failed { how: how.into() })),
        };
        if matches!(job.what, Act::Stop { .. } | Act::LetGo | Act::MoveAddress { .. }) {
            self.repeats.retain(|(_, group, _)| *group != job.group);
        }
        self.roster.looks_after(&job.group, &job.spec.resources);
        let returning = self.drop_older(&job);
        let clears = self.is_to_clear(&job, returning);
        if clears {
            // What is started waits for the answer: nothing runs beside what is left.
            steps.insert(0, Step::Ask(Request::KillGroup { group: job.group.clone() }));
        }
        if job.what == Act::LetGo {
            self.cut_short(&job.group, out);
        }
        if job.what == Act::Adopt {
            self.may_all_run(&job);
        }
        let ahead = (!clears).then(|| folder::ahead(&job, &self.around, &recipe::lease(&job)));
        for request in ahead.into_iter().flatten() {
            // It belongs to no errand: who needs what it makes looks for it.
            let _asked = host.ask(&request);
        }
        self.next += 1;
        let wait = Wait::Answer { until: now + ANSWER_LIMIT };
        let errand = Errand {
            job,
            began: now,
            steps: steps.into(),
            detours: 0,
            again: 0,
            wait,
            end: HowItEnds::ByItself,
            answered: BTreeSet::new(),
            failed: None,
        };
        self.open.insert(self.next, errand);
        self.go_on(now, self.next, host, out);
    }

    /// What goes on for an older epoch of the group ends where it is: its next step would take
    /// from the newer one what it brings up. What the hands were asked already comes before what
    /// they are asked from now on. Whether scripts were being told of a return.
    fn drop_older(&mut self, job: &Job) -> bool {
        let stays = |e: &Errand| e.job.group != job.group || e.job.epoch >= job.epoch;
        let returns = |e: &&Errand| matches!(e.job.what, Act::Recover { .. });
        let returning = self.open.values().filter(returns).any(|e| !stays(e));
        self.open.retain(|_, errand| stays(errand));
        let open = &self.open;
        self.asked.retain(|_, number| open.contains_key(number));
        returning
    }

    /// Whether a script that was told of a return, also by a former agent, may have to end before
    /// its group begins here: there is nothing else of the group yet.
    fn is_to_clear(&self, job: &Job, returning: bool) -> bool {
        let told = |r: &ResourceSpec| r.kind.on_recover() == OnRecover::Run;
        matches!(job.what, Act::Start { .. })
            && self.begun.get(&job.group) != Some(&job.epoch)
            && (returning || job.spec.resources.iter().any(told))
    }

    /// Kills the program of a resource, or every process of the group, as a failure would: no
    /// errand knows of it, so its end is one that nobody asked for.
    pub fn kill(
        &mut self,
        group: &GroupName,
        resource: Option<&ResourceName>,
        host: &mut dyn Host,
    ) {
        let target = match resource.map(|resource| self.roster.program(group, resource)) {
            None => Target::Group(group.clone()),
            Some(Some(program)) => Target::Program(program),
            // It is not here any more; the test runs out of its time and says so.
            Some(None) => return,
        };
        let _asked = host.ask(&Request::Signal { target, signal: 9 });
    }

    /// How long each group took that was let go of since the last call.
    pub fn take_let_go(&mut self) -> Vec<(GroupName, Span)> {
        std::mem::take(&mut self.let_go)
    }

    /// The earliest moment at which an errand wants to look again.
    #[must_use]
    pub fn next_time(&self) -> Option<Moment> {
        let time = |e: &Errand| match &e.wait {
            Wait::Answer { until } | Wait::End { until, .. } | Wait::Rest { until } => Some(*until),
            Wait::Line { look, until } => Some(*look.min(until)),
            Wait::Script { .. } => None,
        };
        let repeat = self.repeats.iter().map(|(at, _, _)| *at);
        self.open.values().filter_map(time).chain(repeat).min()
    }

    /// Makes the announcements that are due again. The hands refuse one whose lease is over.
    fn repeat(&mut self, now: Moment, host: &mut dyn Host) {
        let due = |(at, _, _): &(Moment, GroupName, Request)| *at <= now;
        for (_, _, request) in self.repeats.iter().filter(|r| due(r)) {
            // Its answer belongs to no errand.
            let _asked = host.ask(request);
        }
        self.repeats.retain(|r| !due(r));
    }

    /// Takes a report of the hands; events that are no program's end are not for errands.
    pub fn on_report(
        &mut self,
        now: Moment,
        report: &Report,
        host: &mut dyn Host,
        out: &mut Vec<Finished>,
    ) {
        match report {
            Report::Answer { id, outcome } => {
                if let Some(errand) = self.asked.remove(id) {
                    self.on_answer(now, errand, outcome, host, out);
                }
            }
            Report::Event(tsugi_host::request::Event::Ended(ended)) => {
                self.on_ended(now, ended, host, out);
            }
            Report::Event(tsugi_host::request::Event::Stopping) => self.hurry(now),
            Report::Event(_) => {}
        }
    }

    /// Looks at the errands whose time has come.
    pub fn on_time(&mut self, now: Moment, host: &mut dyn Host, out: &mut Vec<Finished>) {
        self.repeat(now, host);
        let numbers: Vec<u64> = self.open.keys().copied().collect();
        for number in numbers {
            let Some(errand) = self.open.get_mut(&number) else { continue };
            match errand.wait.clone() {
                Wait::Answer { until } if until <= now => {
                    self.fail(number, How::of(Mishap::TooLate, "the hands did not answer"), out);
                }
                Wait::End { program, until, then: Then::Kill } if until <= now => {
                    let target = Target::Program(program);
                    let until = now + KILL_LIMIT;
                    errand.wait = Wait::End { program, until, then: Then::GiveUp };
                    errand.end = HowItEnds::Killed;
                    self.ask(number, &Request::Signal { target, signal: 9 }, host, out);
                }
                Wait::End { program, until, then: Then::GiveUp } if until <= now => {
                    let how = format!("pid {} does not end", program.pid);
                    self.fail(number, How::of(Mishap::StillThere, how), out);
                }
                Wait::Line { look, until } if look <= now => {
                    self.look_for_line(now, number, until, host, out);
                }
                Wait::Rest { until } if until <= now => {
                    errand.steps.pop_front();
                    self.go_on(now, number, host, out);
                }
                Wait::Answer { .. }
                | Wait::End { .. }
                | Wait::Line { .. }
                | Wait::Rest { .. }
                | Wait::Script { .. } => {}
            }
        }
    }

    fn go_on(&mut self, now: Moment, number: u64, host: &mut dyn Host, out: &mut Vec<Finished>) {
        let Some(errand) = self.open.get_mut(&number) else { return };
        let Some(step) = errand.steps.front().cloned() else {
            let whole = errand.detours != CUT_SHORT;
            if whole && let Some(request) = folder::of_earlier_runs(&errand.job, &self.around) {
                // Its answer belongs to no errand.
                let _asked = host.ask(&request);
            }
            let outcome = errand.outcome(now);
            return self.end(number, outcome, out);
        };
        let until = now + answer_limit(&errand.job, &step);
        if let Step::Ask(request @ Request::Announce { .. }) = &step {
            let group = &errand.job.group;
            let later = ANNOUNCE_AFTER.iter().filter(|after| **after > Span::ZERO);
            self.repeats.extend(later.map(|after| (now + *after, group.clone(), request.clone())));
        }
        match step {
            Step::Ask(request) | Step::Probe(request) | Step::Start(request) => {
                errand.wait = Wait::Answer { until };
                self.ask(number, &request, host, out);
            }
            Step::Look => {
                errand.wait = Wait::Answer { until };
                self.ask(number, &Request::List, host, out);
            }
            Step::Script(request)
            | Step::Try(request)
            | Step::Unless(request)
            | Step::Check(request)
            | Step::Mirror(request)
            | Step::Reserve(request) => {
                errand.wait = Wait::Script { program: None };
                self.ask(number, &request, host, out);
            }
            Step::Call { call, request } => {
                errand.wait = Wait::Script { program: None };
                self.call(number, (call, &request), host, out);
            }
            Step::Ready { within, .. } => {
                errand.wait = Wait::Line { look: now, until: now + within };
                self.look_for_line(now, number, now + within, host, out);
            }
            Step::Rest { time } => errand.wait = Wait::Rest { until: now + time },
            Step::EndRest { within } => {
                let (group, spec) = (errand.job.group.clone(), Arc::clone(&errand.job.spec));
                let configured =
                    |name: &ResourceName| spec.resources.iter().any(|r| r.name == *name);
                let rest = self.roster.of_group(&group).find(|name| !configured(name)).cloned();
                match rest {
                    Some(resource) => errand.steps.push_front(Step::End { resource, within }),
                    None => drop(errand.steps.pop_front()),
                }
                self.go_on(now, number, host, out);
            }
            Step::End { resource, within } => {
                let group = errand.job.group.clone();
                let Some(program) = self.roster.program(&group, &resource) else {
                    errand.steps.pop_front();
                    return self.go_on(now, number, host, out);
                };
                errand.wait = Wait::End { program, until: now + within, then: Then::Kill };
                let target = Target::Program(program);
                self.ask(number, &Request::Signal { target, signal: 15 }, host, out);
            }
        }
    }

    fn ask(
        &mut self,
        number: u64,
        request: &Request,
        host: &mut dyn Host,
        out: &mut Vec<Finished>,
    ) {
        match host.ask(request) {
            Ok(id) => {
                self.asked.insert(id, number);
            }
            Err(gone) => self.fail(number, gone.to_string().into(), out),
        }
    }

    fn on_answer(
        &mut self,
        now: Moment,
        number: u64,
        outcome: &Result<Answer, Failure>,
        host: &mut dyn Host,
        out: &mut Vec<Finished>,
    ) {
        let answer = match outcome {
            Ok(answer) => answer,
            Err(failure) => return self.on_failure(now, number, failure, host, out),
        };
        let Some(errand) = self.open.get_mut(&number) else { return };
        match (errand.steps.front(), answer) {
            (_, Answer::Spawned(id)) if matches!(errand.wait, Wait::Script { .. }) => {
                if let Wait::Script { program } = &mut errand.wait {
                    *program = Some(*id);
                }
                return;
            }
            (Some(Step::End { .. }), _) => return,
            (Some(Step::Ask(Request::Unmount { .. })), Answer::Unmounted { killed })
                if !killed.is_empty() =>
            {
                errand.end = HowItEnds::Killed;
            }
            (Some(Step::Probe(_)), Answer::Probed { conflict: Some(mac) }) => {
                let mac: Vec<String> = mac.iter().map(|b| format!("{b:02x}")).collect();
                let holder = mac.join(":");
                let words = format!("the address is in use by {holder}");
                let mishap = Mishap::AddressInUse { holder };
                return self.fail(number, How::of(mishap, words), out);
            }
            (Some(Step::Start(Request::Spawn(program))), Answer::Spawned(id)) => {
                let at = (errand.job.epoch, *id);
                self.roster.note(&errand.job.group, &program.name, at);
            }
            // The proof after the last stop: whoever is killed here should have been gone.
            (Some(Step::Ask(_)), Answer::Killed { count })
                if *count > 0 && matches!(errand.job.what, Act::Stop { .. }) =>
            {
                out.push(seen(&errand.job, Happening::StopLied { left: *count }));
            }
            (Some(Step::Ask(Request::KillGroup { group })), _)
                if matches!(errand.job.what, Act::Start { .. }) =>
            {
                self.begun.insert(group.clone(), errand.job.epoch);
            }
            (Some(Step::Look), Answer::Listing(listing)) => {
                if !recovers(&errand.job, listing) {
                    self.begun.insert(errand.job.group.clone(), errand.job.epoch);
                }
                self.roster.adopt(listing);
                let found = found(&errand.job, listing, &errand.answered);
                return self.end(number, Outcome::Adopted(found), out);
            }
            _ => {}
        }
        let Some(errand) = self.open.get_mut(&number) else { return };
        errand.steps.pop_front();
        self.go_on(now, number, host, out);
    }

    /// The hands could not do what they were asked.
    fn on_failure(
        &mut self,
        now: Moment,
        number: u64,
        failure: &Failure,
        host: &mut dyn Host,
        out: &mut Vec<Finished>,
    ) {
        let Some(errand) = self.open.get_mut(&number) else { return };
        if errand.detours < detour::most(&errand.job.spec.resources)
            && let Some(steps) =
                detour::around((&errand.job, &self.around), failure, errand.detours)
        {
            errand.detours += 1;
            errand.steps = steps.into();
            return self.go_on(now, number, host, out);
        }
        if self.tries_again(number, failure, out) {
            return self.go_on(now, number, host, out);
        }
        let Some(errand) = self.open.get_mut(&number) else { return };
        match errand.steps.front() {
            Some(Step::Call { .. }) => self.not_called((now, number), failure, host, out),
            _ if errand.does_without(failure) => {
                errand.steps.pop_front();
                self.go_on(now, number, host, out);
            }
            Some(Step::Script(_)) if errand.goes_on() => {
                errand.note_failed(how_failed(failure));
                errand.steps.pop_front();
                self.go_on(now, number, host, out);
            }
            _ => self.fail(number, how_failed(failure), out),
        }
    }

    fn look_for_line(
        &mut self,
        now: Moment,
        number: u64,
        until: Moment,
        host: &mut dyn Host,
        out: &mut Vec<Finished>,
    ) {
        let Some(errand) = self.open.get_mut(&number) else { return };
        let Some(Step::Ready { file, line, from, .. }) = errand.steps.front() else { return };
        if has_line(file, line, *from) {
            errand.steps.pop_front();
            return self.go_on(now, number, host, out);
        }
        if until <= now {
            let how = format!("it did not say {line:?} within its start limit");
            return self.fail(number, How::of(Mishap::TooLate, how), out);
        }
        let (shortest, longest) = READY_LOOK;
        // A sixteenth of what it has taken.
        let pause = Span(now.since(errand.began).0 / 16).max(shortest).min(longest);
        errand.wait = Wait::Line { look: (now + pause).min(until), until };
    }

    fn fail(&mut self, number: u64, how: How, out: &mut Vec<Finished>) {
        let Some(errand) = self.open.get(&number) else { return };
        if let Act::Stop { resource, .. } = &errand.job.what {
            let (resource, how) = (resource.clone(), how.clone());
            out.push(seen(&errand.job, Happening::StopFailed { resource, how }));
        }
        if let Act::Notify { notice, .. } = &errand.job.what {
            let (id, turn) = (notice.id.clone(), MonitorTurn::NotNotified { how: how.clone() });
            out.push(seen(&errand.job, Happening::Monitor { id, turn }));
        }
        let outcome = match errand.job.what {
            Act::LetGo => Outcome::Stuck { left: self.named(number, how) },
            Act::Start { .. }
            | Act::Stop { .. }
            | Act::Restart { .. }
            | Act::Notify { .. }
            | Act::Ask { .. }
            | Act::Recover { .. }
            | Act::MoveAddress { .. }
            | Act::Load { .. }
            | Act::End { .. }
            | Act::Adopt => Outcome::Failed { how },
        };
        self.end(number, outcome, out);
    }

    fn end(&mut self, number: u64, outcome: Outcome, out: &mut Vec<Finished>) {
        self.asked.retain(|_, n| *n != number);
        if let Some(errand) = self.open.remove(&number) {
            if let (Act::LetGo, Outcome::Fine { took } | Outcome::Forced { took }) =
                (&errand.job.what, &outcome)
            {
                self.let_go.push((errand.job.group.clone(), *took));
            }
            out.push(finished(&errand.job, outcome));
        }
    }
}

fn seen(job: &Job, what: Happening) -> Finished {
    Finished::Seen { group: job.group.clone(), epoch: job.epoch, what }
}

fn finished(job: &Job, outcome: Outcome) -> Finished {
    Finished::Act { group: job.group.clone(), epoch: job.epoch, act: job.act, outcome }
}
