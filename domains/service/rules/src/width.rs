//! How many calls of a service run beside each other where they may meet in the store: fewer when
//! they meet, one more when they have not for a while. What meets is run again in a new worker,
//! which costs more than waiting.

/// So many calls that met nobody, for each that may run, before one more may.
const CALM: usize = 8;

/// How many calls run beside each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Width {
    most: usize,
    now: usize,
    /// How many have met nobody since it has changed.
    calm: usize,
    /// How many were under way when it became less: that these meet says nothing new.
    before: usize,
}

impl Width {
    /// As many as may at most, which is at least one.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        let most = if most == 0 { 1 } else { most };
        Self { most, now: most, calm: 0, before: 0 }
    }

    /// How many may run beside each other now.
    #[must_use]
    pub const fn now(&self) -> usize {
        self.now
    }

    /// One has met another, while so many were under way, itself among them.
    pub fn met(&mut self, beside: usize) {
        self.calm = 0;
        if self.before > 0 {
            self.before -= 1;
            return;
        }
        self.now = (self.now / 2).max(1);
        self.before = beside.saturating_sub(1);
    }

    /// One has come to its end and met nobody.
    pub fn kept(&mut self) {
        self.before = self.before.saturating_sub(1);
        self.calm += 1;
        if self.calm >= self.now * CALM {
            self.calm = 0;
            self.now = (self.now + 1).min(self.most);
        }
    }
}
