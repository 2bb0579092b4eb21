//! What each fault of a pair does, how it ends, and how everything is put right.

use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::fault::{Kind, Pair, Strike, TwoNodes, Whom};
use crate::Trouble;
use crate::fence::Does;
use crate::host::{ALL_LINKS, Process, STATE, data};
use crate::inject::set_ways;
use crate::kernel::{self, now};
use crate::product::{Part, Status, move_wall};
use crate::stage::Stage;

/// How long a program that is to be hit may take to appear.
const APPEARS: Duration = Duration::from_millis(1_500);
/// How long an order may be refused because nobody can take it.
const LIMIT: Duration = Duration::from_secs(9);
/// What is said when the node was not drained: the order was refused.
const ALREADY_SO: &str = "TSUG10540-I";
const HOUR: i64 = 3_600;
/// Longer than a fence agent may take.
const LATE: Duration = Duration::from_secs(2);

/// Who is what to the group before the first fault, by their places in the list of hosts.
#[derive(Clone, Copy, Debug)]
pub struct Roles {
    /// Who has the group.
    pub owner: usize,
    taker: usize,
    leader: usize,
    third: usize,
}

impl Roles {
    /// As the cluster stands.
    ///
    /// # Errors
    /// When the group has no owner.
    pub fn of(stage: &Stage, status: &Status) -> Result<Self, Trouble> {
        let owner = stage.owner(status)?;
        let others: Vec<usize> = (0..stage.site.hosts.len()).filter(|at| *at != owner).collect();
        let [taker, third] = others[..] else {
            return Err(Trouble::Failed("a pair of faults needs three nodes".into()));
        };
        let leader = status.leader.as_deref().map_or(Ok(third), |name| stage.place_of(name))?;
        Ok(Self { owner, taker, leader, third })
    }

    /// Whom the faults of a pair befall. Where nothing would be left to hit, the second one
    /// befalls the taker.
    #[must_use]
    pub fn befallen(&self, pair: &Pair) -> (usize, usize) {
        let at = |whom| match whom {
            Whom::Owner => self.owner,
            Whom::Taker => self.taker,
            Whom::Leader => self.leader,
            Whom::Third => self.third,
        };
        let (first, second) = (at(pair.first.whom), at(pair.second.whom));
        let (one, two) = (pair.first.kind, pair.second.kind);
        let gone = one == Kind::Power && !matches!(two, Kind::Device | Kind::Move);
        match first == second && (gone || one == two) {
            true => (first, self.taker),
            false => (first, second),
        }
    }

    /// Whether they are two.
    #[must_use]
    pub fn two_nodes(&self, pair: &Pair) -> TwoNodes {
        let (first, second) = self.befallen(pair);
        if first == second { TwoNodes::No } else { TwoNodes::Yes }
    }

    /// A node that none of these is, to be asked.
    fn spared(&self, befallen: [usize; 2]) -> usize {
        let all = [self.third, self.taker, self.owner];
        all.into_iter().find(|at| !befallen.contains(at)).unwrap_or(self.third)
    }
}

/// What has to be put right.
#[derive(Debug, Default)]
pub struct Damage {
    stopped: Vec<Process>,
    frozen: Vec<(usize, Duration)>,
    dead_disks: Vec<usize>,
    drained: Vec<String>,
    /// What had nothing to hit.
    pub missed: Vec<Kind>,
}

/// Both faults as they were done.
pub struct Done {
    /// When the first one was.
    pub first: Duration,
    /// When nothing more was done.
    pub last: Duration,
}

enum Step {
    Strike(Strike, usize),
    End(Strike, usize),
}

/// Does to the cluster what `pair` says.
///
/// # Errors
/// A lab that could not do its part.
pub fn act(
    stage: &mut Stage,
    (pair, roles): (&Pair, &Roles),
    damage: &mut Damage,
) -> Result<Done, Trouble> {
    let (one, two) = roles.befallen(pair);
    let mut steps = Vec::new();
    for (begins, strike, at) in [(Duration::ZERO, pair.first, one), (pair.offset, pair.second, two)]
    {
        steps.push((begins, Step::Strike(strike, at)));
        steps.extend(strike.lasts.map(|lasts| (begins + lasts, Step::End(strike, at))));
    }
    steps.sort_by_key(|(at, _)| *at);
    let asked = roles.spared([one, two]);
    let first = now();
    for (at, step) in steps {
        thread::sleep((first + at).saturating_sub(now()));
        match step {
            Step::Strike(strike, at) => {
                if !do_to(stage, strike, (at, asked), damage)? {
                    damage.missed.push(strike.kind);
                }
            }
            Step::End(strike, at) => end(stage, strike.kind, at, damage)?,
        }
    }
    Ok(Done { first, last: now() })
}

