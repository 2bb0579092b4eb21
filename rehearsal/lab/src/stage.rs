//! A running cluster with a client, between two repetitions and during one.

use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use crate::Trouble;
use crate::badlink::Draw;
use crate::client::{CallEnd, Client};
use crate::expected::Telling;
use crate::fence::Device;
use crate::host::{Host, LEDGER, LOG, MORE};
use crate::kernel::now;
use crate::outage::BEFORE;
use crate::product::{self, Part, Plan, Product, Program, Served, Shape, Status};
use crate::site::{Holds, SharedVolume, Site};

/// How long a cluster may take to be whole again.
const WHOLE: Duration = Duration::from_secs(15);
/// The number that the kernel of a host gives its first link; the loopback comes before it.
const FIRST_LINK: u32 = 2;
/// When it is almost too late it is asked in any case, to have something to tell.
const LAST_LOOK: Duration = Duration::from_secs(1);
/// And how much longer for each group.
const A_GROUP: Duration = Duration::from_millis(100);
/// So many of the last calls are told where they are not as they must be.
const TOLD: usize = 6;
/// How large a volume with a number is.
const VOLUME_MIB: usize = 48;
/// And one with the store and the packages of a service.
const SERVICE_MIB: usize = 96;
/// And the disk of a ledger.
const LEDGER_MIB: usize = 96;
/// And the smallest xfs that there is.
const XFS_MIB: usize = 300;
/// And one with a database.
const DATABASE_MIB: usize = 128;

/// Everything a rehearsal needs.
#[derive(Debug)]
pub struct Stage {
    /// Who calls each group. Fields end in this order: first the clients, then the hosts.
    clients: Vec<Client>,
    /// The groups with a sample.
    served: Vec<Served>,
    /// Which of them is rehearsed now.
    focus: usize,
    /// What takes the power of hosts when nodes ask for it, where they can.
    device: Option<Device>,
    /// Hosts and network.
    pub site: Site,
    /// The system under rehearsal.
    pub product: Product,
    /// Chance that follows from the seed.
    pub draw: Draw,
    /// From three fresh nodes to the first answer.
    pub first_service: Duration,
    /// What every node has told, to be told again.
    pub tellings: Vec<Telling>,
}

impl Stage {
    /// Builds the hosts, founds a cluster and waits until it serves.
    ///
    /// # Errors
    /// What failed.
    pub fn set(plan: Plan, seed: u64) -> Result<Self, Trouble> {
        let product = Product::new(plan)?;
        let served = product.plan.served();
        let hosts = product.plan.shape.hosts();
        let mut site = Site::build(hosts, &product.programs()?, &volumes(&product.plan, &served))?;
        let device = match product.plan.shape {
            Shape::Fenced => Some(Device::start(site.hosts.iter().map(Host::plug).collect())?),
            Shape::Plain
            | Shape::Alone
            | Shape::Wide
            | Shape::Mutual
            | Shape::Warm
            | Shape::Database
            | Shape::Pair
            | Shape::Full => None,
        };
        site.boot_all()?;
        let start = |(number, served): (usize, &Served)| {
            Client::start(&site.wire, number, (served.speaks(), served.at()))
        };
        let clients = served.iter().enumerate().map(start).collect::<Result<Vec<_>, _>>()?;
        let begun = now();
        if let Err(trouble) = product.found(&mut site) {
            show_logs(&site);
            return Err(trouble);
        }
        let first_service = Duration::ZERO;
        let (draw, tellings) = (Draw::new(seed), Vec::new());
        let focus = 0;
        let mut stage =
            Self { clients, served, focus, device, site, product, draw, first_service, tellings };
        stage.wait_whole()?;
        let calls = stage.client().calls();
        let first = calls.iter().find(|call| matches!(call.end, CallEnd::Answered { .. }));
        let first = first.map_or_else(now, |call| call.until);
        drop(calls);
        stage.first_service = first.saturating_sub(begun);
        Ok(stage)
    }

