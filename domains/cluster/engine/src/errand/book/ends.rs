//! The ends of programs: which errand waited for one, and whether it was a good one.

use tsugi_cluster_rules::desk::Act;
use tsugi_cluster_rules::reason::How;
use tsugi_cluster_rules::record::Happening;
use tsugi_host::Host;
use tsugi_host::request::{Ended, HowEnded, TimeLimit};
use tsugi_vocabulary::{GroupName, Moment};

use super::super::how::{how_ended, how_mirrored, how_reserved};
use super::super::{FLOOD, Step};
use super::{CUT_SHORT, Errand, Errands, Finished, Wait, seen};

/// What makes the end of a program a good one.
#[derive(Clone, Copy)]
enum Judged {
    /// That it has ended.
    NotAtAll,
    /// One of these exit codes: it did something, however much it has printed.
    ByCode(&'static [i32]),
    /// Zero, and no flood: it was asked something.
    ByCodeAndOutput,
}

impl Judged {
    /// Whether it is, and how it ended if not.
    fn judge(self, ended: &Ended) -> (bool, How) {
        let (good, counted): (&[i32], _) = match self {
            Self::NotAtAll => return (true, how_ended(ended)),
            Self::ByCode(good) => (good, 0),
            Self::ByCodeAndOutput => (&[0], ended.dropped),
        };
        let fine = matches!(ended.how, HowEnded::Exited(code) if good.contains(&code))
            && ended.limit == TimeLimit::Kept
            && counted <= FLOOD;
        (fine, how_ended(&Ended { dropped: counted, ..ended.clone() }))
    }
}

impl Errands {
    /// Starts and moves of a group that is let go of go no further: what they have asked of the
    /// hands is answered, and nothing is asked any more. What only looks for a line is over.
    pub(super) fn cut_short(&mut self, group: &GroupName, out: &mut Vec<Finished>) {
        let builds = |e: &Errand| match e.job.what {
            Act::Start { .. }
            | Act::Restart { .. }
            | Act::MoveAddress { .. }
            | Act::Load { .. } => e.job.group == *group,
            Act::Stop { .. }
            | Act::LetGo
            | Act::Notify { .. }
            | Act::Ask { .. }
            | Act::Recover { .. }
            | Act::End { .. }
            | Act::Adopt => false,
        };
        let mut over = Vec::new();
        for (number, errand) in self.open.iter_mut().filter(|(_, e)| builds(e)) {
            errand.steps.truncate(1);
            errand.detours = CUT_SHORT;
            if matches!(errand.wait, Wait::Line { .. } | Wait::Rest { .. }) {
                over.push(*number);
            }
        }
        over.extend(self.stops_that_wait(group));
        for number in over {
            self.fail(number, "its group was let go of".into(), out);
        }
    }

    /// A program has ended: what an errand waited for, a service that died, or neither.
    pub(super) fn on_ended(
        &mut self,
        now: Moment,
        ended: &Ended,
        host: &mut dyn Host,
        out: &mut Vec<Finished>,
    ) {
        let epoch = self.roster.ended(&ended.program);
        let waiting = |e: &Errand| match &e.wait {
            Wait::Script { program } => *program == Some(ended.program.id),
            Wait::End { program, .. } => *program == ended.program.id,
            Wait::Answer { .. } | Wait::Line { .. } | Wait::Rest { .. } => false,
        };
        let numbers = self.open.iter().filter(|(_, e)| waiting(e)).map(|(n, _)| *n);
        let numbers: Vec<u64> = numbers.collect();
        if numbers.is_empty() {
            if let Some(epoch) = epoch {
                let (group, resource) = (ended.program.group.clone(), ended.program.name.clone());
                // What runs for a volume is what looks whether its storage keeps it still.
                let how = match self.roster.is_volume(&group, &resource) {
                    true => how_reserved(ended),
                    false => how_ended(ended),
                };
                out.push(Finished::Died { group, epoch, resource, how });
            }
            // It will not say any more that it is ready.
            let hoping = |e: &Errand| {
                let its = matches!(e.steps.front(), Some(Step::Ready { resource, .. })
                    if *resource == ended.program.name);
                its && e.job.group == ended.program.group
            };
            let number = self.open.iter().find(|(_, e)| hoping(e)).map(|(n, _)| *n);
            if let Some(number) = number.filter(|_| epoch.is_some()) {
                self.fail(number, how_ended(ended), out);
            }
            return;
        }
        for number in numbers {
            self.waited_end(now, (number, ended), host, out);
        }
    }

    /// The end that an errand has waited for.
    fn waited_end(
        &mut self,
        now: Moment,
        (number, ended): (u64, &Ended),
        host: &mut dyn Host,
        out: &mut Vec<Finished>,
    ) {
        let Some(errand) = self.open.get_mut(&number) else { return };
        if let Some(Step::Call { call, .. }) = errand.steps.front() {
            let call = *call;
            return self.called((now, number), (call, ended), host, out);
        }
        let judged = match (&errand.wait, errand.steps.front(), &errand.job.what) {
            (
                Wait::End { .. } | Wait::Answer { .. } | Wait::Line { .. } | Wait::Rest { .. },
                ..,
            ) => Judged::NotAtAll,
            (Wait::Script { .. }, Some(Step::Check(_)), _) => Judged::ByCode(&[0, 1, 8]),
            (Wait::Script { .. }, Some(Step::Unless(_)), _) | (_, _, Act::Ask { .. }) => {
                Judged::ByCodeAndOutput
            }
            (Wait::Script { .. }, ..) => Judged::ByCode(&[0]),
        };
        let (fine, how) = judged.judge(ended);
        if matches!(judged, Judged::ByCode(_)) && ended.dropped > FLOOD {
            let resource = ended.program.name.clone();
            out.push(seen(&errand.job, Happening::Flooded { resource }));
        }
        let how = match errand.steps.front() {
            Some(Step::Mirror(_)) => how_mirrored(ended),
            Some(Step::Reserve(_)) => how_reserved(ended),
            _ => how,
        };
        match errand.steps.pop_front() {
            // It runs already: what would start it is left out.
            Some(Step::Unless(_)) if fine => drop(errand.steps.pop_front()),
            Some(Step::Unless(_) | Step::Try(_)) => {}
            _ if !fine && errand.goes_on() => errand.note_failed(how),
            _ if !fine => return self.fail(number, how, out),
            _ => {}
        }
        self.go_on(now, number, host, out);
    }
}
