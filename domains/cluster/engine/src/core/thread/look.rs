//! What has come becomes events: of the networks, the guardian, the hands, the links.

use std::os::fd::AsFd;

use tsugi_cluster_rules::node::Event;
use tsugi_cluster_rules::plan::Life;
use tsugi_cluster_rules::record::LinkState;
use tsugi_host::clock;
use tsugi_host::fence::able::Capability;
use tsugi_host::guardian::Guardian;
use tsugi_host::guardian::message::Notice;
use tsugi_host::link::Carrier;
use tsugi_host::request::{Answer, Event as HostEvent, Report};
use tsugi_host::{Guard, Host};
use tsugi_vocabulary::{GroupName, Moment, NodeName, Span};

use super::{Core, Ended, of_device, rehearsed};
use crate::agent::Heard;
use crate::core::mailbox::Letter;
use crate::core::ready::{Ready, Source};

/// How often everything is looked at, whether or not it is ready.
const LOOK_AT_ALL: Span = Span::millis(500);
/// How often a driver is asked for its carrier at most: at every beat of the default profile, at
/// every second one of the fast.
const LINKS_EVERY: Span = Span::millis(40);
/// How often what runs have left is looked for.
const TIDY_EVERY: Span = Span::secs(1);
/// How often a missing guardian is looked for.
const GUARDIAN_RETRY: Span = Span::millis(5);

impl Core {
    pub(super) fn look(&mut self, ready: Ready, events: &mut Vec<Event>) {
        let now = clock::now();
        if self.all_due <= now {
            self.all_due = now + LOOK_AT_ALL;
        }
        self.look_at_networks(now, ready, events);
        // What was just heard may have put it off.
        if self.ledger_due <= now && self.ledger_due(now) <= now {
            self.ledger_told = now;
            self.parts.ear.look();
        }
        if ready.has(Source::Mailbox) {
            for letter in self.parts.mailbox.take() {
                match letter {
                    Letter::Event(event) => events.push(*event),
                    Letter::StepAside => self.ended = Some(Ended::SteppedAside),
                    Letter::Removed => self.ended = Some(Ended::Removed),
                }
            }
        }
        if self.guardian.is_none() || ready.has(Source::Guardian) {
            self.look_at_guardian(now, events);
        }
        if ready.has(Source::Hands) {
            self.look_at_hands(events);
        }
        let mut done = Vec::new();
        self.parts.errands.on_time(now, &mut self.parts.hands, &mut done);
        self.parts.fences.on_time(now, &mut self.parts.hands);
        self.parts.meter.on_time(now, &mut self.parts.hands);
        events.extend(self.parts.meter.news().map(Event::Measured));
        let node = &self.parts.node;
        self.parts.keeper.on_time(now, (node.record(), node.name()), &mut self.parts.hands);
        self.deliver(done);
        self.tidy(now);
        if ready.has(Source::Links) {
            // A watcher that broke says nothing more; a link that is down is then found by its use.
            let told = self.parts.links.look().unwrap_or_default();
            self.on_links(told, events);
        }
        if self.links_due <= now {
            self.links_due = now + LINKS_EVERY;
            let asked = self.parts.links.look_at(&self.in_use).unwrap_or_default();
            self.on_links(asked, events);
        }
        if let Some(step) = self.clock_steps.look(now, clock::wall()) {
            events.push(Event::ClockStepped { by_ms: step.by_ms });
        }
    }

    /// What runs have left of groups that are elsewhere goes.
    fn tidy(&mut self, now: Moment) {
        if self.tidy_due > now {
            return;
        }
        self.tidy_due = now + TIDY_EVERY;
        let node = &self.parts.node;
        let gone = |group: &GroupName| node.spec_of(group).filter(|_| node.is_gone(now, group));
        self.parts.errands.tidy(&mut self.parts.hands, gone);
    }

    fn look_at_networks(&mut self, now: Moment, ready: Ready, events: &mut Vec<Event>) {
        let due = self.wake.min(self.ledger_due) <= now;
        let parts = &mut self.parts;
        let networks = parts.networks.fds().len();
        let hasty = (0..networks).any(|network| ready.has(Source::Network(network)));
        // What waits is the older: behind what is in haste it would be old news, and stay without
        // the answer that says that nothing of it was lost.
        if due || hasty {
            parts.networks.take_waiting(events);
        }
        for network in 0..networks {
            if ready.has(Source::Network(network)) {
                parts.networks.take(network, events);
            }
        }
        for event in events.iter() {
            if let Event::Heard { beat, .. } = event {
                parts.ear.heard(beat);
            }
            if let Event::Acked(ack) = event {
                let whole = parts.networks.whole(&ack.voter);
                parts.ear.answered(ack, now, if whole { Heard::Whole } else { Heard::InPart });
            }
        }
    }

