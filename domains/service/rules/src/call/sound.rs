//! Whether the parts of a table agree with each other and with its limits.

use super::{Seeker, Stage, Table};
use crate::check::Fault;

impl Table {
    /// Everything in which its parts disagree.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        self.queue_faults(&mut faults);
        self.count_faults(&mut faults);
        self.limit_faults(&mut faults);
        faults
    }

    fn queue_faults(&self, faults: &mut Vec<Fault>) {
        for (id, call) in &self.pending {
            let queued = self.queued.contains(&(call.service, call.place, *id));
            if queued != (call.stage == Stage::Queued) {
                faults.push(Fault::Queue(*id));
            }
            let line = call.order.map(|key| self.lines.get(&(call.service, key)));
            if line.is_some_and(|line| !line.is_some_and(|l| l.contains(&call.place))) {
                faults.push(Fault::Line(*id));
            }
            let mut asked = self.sought.get(id).into_iter().flatten();
            if asked.any(|seeker| matches!(seeker, Seeker::Call(_))) {
                faults.push(Fault::SoughtWhilePending(*id));
            }
            if call.waiting.len() > self.limits.joined {
                faults.push(Fault::Joined(*id));
            }
        }
    }

    fn count_faults(&self, faults: &mut Vec<Fault>) {
        let waiting: usize = self.pending.values().map(|call| call.waiting.len()).sum();
        let patient = self.pending.values().flat_map(|call| &call.waiting);
        let patient = patient.filter(|waiting| waiting.deadline.is_some()).count();
        let queued = self.pending.values().filter(|call| call.stage == Stage::Queued).count();
        let lined = self.pending.values().filter(|call| call.order.is_some()).count();
        let counted = self.pending.keys().filter(|id| id.counted().is_some()).count();
        let sought = self.sought.values().flatten();
        let bytes = self.pending.values().map(|call| call.size).sum::<u64>()
            + sought.map(Seeker::size).sum::<u64>();
        let counts = [
            ("waiting callers", self.waiting, waiting),
            ("deadlines", self.deadlines.len(), patient),
            ("queued calls", self.queued.len(), queued),
            ("queued calls by service", self.waiting_of.values().sum(), queued),
            ("places in lines", self.lines.values().map(|line| line.len()).sum(), lined),
            ("pending serials", self.remembered.pending().len(), counted),
            ("seekers", self.seeking, self.sought.values().map(Vec::len).sum()),
            ("bytes", to_usize(self.bytes), to_usize(bytes)),
        ];
        let wrong = counts.into_iter().filter(|(_, counted, there)| counted != there);
        faults.extend(wrong.map(|(of, counted, there)| Fault::Count { of, counted, there }));
    }

    fn limit_faults(&self, faults: &mut Vec<Fault>) {
        let limits = &self.limits;
        let queue = self.waiting_of.values().copied().max().unwrap_or(0);
        // Beyond the limit: who has something pending or is asked about, until others come.
        let busy = limits.pending.saturating_add(limits.seeking.saturating_mul(2));
        let remembered = limits.remembered.saturating_add(busy).saturating_add(1);
        let held = [
            ("pending calls", self.pending.len(), limits.pending),
            // What runs again takes its place back, whoever has come meanwhile.
            ("queue", queue, limits.queue.saturating_add(limits.pending)),
            ("bytes", to_usize(self.bytes), to_usize(limits.bytes)),
            ("waiting callers", self.waiting, limits.waiting),
            ("seekers", self.seeking, limits.seeking),
            ("questions", self.sought.len(), limits.seeking),
            ("changes", self.changing.len(), limits.seeking),
            ("remembered clients", self.remembered.count(), remembered),
        ];
        let beyond = held.into_iter().filter(|(_, there, most)| there > most);
        faults.extend(beyond.map(|(of, there, most)| Fault::Beyond { of, there, most }));
    }
}

fn to_usize(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
