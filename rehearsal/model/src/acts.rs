//! What can happen in a state, and what comes of it.

use tsugi_cluster_rules::lease::disk_vote::{Asks, DiskVote};
use tsugi_cluster_rules::lease::heartbeat::{Ack, Health, Heartbeat};
use tsugi_cluster_rules::lease::holder::Holder;
use tsugi_cluster_rules::lease::majority;
use tsugi_cluster_rules::lease::voter::Voter;
use tsugi_vocabulary::{Claims, Epoch, GroupName, Index, Moment, Span};

use crate::ground::{
    CLOCKS, Entry, NODES, Place, STOP, TTL, TTL_AT_MOST, boot, epoch, group, name,
};
use crate::scenes::{Answers, Follows, Owner, Third, Trouble};
use crate::state::{
    Agent, Asking, Backwards, Guardian, Letter, Life, Model, Run, Says, State, ack_of, beat_of,
};

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Time passes; guardians act.
    Tick,
    /// The next entry of the script is committed.
    Commit,
    /// A node applies the next entry.
    Apply(Place),
    /// A node sends a beat, and votes on it itself.
    Beat(Place),
    /// A node writes on the disk only to be seen.
    Show(Place),
    /// The disk takes what a node writes.
    Write(Place),
    /// A node reads what the other claims.
    Read(Place),
    /// The disk takes what a former life of a node was writing.
    WriteLate(Place),
    /// A letter arrives.
    Deliver(Letter),
    /// An agent is restarted; what its guardian watches runs on.
    Restart(Place),
    /// A node stops the group, verifies, and says so.
    Stop(Place),
    /// Planted: it says so first.
    SayStopped(Place),
    /// Planted: it starts again what it said it has released.
    StartAgain(Place),
    /// A fence takes a node's power, whichever life it is in.
    Fence(Place),
    /// Its power comes back.
    PowerOn(Place),
    /// The guardian of a pinned group is armed again, with a fresh lease.
    Rearm(Place),
}

/// From a deadline until nothing is left, at worst.
const KILL: Span = Span(STOP.0 + CLOCKS.guard.0);

impl Model {
    /// Everything that can happen now.
    pub fn possible(&self, state: &State, actions: &mut Vec<Action>) {
        let owes = |node: &Agent| node.asking != Asking::Nothing;
        let waits = self.scene.answers == Answers::AtOnce && state.nodes.iter().any(owes);
        if state.at < self.scene.ticks && !waits {
            actions.push(Action::Tick);
        }
        if self.may_commit(state) {
            actions.push(Action::Commit);
        }
        for letter in &state.wire {
            if self.arrives(state, letter) {
                actions.push(Action::Deliver(letter.clone()));
            }
        }
        for place in 0..NODES {
            let node = &state.nodes[place];
            if matches!(node.life, Life::Up(_)) {
                self.possible_at(state, place, actions);
            }
            if node.late.is_some() {
                actions.push(Action::WriteLate(place));
            }
        }
        self.troubles(state, actions);
    }

    fn possible_at(&self, state: &State, place: Place, actions: &mut Vec<Action>) {
        let node = &state.nodes[place];
        let behind = node.applied < state.committed;
        if behind && self.scene.follows[place] == Follows::Sometime {
            actions.push(Action::Apply(place));
        }
        let speaks = self.owns(state, place).is_some() || node.over.is_some();
        if node.beats > 0 && node.beat_at != Some(state.at) {
            if speaks {
                actions.push(Action::Beat(place));
            }
            if self.scene.third == Third::DiskShown(place) && node.asking == Asking::Nothing {
                actions.push(Action::Show(place));
            }
        }
        match node.asking {
            Asking::Nothing => {}
            Asking::Writes(..) => actions.push(Action::Write(place)),
            Asking::Reads(..) => actions.push(Action::Read(place)),
        }
        let fresh = node.holder.deadline(group()).is_some_and(|d| d > state.clock(place));
        if node.guardian == Guardian::Disarmed && fresh {
            actions.push(Action::Rearm(place));
        }
        if self.is_without("started-again") && node.over.is_some() && node.run.is_none() && fresh {
            actions.push(Action::StartAgain(place));
        }
    }