/// Does one of them; whether there was anything to do it to.
fn do_to(
    stage: &mut Stage,
    strike: Strike,
    (at, asked): (usize, usize),
    damage: &mut Damage,
) -> Result<bool, Trouble> {
    let name = stage.site.hosts[at].name.clone();
    let of_a_node = !matches!(strike.kind, Kind::Device | Kind::Move);
    if of_a_node && !stage.site.hosts[at].is_on() {
        return Ok(false);
    }
    match strike.kind {
        Kind::Power => drop(stage.site.hosts[at].power_off()?),
        Kind::Freeze => damage.frozen.push((at, stage.site.hosts[at].freeze()?)),
        Kind::Links => stage.site.hosts[at].cut(&ALL_LINKS, true),
        Kind::OneWay => {
            let deaf = strike.way.is_multiple_of(2);
            set_ways(stage, at, !deaf, deaf);
        }
        Kind::OneLink => stage.site.hosts[at].cut(&[stage.link_of_address()], true),
        Kind::AgentKill => return hit(stage, at, Part::Agent, Signal::SIGKILL).map(found),
        Kind::GuardianKill => return hit(stage, at, Part::Guardian, Signal::SIGKILL).map(found),
        Kind::HandsKill => return hit(stage, at, Part::Hands, Signal::SIGKILL).map(found),
        Kind::AgentStop => {
            let stopped = hit(stage, at, Part::Agent, Signal::SIGSTOP)?;
            let any = !stopped.is_empty();
            damage.stopped.extend(stopped);
            return Ok(any);
        }
        Kind::ProgramKill => {
            let end = now() + APPEARS;
            while hit(stage, at, Part::Sample, Signal::SIGKILL)?.is_empty() {
                if now() >= end {
                    return Ok(false);
                }
                thread::sleep(Duration::from_millis(1));
            }
        }
        Kind::LedgerDisk => {
            kernel::cut_power_of_file_system(&stage.site.hosts[at].place(STATE)?)?;
            damage.dead_disks.push(at);
        }
        Kind::VolumeDisk => return volume_fails(stage, at),
        Kind::Device => {
            let ways = [Does::Nothing, Does::Slow(LATE), Does::LiesOfTheDeed];
            let way = usize::try_from(strike.way).unwrap_or(0) % ways.len();
            stage.device()?.set(ways[way]);
        }
        Kind::Move => {
            let to = stage.site.hosts[(at + 1 + usize::from(strike.way > 2)) % 3].name.clone();
            let words = ["group", "move", stage.group(), &to, "--reason", "rehearsal"];
            return Ok(stage.product.begin(&stage.site.hosts[asked], &words).is_ok());
        }
        Kind::Drain => {
            let words = ["node", "drain", &name, "--reason", "rehearsal"];
            let asked = stage.product.begin(&stage.site.hosts[asked], &words);
            damage.drained.extend(asked.is_ok().then(|| name.clone()));
            return Ok(asked.is_ok());
        }
        Kind::ClockStep => {
            let seconds = if strike.way.is_multiple_of(2) { HOUR } else { -HOUR };
            move_wall(&stage.site.hosts[at], seconds)?;
        }
    }
    Ok(true)
}

fn found(hit: Vec<Process>) -> bool {
    !hit.is_empty()
}

/// Sends a signal to one part of a node; what was there.
fn hit(stage: &Stage, at: usize, part: Part, signal: Signal) -> Result<Vec<Process>, Trouble> {
    let all = stage.product.processes_of(&stage.site.hosts[at], part, stage.served());
    // Who ends at this moment was there.
    all.iter().for_each(|process| drop(process.signal(signal)));
    Ok(all)
}