    /// Founds a cluster and leaves it standing until standard input ends, to look around in it.
    ///
    /// # Errors
    /// When no host boots. That the cluster is not founded is only said.
    pub fn stand(plan: Plan) -> Result<(), Trouble> {
        let product = Product::new(plan)?;
        let shared = volumes(&product.plan, &product.plan.served());
        let mut site = Site::build(product.plan.shape.hosts(), &product.programs()?, &shared)?;
        site.boot_all()?;
        match product.found(&mut site) {
            Ok(()) => println!("founded"),
            Err(trouble) => println!("not founded: {trouble}"),
        }
        for host in &site.hosts {
            println!("{}: {}", host.name, host.way_in()?);
        }
        println!("end of input ends it");
        std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
        Ok(())
    }

    /// Waits until every node is up, every group runs, one host holds the address, and the client
    /// has been answered without a break for as long as the arithmetic looks back.
    ///
    /// # Errors
    /// When it does not come to that; the logs of the hosts are shown.
    pub fn wait_whole(&mut self) -> Result<Status, Trouble> {
        let groups = u32::try_from(self.product.plan.more_groups).unwrap_or(u32::MAX);
        let limit = WHOLE + A_GROUP * groups;
        let end = now() + limit;
        let mut last = String::from("the client is not answered steadily");
        while now() < end {
            thread::sleep(Duration::from_millis(50));
            // A node that reset itself comes back by itself, as machines do.
            self.boot_and_start()?;
            let steady = self.is_steady();
            // Asking takes processor time from the cluster: only once there is hope.
            if !steady && now() < end.saturating_sub(LAST_LOOK) {
                continue;
            }
            match self.product.status(&mut self.site) {
                Ok(status) if steady && status.is_whole(self.site.hosts.len()) => {
                    if self.holder_is(&status) {
                        return Ok(status);
                    }
                    last = format!("the owner is not the one holder of the address: {status:?}");
                }
                Ok(status) => {
                    let told =
                        self.client().calls().iter().rev().take(TOLD).cloned().collect::<Vec<_>>();
                    last = format!("client answered steadily: {steady}; {told:?}; {status:?}");
                }
                Err(trouble) => last = trouble.to_string(),
            }
        }
        show_logs(&self.site);
        Err(Trouble::Failed(format!("the cluster is not whole after {limit:?}: {last}")))
    }

    fn is_steady(&self) -> bool {
        self.clients.iter().all(is_steady)
    }

    /// A node that was away may still tell an old story: what the kernels say decides.
    fn holder_is(&self, status: &Status) -> bool {
        let shared = self.site.wire.instruments();
        self.served.iter().all(|served| {
            let owner = status.group(served.group).and_then(|group| group.owner.as_deref());
            let host = self.site.hosts.iter().find(|host| Some(host.name.as_str()) == owner);
            let mut all = served.addresses.iter();
            host.is_some_and(|h| all.all(|a| shared.addresses.holders(*a) == [h.index]))
        })
    }

    /// On which hosts the parts of the group are: the addresses in the kernel, the volume mounted,
    /// the program running.
    #[must_use]
    pub fn parts(&mut self) -> Vec<(String, [bool; 3])> {
        let served = self.served().clone();
        let mut parts = Vec::new();
        for host in &mut self.site.hosts {
            let shared = self.site.wire.instruments();
            let held = |address: &IpAddr| shared.addresses.holders(*address).contains(&host.index);
            let held = served.addresses.iter().any(held);
            drop(shared);
            let on = host.is_on();
            let samples = self.product.processes_of(host, Part::Sample, &served);
            let runs = on && samples.iter().any(|sample| sample.runs());
            let mounted = on && host.has_volume(served.volume());
            parts.push((host.name.clone(), [held, mounted, runs]));
        }
        parts
    }

    /// The one host that has every part of the group, if no other has any.
    #[must_use]
    pub fn whole_owner(&mut self) -> Option<String> {
        let parts = self.parts();
        let some: Vec<_> = parts.iter().filter(|(_, held)| *held != [false; 3]).collect();
        match some.as_slice() {
            [(name, held)] if *held == [true; 3] => Some(name.clone()),
            _ => None,
        }
    }

