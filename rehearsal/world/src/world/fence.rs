//! The fence devices of the false world: most switch off at once, some late or not at all, some
//! say that they did and did not, and some switch off the one who asks.
//!
//! One that lies about the machine's state as well is not played: nothing could tell.

use tsugi_cluster_rules::node::Event;
use tsugi_cluster_rules::record::FenceFault;
use tsugi_vocabulary::{BootId, NodeName, Span};

use super::{Ev, Seen, Undo, World};

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

    fn switch_off(&mut self, n: usize) {
        if !self.actors[n].powered() {
            return;
        }
        self.power_off(n);
        let ms = self.chance.between(POWER_AGAIN_MS.0, POWER_AGAIN_MS.1);
        self.later(ms, Undo::PowerOn(n));
    }
}