    /// The scene's own trouble.
    fn troubles(&self, state: &State, actions: &mut Vec<Action>) {
        match self.scene.trouble {
            Trouble::Silence => {}
            Trouble::Restart(place) => {
                if state.nodes[place].life == Life::Up(1) {
                    actions.push(Action::Restart(place));
                }
            }
            Trouble::Move => {
                let node = &state.nodes[0];
                if node.run.is_some() && node.over.is_none() {
                    actions.push(if self.is_without("released-before-stopped") {
                        Action::SayStopped(0)
                    } else {
                        Action::Stop(0)
                    });
                }
            }
            Trouble::Fence => match state.nodes[0].life {
                Life::Up(1) => actions.push(Action::Fence(0)),
                Life::Off(_) => actions.push(Action::PowerOn(0)),
                Life::Up(_) => {}
            },
        }
    }

    /// Whether the next entry may be committed now.
    fn may_commit(&self, state: &State) -> bool {
        let Some(entry) = self.scene.script.get(state.committed) else { return false };
        match entry {
            // A takeover may be ordered at any time, also by mistake: the entry alone starts
            // nothing. A move is ordered when the source has released (L8).
            Entry::OnDisk => true,
            Entry::Give(..) => {
                self.scene.trouble != Trouble::Move || state.nodes[0].over == Some(1)
            }
            Entry::Voters(_) => self.may_change_voters(state),
            Entry::Fenced(place, life) => state.nodes[*place].life != Life::Up(*life),
            Entry::Pin => true,
            Entry::Unpin => {
                self.is_without("unpinned-before-armed")
                    || state.nodes[0].guardian == Guardian::Rearmed
            }
        }
    }

    /// L6: one voter a change, and the next not before the longest TTL after the last.
    fn may_change_voters(&self, state: &State) -> bool {
        if state.listed.is_none() || self.is_without("voters-changed-at-once") {
            return true;
        }
        let since = if self.is_without("voters-counted-from-commit") {
            state.listed
        } else {
            state.settled
        };
        since.is_some_and(|at| state.at > at + TTL_AT_MOST)
    }

    fn arrives(&self, state: &State, letter: &Letter) -> bool {
        let deaf = self.scene.owner == Owner::TurnsDeaf && letter.to == 0 && state.at > 0;
        !deaf && matches!(state.nodes[letter.to].life, Life::Up(_))
    }

    /// The epoch under which a node's own record gives it the group.
    fn owns(&self, state: &State, place: Place) -> Option<(u64, Index)> {
        let record = self.record(state, place);
        let entry = record.groups.get(group())?;
        let mine = entry.value.owner() == Some(name(place));
        mine.then_some((entry.value.epoch.counter, entry.version))
    }

    /// Does it.
    pub fn carry_out(&self, state: &mut State, action: Action) {
        match action {
            Action::Tick => self.tick(state),
            Action::Commit => self.commit(state),
            Action::Apply(place) => self.apply(state, place),
            Action::Beat(place) => self.send_beat(state, place, Asks::ForVotes),
            Action::Show(place) => self.send_beat(state, place, Asks::ForNothing),
            Action::Write(place) => write(state, place),
            Action::Read(place) => self.read(state, place),
            Action::WriteLate(place) => write_late(state, place),
            Action::Deliver(letter) => self.deliver(state, &letter),
            Action::Restart(place) => {
                leave_late(&mut state.nodes[place]);
                restart(state, place);
            }
            Action::Stop(place) => {
                let node = &mut state.nodes[place];
                if let Some(run) = node.run.take() {
                    node.over = Some(run.epoch);
                    node.holder.released(group(), epoch(run.epoch));
                }
            }
            Action::SayStopped(place) => {
                let node = &mut state.nodes[place];
                if let Some(run) = node.run {
                    node.over = Some(run.epoch);
                    node.holder.released(group(), epoch(run.epoch));
                }
            }
            Action::StartAgain(place) => {
                let node = &mut state.nodes[place];
                if let (Some(epoch), Some(d)) = (node.over, node.holder.deadline(group())) {
                    node.run = Some(Run { epoch, until: d + KILL });
                }
            }
            Action::Fence(place) => {
                let node = &mut state.nodes[place];
                if let Life::Up(life) = node.life {
                    node.life = Life::Off(life);
                    node.run = None;
                    leave_late(node);
                }
            }
            Action::PowerOn(place) => restart(state, place),
            Action::Rearm(place) => {
                let node = &mut state.nodes[place];
                node.guardian = Guardian::Rearmed;
                if let (Some(run), Some(d)) = (&mut node.run, node.holder.deadline(group())) {
                    run.until = d + KILL;
                }
            }
        }
    }