    /// The fence device of the nodes.
    ///
    /// # Errors
    /// When they have none.
    pub fn device(&self) -> Result<&Device, Trouble> {
        let none = || Trouble::Failed("these nodes have no fence device".into());
        self.device.as_ref().ok_or_else(none)
    }

    /// The group that is rehearsed now.
    #[must_use]
    pub fn served(&self) -> &Served {
        &self.served[self.focus]
    }

    /// Its name.
    #[must_use]
    pub fn group(&self) -> &'static str {
        self.served().group
    }

    /// The groups, each with its client.
    pub fn groups(&self) -> impl Iterator<Item = (&Served, &Client)> {
        self.served.iter().zip(&self.clients)
    }

    /// The groups that are not rehearsed now, each with its client.
    pub fn others(&self) -> impl Iterator<Item = (&Served, &Client)> {
        let all = self.groups().enumerate();
        all.filter(|(number, _)| *number != self.focus).map(|(_, other)| other)
    }

    /// How many groups can be rehearsed.
    #[must_use]
    pub fn count(&self) -> usize {
        self.served.len()
    }

    /// Rehearses the group of this number from now on.
    pub fn turn_to(&mut self, number: usize) {
        self.focus = number;
    }

    /// Who calls the group.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.clients[self.focus]
    }

    /// Prints what the cluster says of the last thing that happened to `group`.
    pub fn tell_why(&mut self, group: &str) {
        let told = self.product.explanations(&mut self.site, (Some(group), 0));
        for (host, text) in told.into_iter().take(1) {
            for line in text.lines() {
                println!("    {host}: {line}");
            }
        }
    }

    /// Has all clients forget what ended before `before`.
    pub fn forget(&self, before: Duration) {
        self.clients.iter().for_each(|client| client.forget(before));
    }

    /// The floating address that the client calls.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.served().called()
    }

    /// The link on which the address is held.
    #[must_use]
    pub fn link_of_address(&self) -> usize {
        let held = self.site.wire.instruments().addresses.of(self.address());
        let link = held.iter().find(|h| h.until.is_none()).map_or(FIRST_LINK, |h| h.link);
        (link.max(FIRST_LINK) - FIRST_LINK) as usize
    }

    /// Where in the list of hosts the owner of the group is.
    ///
    /// # Errors
    /// When there is none.
    pub fn owner(&self, status: &Status) -> Result<usize, Trouble> {
        let owner = status.group(self.group()).and_then(|group| group.owner.as_deref());
        self.place_of(owner.unwrap_or_default())
    }

    /// Where in the list of hosts the one of this name is.
    ///
    /// # Errors
    /// When there is none.
    pub fn place_of(&self, name: &str) -> Result<usize, Trouble> {
        let place = self.site.hosts.iter().position(|host| host.name == name);
        place.ok_or_else(|| Trouble::Failed(format!("there is no host {name:?}")))
    }

    /// Gives power to whoever has none and starts its node.
    ///
    /// # Errors
    /// What failed.
    pub fn boot_and_start(&mut self) -> Result<(), Trouble> {
        for host in &mut self.site.hosts {
            if !host.is_on() {
                host.boot()?;
                self.product.start(host)?;
            }
        }
        Ok(())
    }

    /// Takes the power from every host at one instant and gives it back. Returns the instant.
    ///
    /// # Errors
    /// What failed.
    pub fn all_power(&mut self) -> Result<Duration, Trouble> {
        let at = now();
        for host in &self.site.hosts {
            self.site.wire.isolate(host.index);
        }
        for host in &mut self.site.hosts {
            host.power_off()?;
        }
        self.boot_and_start()?;
        Ok(at)
    }

    /// Takes the power from everything and gives it back: for a cluster that cannot help itself.
    ///
    /// # Errors
    /// When that does not help either.
    pub fn start_over(&mut self) -> Result<(), Trouble> {
        for host in &mut self.site.hosts {
            if host.is_on() {
                host.power_off()?;
            }
        }
        self.boot_and_start()?;
        self.wait_whole().map(drop)
    }

    /// Waits until calls are answered again and have been for `span`, by a host of which `by`
    /// approves; false at `limit`.
    pub fn wait_answered(
        &self,
        since: Duration,
        span: Duration,
        limit: Duration,
        by: impl Fn(&str) -> bool,
    ) -> bool {
        let end = now() + limit;
        while now() < end {
            thread::sleep(Duration::from_millis(20));
            let from = now().saturating_sub(span + Duration::from_millis(100)).max(since);
            let calls = self.client().calls_since(from);
            let answers: Vec<(Duration, &str)> = calls
                .iter()
                .filter_map(|call| match &call.end {
                    CallEnd::Answered { node, .. } => Some((call.until, node.as_str())),
                    CallEnd::Failed(_) => None,
                })
                .collect();
            let (Some(first), Some(last)) = (answers.first(), answers.last()) else { continue };
            let half = 2 * self.client().speaks.every();
            let enough = answers.len() as u128 * half.as_millis() > span.as_millis();
            if by(last.1) && enough && first.0 + span <= now() {
                return true;
            }
        }
        false
    }
}