/// The volume takes nothing any more, as soon as it is mounted there.
fn volume_fails(stage: &Stage, at: usize) -> Result<bool, Trouble> {
    let (host, volume) = (&stage.site.hosts[at], stage.served().volume());
    let end = now() + APPEARS;
    while !host.has_volume(volume) {
        if now() >= end {
            return Ok(false);
        }
        thread::sleep(Duration::from_millis(1));
    }
    let place = host.place(&data(volume))?;
    match kernel::cut_power_of_file_system(&place) {
        Ok(()) => Ok(true),
        // It was let go of in the meantime.
        Err(_) if !host.has_volume(volume) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Ends what lasts.
fn end(stage: &mut Stage, kind: Kind, at: usize, damage: &mut Damage) -> Result<(), Trouble> {
    match kind {
        Kind::Freeze => {
            let (these, others) = damage.frozen.drain(..).partition(|(host, _)| *host == at);
            damage.frozen = others;
            let these: Vec<(usize, Duration)> = these;
            these.into_iter().try_for_each(|(_, since)| wake(stage, at, since))?;
        }
        Kind::Links | Kind::OneLink => stage.site.hosts[at].cut(&ALL_LINKS, false),
        Kind::OneWay => set_ways(stage, at, false, false),
        Kind::AgentStop => go_on(std::mem::take(&mut damage.stopped)),
        Kind::Power
        | Kind::AgentKill
        | Kind::GuardianKill
        | Kind::HandsKill
        | Kind::ProgramKill
        | Kind::LedgerDisk
        | Kind::VolumeDisk
        | Kind::Device
        | Kind::Move
        | Kind::Drain
        | Kind::ClockStep => {}
    }
    Ok(())
}

fn wake(stage: &mut Stage, at: usize, since: Duration) -> Result<(), Trouble> {
    stage.site.hosts[at].thaw(since).map(drop)
}

fn go_on(stopped: Vec<Process>) {
    // Whoever was replaced meanwhile is gone.
    for process in stopped.into_iter().filter(Process::runs) {
        let _gone = process.signal(Signal::SIGCONT);
    }
}

/// Puts everything right.
///
/// # Errors
/// A lab that could not.
pub fn put_right(stage: &mut Stage, damage: &mut Damage) -> Result<(), Trouble> {
    if let Ok(device) = stage.device() {
        device.set(Does::AtOnce);
        // What it does late it does to this life of a machine and to no later one.
        let end = now() + LIMIT;
        while !device.is_idle() && now() < end {
            thread::sleep(Duration::from_millis(20));
        }
    }
    for (at, since) in std::mem::take(&mut damage.frozen) {
        wake(stage, at, since)?;
    }
    go_on(std::mem::take(&mut damage.stopped));
    for at in 0..stage.site.hosts.len() {
        set_ways(stage, at, false, false);
        stage.site.hosts[at].cut(&ALL_LINKS, false);
    }
    for at in std::mem::take(&mut damage.dead_disks) {
        // Nobody can repair such a disk while it is in use.
        stage.site.hosts[at].power_off()?;
    }
    stage.boot_and_start()?;
    for host in stage.site.hosts.iter().filter(|_| stage.product.has_own_clocks()) {
        // Who has just reset itself boots with a clock that is right.
        let _off = move_wall(host, 0);
    }
    for name in std::mem::take(&mut damage.drained) {
        undrain(stage, &name)?;
    }
    Ok(())
}

/// Takes an order to drain back: after it, also where it is under way still.
fn undrain(stage: &mut Stage, name: &str) -> Result<(), Trouble> {
    let end = now() + LIMIT;
    loop {
        stage.boot_and_start()?;
        let hosts = &stage.site.hosts;
        let under_way = hosts.iter().any(|host| stage.product.is_asked(host));
        let undrains = |host| match stage.product.drain(host, "undrain", name) {
            Ok(()) => true,
            Err(trouble) => trouble.to_string().contains(ALREADY_SO),
        };
        if !under_way && hosts.iter().any(undrains) {
            return Ok(());
        }
        if now() >= end {
            return Err(Trouble::Failed(format!("{name} could not be undrained")));
        }
        thread::sleep(Duration::from_millis(50));
    }
}