    fn tick(&self, state: &mut State) {
        state.at += 1;
        let at = state.at;
        let delay = self.scene.delay;
        state.wire.retain(|letter| letter.left + delay >= at);
        for place in 0..NODES {
            let now = state.clock(place);
            let owns = self.owns(state, place);
            let pinned = self.pinned_here(state, place);
            let node = &mut state.nodes[place];
            if node.run.is_some_and(|run| run.until <= now) {
                node.over = node.run.take().map(|run| run.epoch);
            }
            let passed = node.holder.deadline(group()).is_some_and(|d| d <= now);
            let (Some((counter, _)), true, false) = (owns, passed, pinned) else { continue };
            if node.lapsed.is_none_or(|(e, _)| e != epoch(counter)) {
                node.lapsed = Some((epoch(counter), at));
            }
        }
    }

    fn pinned_here(&self, state: &State, place: Place) -> bool {
        let record = self.record(state, place);
        let pause = record.group(group()).and_then(|g| g.pause.as_ref());
        pause.and_then(|p| p.pinned.as_ref()) == Some(name(place))
    }

    fn commit(&self, state: &mut State) {
        let entry = self.scene.script[state.committed];
        state.committed += 1;
        if matches!(entry, Entry::Voters(_)) {
            state.listed = Some(state.at);
            state.settled = None;
        }
        for place in 0..NODES {
            let behind = state.nodes[place].applied + 1 == state.committed;
            if behind && self.scene.follows[place] == Follows::AtOnce {
                self.apply(state, place);
            }
        }
    }

    fn apply(&self, state: &mut State, place: Place) {
        let entry = self.scene.script[state.nodes[place].applied];
        state.nodes[place].applied += 1;
        let pinned = self.pinned_here(state, place);
        let node = &mut state.nodes[place];
        match entry {
            Entry::Pin if pinned => {
                if let Some(run) = &mut node.run {
                    node.guardian = Guardian::Disarmed;
                    run.until = Moment(u64::MAX);
                }
            }
            Entry::Unpin => {
                // Planted only: the pin went before the guardian was armed.
                if let (Guardian::Disarmed, Some(run)) = (node.guardian, &mut node.run) {
                    run.until = node.holder.deadline(group()).map_or(Moment(0), |d| d + KILL);
                }
                node.guardian = Guardian::Armed;
            }
            Entry::OnDisk | Entry::Give(..) | Entry::Voters(_) | Entry::Fenced(..) | Entry::Pin => {
            }
        }
        if let Entry::Voters(list) = entry {
            let newest = self.ledger(state).iter().rposition(|e| matches!(e, Entry::Voters(_)));
            let knows = |p: &&Place| newest.is_some_and(|n| state.nodes[**p].applied > n);
            let known = list.iter().filter(knows).count();
            if state.settled.is_none() && known >= majority(list.len()) {
                state.settled = Some(state.at);
            }
        }
    }

    fn send_beat(&self, state: &mut State, place: Place, asks: Asks) {
        let record = self.record(state, place);
        let owns = self.owns(state, place);
        let (at, now) = (state.at, state.clock(place));
        let node = &mut state.nodes[place];
        if let Some((counter, entry)) = owns {
            node.holder.want(group(), epoch(counter), entry, STOP);
        }
        // Planted: an agent that goes on as if its deadline had not passed.
        let goes_on = self.without == "lease-asked-after-deadline";
        if let Some(over) = node.over.filter(|_| !goes_on) {
            node.holder.released(group(), epoch(over));
        }
        let beat = node.holder.compose(now, TTL, &record, Health::default());
        node.beats -= 1;
        node.beat_at = Some(at);
        for (_, to) in self.scene.links.iter().filter(|(from, _)| *from == place) {
            state.wire.insert(Letter::beat(at, (place, *to), &beat));
        }
        if let Some(ack) = self.vote(state, place, &beat) {
            self.take_ack(state, place, &ack);
        }
        if self.scene.third != Third::Witness {
            let node = &mut state.nodes[place];
            if let Some(claims) = node.disk.ask(now, &beat, asks, &record) {
                node.asking = Asking::Writes(claims, state.disk[1 - place].clone());
            }
        }
    }

    /// The node reads what the other claims, and makes a vote of it.
    fn read(&self, state: &mut State, place: Place) {
        let record = self.record(state, place);
        let now = state.clock(place);
        let shown = state.disk[1 - place].clone();
        let node = &mut state.nodes[place];
        let asking = std::mem::replace(&mut node.asking, Asking::Nothing);
        let Asking::Reads(number, early) = asking else { return };
        let early_counts = self.is_without("disk-read-before-written");
        let other = if early_counts { early } else { shown };
        let Some(ack) = node.disk.on_read(now, (number, other.as_ref()), &record) else { return };
        let moved = node.holder.on_disk(now, &ack, &record);
        run(state, place, moved);
    }