/// Whether the client has been answered without a break for as long as the arithmetic looks back.
fn is_steady(client: &Client) -> bool {
    let since = now().saturating_sub(BEFORE);
    let calls = client.calls_since(since);
    let answered: Vec<Duration> = calls
        .iter()
        .filter(|call| !call.again && matches!(call.end, CallEnd::Answered { .. }))
        .map(|call| call.until)
        .collect();
    let every = client.speaks.every();
    let (close, most) = (every * 6, BEFORE.as_millis() / every.as_millis());
    answered.len() as u128 * 10 > most * 8
        && answered.windows(2).all(|pair| pair[1].saturating_sub(pair[0]) < close)
        && answered.last().is_some_and(|last| now().saturating_sub(*last) < close)
}

/// The volumes of these groups, each with what its program begins with, the ledger's disk, and what
/// a group has besides.
fn volumes(plan: &Plan, served: &[Served]) -> Vec<SharedVolume> {
    let volume = |served: &Served| {
        let name = served.volume();
        match served.program {
            Program::Counter => SharedVolume { name, mib: VOLUME_MIB, holds: Holds::Files(fill) },
            Program::Report => {
                let fill = [product::fill_first, product::fill_second][served.number()];
                SharedVolume { name, mib: SERVICE_MIB, holds: Holds::Files(fill) }
            }
            Program::Postgres(_) => {
                let holds = Holds::Files(product::fill_database);
                SharedVolume { name, mib: DATABASE_MIB, holds }
            }
        }
    };
    let ledger = SharedVolume { name: LEDGER, mib: LEDGER_MIB, holds: Holds::Nothing };
    let ledger = (plan.shape == Shape::Pair).then_some(ledger);
    let more = SharedVolume { name: MORE, mib: XFS_MIB, holds: Holds::Xfs };
    let more = (plan.shape == Shape::Full).then_some(more);
    served.iter().map(volume).chain(ledger).chain(more).collect()
}

/// Puts the number on the fresh volume; any user of a host may serve it.
fn fill(dir: &std::path::Path) -> Result<(), Trouble> {
    use std::os::unix::fs::PermissionsExt;
    tsugi_counter::Journal::create(dir).map_err(|error| Trouble::Failed(error.to_string()))?;
    let all = |mode| std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(dir, all(0o777))?;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::set_permissions(entry.path(), all(0o666))?;
        }
    }
    Ok(())
}

/// Shows the end of every host's log: without it a failed rehearsal says little.
pub fn show_logs(site: &Site) {
    for host in &site.hosts {
        let log = host.read(LOG).unwrap_or_else(|trouble| trouble.to_string());
        let from = log.lines().count().saturating_sub(25);
        eprintln!("--- {} (volumes mounted: {:?})", host.name, host.mounted());
        for line in log.lines().skip(from) {
            eprintln!("    {line}");
        }
    }
}