    fn look_at_guardian(&mut self, now: Moment, events: &mut Vec<Event>) {
        if self.guardian.is_none() && self.guardian_retry <= now {
            self.guardian_retry = now + GUARDIAN_RETRY;
            let found = Guardian::connect(&self.parts.run_dir).ok();
            let watched = |g: &Guardian| self.wakes.watch(Source::Guardian, g.as_fd()).is_ok();
            self.guardian = found.filter(watched);
            self.armory.forget_all();
        }
        let Some(guardian) = &mut self.guardian else { return };
        let mut released = Vec::new();
        loop {
            match guardian.next_notice() {
                Ok(Some(notice)) => {
                    if let Notice::Released { group, took, .. } = &notice {
                        released.push((group.clone(), *took));
                    }
                    events.extend(self.armory.on_notice(notice));
                }
                Ok(None) => break,
                Err(_gone) => {
                    self.wakes.forget(guardian.as_fd());
                    self.guardian = None;
                    self.armory.forget_all();
                    break;
                }
            }
        }
        for (group, took) in released {
            self.measured(&group, took);
        }
    }

    fn look_at_hands(&mut self, events: &mut Vec<Event>) {
        loop {
            let report = match self.parts.hands.next_report() {
                Ok(Some(report)) => report,
                Ok(None) => break,
                Err(_gone) => {
                    self.ended = Some(Ended::NoHands);
                    return;
                }
            };
            let now = clock::now();
            let mut done = Vec::new();
            self.parts.errands.on_report(now, &report, &mut self.parts.hands, &mut done);
            self.deliver(done);
            self.parts.meter.on_report(&report);
            self.parts.keeper.on_report(&report);
            let node = &self.parts.node;
            let life = |name: &NodeName| node.sights(now).get(name).map(|s| s.life.clone());
            let heard = |name: &NodeName| life(name) == Some(Life::Heard);
            let hands = &mut self.parts.hands;
            let ended = self.parts.fences.on_report(now, &report, heard, hands);
            events.extend(ended.map(of_device));
            events.extend(self.parts.meter.news().map(Event::Measured));
            let shown = self.parts.rehearsals.on_report(&report, hands);
            events.extend(shown.map(rehearsed));
            events.extend(self.parts.fences.news().map(Event::DevicesAsked));
            if let Report::Answer { outcome: Ok(Answer::Listing(listing)), .. } = &report {
                self.self_fence = self_fence(listing.powers.fence);
            }
            if let Report::Event(event) = report {
                match event {
                    HostEvent::GuardianLost { .. } => events.push(Event::GuardianLost),
                    HostEvent::GuardianReady => self.guardian_retry = now,
                    HostEvent::LogLost(failure) => {
                        self.lost_logs.insert(failure.to_string());
                    }
                    HostEvent::Stopping => events.push(Event::Leave),
                    HostEvent::Ended(_) => {}
                }
            }
        }
    }

    fn on_links(&mut self, changed: Vec<(String, Carrier)>, events: &mut Vec<Event>) {
        if changed.iter().any(|(_, carrier)| *carrier != Carrier::Up) {
            self.forget_lost_networks();
        }
        for (link, carrier) in changed {
            let state = match carrier {
                Carrier::Up => LinkState::Up,
                Carrier::Down | Carrier::Gone => LinkState::Down,
            };
            events.push(Event::Link { link, state });
        }
    }

    /// What is asked next must not take a network whose link here has just gone down.
    fn forget_lost_networks(&mut self) {
        let own: Vec<_> = self.parts.networks.own().collect();
        // What the kernel does not say is found by the silence over that network.
        let Ok(carry) = self.parts.links.carry(&own) else { return };
        for (network, carrier) in carry.into_iter().enumerate() {
            if carrier != Carrier::Up {
                self.parts.networks.lost(network);
            }
        }
    }
}

/// What a node can do to itself when it cannot let go of a group, in one word.
const fn self_fence(capability: Capability) -> &'static str {
    match capability {
        Capability::Watchdog => "watchdog",
        Capability::Reboot => "reboot",
        Capability::BrokenWatchdog => "broken-watchdog",
        Capability::None => "none",
    }
}
