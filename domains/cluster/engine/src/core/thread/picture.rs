//! What the faces are shown of the core.

use std::collections::BTreeMap;
use std::sync::Arc;

use tsugi_host::clock;
use tsugi_vocabulary::{GroupName, Moment, Span, Wall};

use super::Core;
use crate::standing::Standing;

/// How often a picture is shown when nothing happens.
const SHOW: Span = Span::millis(500);
/// How often those who wait for a picture are told of one without news.
const TELL: Span = Span::secs(2);

impl Core {
    /// Shows a picture of what is known, when something changed or the last is old.
    pub(super) fn show(&mut self, changed: bool) {
        let now = clock::now();
        if !changed && now.since(self.shown) < SHOW {
            return;
        }
        self.shown = now;
        let node = &self.parts.node;
        self.in_use = node.links_in_use().into_iter().map(str::to_owned).collect();
        let lease = |g: &GroupName| node.deadline(g).map(|d| (g.clone(), d.since(now)));
        let leases: BTreeMap<GroupName, Span> =
            node.record().groups.keys().filter_map(lease).collect();
        // Who waits for news is not woken by the age of old ones, but now and then.
        let told = changed || now.since(self.told) >= TELL;
        let told = self.parts.standing.send_if_modified(|standing| {
            let mut next = Standing::clone(standing);
            next.at = clock::wall();
            next.record = Arc::clone(node.record());
            next.newest = node.newest();
            next.settled = node.settled(now);
            next.sights = node.sights(now);
            next.disk = node.disk_sight(now);
            next.on_disk = node.seen_on_disk(now);
            next.leader = node.leader().1.cloned();
            next.membership = node.record().membership;
            next.leases = leases;
            next.watches = node.watch_states();
            next.monitors = node.monitor_words();
            self.self_fence.clone_into(&mut next.self_fence);
            next.lost_logs.clone_from(&self.lost_logs);
            next.fence_faults = self.parts.fences.faults();
            next.score_faults = self.parts.meter.faults();
            next.mirrors_in_use.clone_from(self.parts.keeper.in_use());
            let wall = |at: Moment| Wall(next.at.0.saturating_sub(now.since(at).as_millis()));
            let tests = self.parts.fences.tested_well().into_iter();
            next.fence_tests = tests.map(|(node, at)| (node, at.map(wall))).collect();
            next.clock_ppm = self.clock_rate.ppm();
            next.slow_stops.clone_from(self.stops.too_slow());
            next.drops = self.parts.networks.drops();
            next.carried = self.parts.networks.heard().now();
            let news = next.settled != standing.settled
                || next.newest != standing.newest
                || next.sights != standing.sights
                || next.disk != standing.disk
                || next.watches != standing.watches
                || next.monitors != standing.monitors
                || next.self_fence != standing.self_fence
                || next.slow_stops != standing.slow_stops
                || next.fence_faults != standing.fence_faults
                || next.score_faults != standing.score_faults
                || next.mirrors_in_use != standing.mirrors_in_use
                || next.lost_logs != standing.lost_logs;
            *standing = Arc::new(next);
            told || news
        });
        if told {
            self.told = now;
        }
    }
}
