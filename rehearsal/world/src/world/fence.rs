//! The fence devices of the false world: most switch off at once, some late or not at all, some
//! say that they did and did not, and some switch off the one who asks.
//!
//! Asked for the state, most tell the truth at once, some late or never; some always say off, and
//! some say it wrongly now and then, but not twice within a second. One that says on of a machine
//! while that is heard, and off twice of the same machine while it lives and is not heard, is not
//! played: nothing could tell.

use tsugi_cluster_rules::node::{Event, Power};
use tsugi_cluster_rules::record::FenceFault;
use tsugi_vocabulary::{BootId, NodeName, Span};

use super::{Ev, Seen, Undo, World};
use crate::chance::Chance;

/// What tells the state of one machine.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    tells: Tells,
    /// Until then it tells the truth.
    true_until: u64,
}

/// How a device tells the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tells {
    /// The truth, at once.
    AtOnce,
    /// The truth, late.
    Late,
    /// Nothing.
    Nothing,
    /// Off, whatever is.
    AlwaysOff,
    /// Off now and then although the machine has power.
    Flickers,
}

impl Device {
    pub(super) fn new(chance: &mut Chance) -> Self {
        let tells = match chance.below(10) {
            0 => Tells::Late,
            1 => Tells::Nothing,
            2 | 3 => Tells::AlwaysOff,
            4 | 5 => Tells::Flickers,
            _ => Tells::AtOnce,
        };
        Self { tells, true_until: 0 }
    }

    /// How long one question takes, in microseconds.
    fn takes_us(&self, chance: &mut Chance) -> u64 {
        match self.tells {
            Tells::AtOnce | Tells::AlwaysOff | Tells::Flickers => chance.between(4_000, 30_000),
            Tells::Late => chance.between(300_000, LIMIT_US),
            Tells::Nothing => LIMIT_US,
        }
    }

    /// What it says now of a machine that has power or not.
    fn says(&mut self, now: u64, powered: bool, chance: &mut Chance) -> Power {
        let truth = if powered { Power::On } else { Power::Off };
        let may = self.tells == Tells::Flickers && now >= self.true_until;
        let wrong = may && chance.happens(500);
        if wrong {
            self.true_until = now + FLICKER_NS;
        }
        match self.tells {
            Tells::AtOnce | Tells::Late => truth,
            Tells::Nothing => Power::Unknown,
            Tells::AlwaysOff => Power::Off,
            Tells::Flickers => {
                if wrong {
                    Power::Off
                } else {
                    truth
                }
            }
        }
    }
}

/// After a word that was not so, the truth for so long.
const FLICKER_NS: u64 = 1_000_000_000;
/// How often each agent tests the devices of the others, in milliseconds.
const TEST_MS: (u64, u64) = (1_500, 4_000);

/// What came of a device that was asked.
#[derive(Clone, Debug)]
pub(crate) struct Shot {
    /// Whose it is.
    pub node: NodeName,
    /// The life that the order named.
    pub boot: BootId,
    /// The agent that asked, by its start.
    pub asked_by: u64,
    /// What the device does.
    pub does: Does,
}

/// What a device does that is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Does {
    /// It switches off.
    Off,
    /// Its agent is not there.
    Nothing,
    /// It does nothing in its time.
    Hangs,
    /// It says that it did, and then that the machine is on.
    Lies,
    /// It switches off the one who asked.
    ShootsTheAsker,
}

/// Who finds a machine without power gives it power again after so long, in milliseconds.
const POWER_AGAIN_MS: (u64, u64) = (1_000, 8_000);
/// The limit of a fence agent, in microseconds.
const LIMIT_US: u64 = 4_000_000;

impl World<'_> {
    pub(crate) fn begin_fence(&mut self, n: usize, node: NodeName, boot: BootId) {
        let quick = self.chance.between(10_000, 60_000);
        let (does, us) = match self.chance.below(10) {
            0 => (Does::Nothing, quick),
            1 => (Does::Hangs, LIMIT_US),
            2 => (Does::Lies, quick),
            3 => (Does::ShootsTheAsker, quick),
            4 | 5 => (Does::Off, self.chance.between(60_000, LIMIT_US)),
            _ => (Does::Off, quick),
        };
        let asked_by = self.actors[n].boots;
        let shot = Box::new(Shot { node, boot, asked_by, does });
        self.after_us(us, Ev::Shot { n, life: self.actors[n].lives, shot });
    }

    pub(crate) fn on_shot(&mut self, n: usize, life: u64, shot: Shot) {
        if self.actors[n].lives != life {
            return;
        }
        let target = self.actors.iter().position(|actor| actor.name == shot.node);
        let outcome = match shot.does {
            Does::Off => {
                self.meet("state fenced");
                if let Some(node) = target {
                    self.switch_off(node);
                    let at = self.now;
                    self.see(&Seen::SwitchedOff { at, node });
                }
                Ok(())
            }
            Does::Nothing => Err(FenceFault::Absent(String::new())),
            Does::Hangs => Err(FenceFault::Slow(Span::micros(LIMIT_US))),
            Does::Lies => Err(FenceFault::Lied),
            Does::ShootsTheAsker => {
                self.meet("state asker shot");
                return self.switch_off(n);
            }
        };
        if self.actors[n].boots == shot.asked_by {
            let Shot { node, boot, .. } = shot;
            self.step(n, Event::Fenced { node, boot, outcome });
        }
    }

    /// Each agent asks now and then what the devices of the others say.
    pub(crate) fn on_test_of_devices(&mut self, n: usize) {
        let again = self.device_chance.between(TEST_MS.0, TEST_MS.1);
        self.after_us(again * 1_000, Ev::Devices { n });
        for target in (0..self.devices.len()).filter(|target| *target != n) {
            let (says, us) = self.asked(target);
            let (node, took) = (self.actors[target].name.clone(), Span::micros(us));
            self.step(n, Event::DeviceTested { node, says, took });
        }
    }

    pub(crate) fn begin_state(&mut self, n: usize, node: NodeName) {
        let target = self.actors.iter().position(|actor| actor.name == node);
        let Some(device) = target.and_then(|target| self.devices.get(target)) else { return };
        let us = device.takes_us(&mut self.device_chance);
        self.after_us(us, Ev::State { n, boot: self.actors[n].boots, node });
    }

    pub(crate) fn on_state(&mut self, n: usize, boot: u64, node: NodeName) {
        let target = self.actors.iter().position(|actor| actor.name == node);
        let Some(target) = target.filter(|target| *target < self.devices.len()) else { return };
        if self.actors[n].boots != boot {
            return;
        }
        let (says, _) = self.asked(target);
        if says == Power::Off && !self.actors[target].powered() {
            let at = self.now;
            self.see(&Seen::SwitchedOff { at, node: target });
        }
        self.step(n, Event::DeviceSaid { node, says });
    }

    /// What a device says of the state, and how long that took.
    fn asked(&mut self, target: usize) -> (Power, u64) {
        let powered = self.actors[target].powered();
        let device = &mut self.devices[target];
        let us = device.takes_us(&mut self.device_chance);
        (device.says(self.now, powered, &mut self.device_chance), us)
    }

    fn switch_off(&mut self, n: usize) {
        if !self.actors[n].powered() {
            return;
        }
        self.power_off(n);
        let ms = self.chance.between(POWER_AGAIN_MS.0, POWER_AGAIN_MS.1);
        self.later(ms, Undo::PowerOn(n));
    }
}