    fn vote(&self, state: &mut State, place: Place, beat: &Heartbeat) -> Option<Ack> {
        let record = self.record(state, place);
        let now = state.clock(place);
        let voter = &mut state.nodes[place].voter;
        voter.forget_expired(now);
        voter.on_heartbeat(now, beat, &record).ack
    }

    fn deliver(&self, state: &mut State, letter: &Letter) {
        let at = state.at;
        match &letter.says {
            Says::Beat { .. } => {
                let beat = beat_of(letter.from, &letter.says).expect("it is a beat");
                if let Some(ack) = self.vote(state, letter.to, &beat) {
                    // A letter stays on the wire: it may come again, or never.
                    let back = Letter::ack(at, (letter.to, letter.from), &ack);
                    if !beat.asked.is_empty() && self.arrives(state, &back) {
                        state.wire.insert(back);
                    }
                }
            }
            Says::Ack { .. } => {
                let ack = ack_of(letter.from, &letter.says).expect("it is an answer");
                self.take_ack(state, letter.to, &ack);
            }
        }
    }

    fn take_ack(&self, state: &mut State, place: Place, ack: &Ack) {
        let record = self.record(state, place);
        let now = state.clock(place);
        let node = &mut state.nodes[place];
        let moved = node.holder.on_ack(now, ack, &record);
        run(state, place, moved);
    }
}

/// A node's deadlines moved on: it runs what it may.
fn run(state: &mut State, place: Place, moved: Vec<(GroupName, Epoch, Moment)>) {
    for (_, epoch, deadline) in moved {
        let begun = lease(&mut state.nodes[place], epoch.counter, deadline + KILL);
        if begun {
            let (newest, by) = state.newest;
            if epoch.counter < newest {
                state.went_back = Backwards::Yes;
            }
            state.newest = (newest.max(epoch.counter), if newest == 0 { place } else { by });
        }
    }
}

/// The disk takes what a node writes.
fn write(state: &mut State, place: Place) {
    let node = &mut state.nodes[place];
    let asking = std::mem::replace(&mut node.asking, Asking::Nothing);
    let Asking::Writes(claims, early) = asking else { return };
    node.asking = Asking::Reads(claims.number, early);
    state.disk[place] = Some(claims);
}

/// It reaches one of two copies, of which the newer counts.
fn write_late(state: &mut State, place: Place) {
    let late = state.nodes[place].late.take();
    let number = |claims: &Option<Claims>| claims.as_ref().map(|c| c.number);
    if number(&late) > number(&state.disk[place]) {
        state.disk[place] = late;
    }
}

/// Starts the group, or lets it run on; whether it began.
fn lease(node: &mut Agent, epoch: u64, until: Moment) -> bool {
    let disarmed = node.guardian == Guardian::Disarmed;
    match &mut node.run {
        Some(run) if run.epoch == epoch => {
            if !disarmed {
                run.until = run.until.max(until);
            }
            false
        }
        Some(_) => false,
        // What its guardian or its stop has let go of does not start again (L5).
        None if node.over == Some(epoch) => false,
        None => {
            node.run = Some(Run { epoch, until });
            true
        }
    }
}

/// What a life was writing when it ended, the disk may take later or never.
fn leave_late(node: &mut Agent) {
    if let Asking::Writes(claims, _) = std::mem::replace(&mut node.asking, Asking::Nothing) {
        node.late = Some(claims);
    }
}

/// A new life: what was only in memory is gone, what is durable stays.
fn restart(state: &mut State, place: Place) {
    let now = state.clock(place);
    let found = state.disk[place].clone();
    let node = &mut state.nodes[place];
    let life = match node.life {
        Life::Up(life) | Life::Off(life) => life + 1,
    };
    let longest = Some(node.voter.longest()).filter(|span| *span > Span::ZERO);
    node.life = Life::Up(life);
    node.holder = Holder::new(name(place).clone(), boot(place, life)).with_clocks(CLOCKS);
    node.voter = Voter::new(name(place).clone(), boot(place, life), now, longest);
    node.disk = DiskVote::new(name(place).clone(), boot(place, life), found);
    node.lapsed = None;
}
