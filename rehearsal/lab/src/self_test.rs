//! Shows that the lab tells the truth: each fault really happens and each instrument really sees.
//! The product is not needed; a hand moves the address.

use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::Trouble;
use crate::badlink::{Faults, PortId, Segment};
use crate::client::{self, CallEnd, Client, Speaks};
use crate::host::{ALL_LINKS, Host, Order, STATE, data, device};
use crate::kernel::now;
use crate::outage::Outage;
use crate::overlap;
use crate::site::{Holds, SharedVolume, Site};

const ADDRESS: &str = "10.77.1.100";
const PORT: u16 = 9003;
const VOLUME: &str = "counter";
/// A place on the switch without a host.
const GHOST: usize = 201;
const LIMIT: Duration = Duration::from_secs(5);

/// Whether the sample waits for the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sample {
    Sound,
    WithoutSync,
}

struct Bench {
    site: Site,
    client: Client,
    failed: usize,
}

/// Runs every check and says how many failed.
///
/// # Errors
/// A machine on which the lab cannot run.
pub fn run() -> Result<ExitCode, Trouble> {
    let own = std::env::current_exe()?;
    let fill = |dir: &Path| {
        tsugi_counter::Journal::create(dir).map_err(|error| Trouble::Failed(error.to_string()))
    };
    let volume = SharedVolume { name: VOLUME, mib: 48, holds: Holds::Files(fill) };
    let mut site = Site::build(3, std::slice::from_ref(&own), &[volume])?;
    let started = now();
    site.boot_all()?;
    println!("hosts booted in {} ms", (now() - started).as_millis());
    let to = format!("{ADDRESS}:{PORT}").parse().expect("written as an address");
    let client = Client::start(&site.wire, 0, (Speaks::Calls, to))?;
    let mut bench = Bench { site, client, failed: 0 };
    bench.hosts_are_apart()?;
    bench.links_are_cut_and_restored()?;
    bench.what_was_not_flushed_is_gone()?;
    bench.power_loss_loses_no_number()?;
    bench.a_sample_without_fsync_is_caught()?;
    bench.two_holders_are_caught()?;
    bench.a_seed_repeats_a_bad_link();
    bench.a_bad_link_is_felt();
    bench.a_frozen_host_does_nothing()?;
    bench.a_host_that_resets_itself_is_seen()?;
    let failed = bench.failed;
    println!("longest lateness of the recorder {:?}", bench.site.recorder.latest());
    drop(bench);
    println!("checks failed {failed}");
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Bench {
    fn check(&mut self, what: &str, holds: bool) {
        println!("{} {what}", if holds { "ok    " } else { "FAILED" });
        self.failed += usize::from(!holds);
    }

    fn hosts_are_apart(&mut self) -> Result<(), Trouble> {
        for at in 0..self.site.hosts.len() {
            let host = &self.site.hosts[at];
            let name = host.run(&["hostname"], LIMIT)?;
            let links = host.run(&["ip", "-o", "link"], LIMIT)?;
            let first = host.run(&["cat", "/proc/1/cmdline"], LIMIT)?;
            let what = format!("{} has its own name, links and processes", host.name);
            let holds = name.trim() == host.name
                && links.lines().count() == 4
                && first.contains("host-init");
            self.check(&what, holds);
        }
        Ok(())
    }

    /// Serves the number on a host; the hand does what the product will do.
    fn serve(&mut self, at: usize, sample: Sample) -> Result<(), Trouble> {
        let program = std::env::current_exe()?;
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let host = &mut self.site.hosts[at];
        let (source, data) = (device(VOLUME), data(VOLUME));
        host.run(&["mount", "-t", "ext4", &source, &data], LIMIT)?;
        host.run(&["ip", "addr", "add", &format!("{ADDRESS}/24"), "dev", "eth0"], LIMIT)?;
        let mut argv: Vec<String> = [
            &format!("/run/bin/{name}"),
            "sample",
            "counter",
            "--freebind",
            "--listen",
            &format!("0.0.0.0:{PORT}"),
            "--volume",
            &data,
            "--node",
            &host.name,
        ]
        .map(str::to_owned)
        .to_vec();
        if sample == Sample::WithoutSync {
            argv.push("--unsafe-no-fsync".into());
        }
        host.order(&Order::Start { argv, env: Vec::new() })?;
        let id = PortId { host: host.index, link: 0 };
        let mac = [2, 0x77, 0, 0, 0, u8::try_from(host.index).unwrap_or(0)];
        self.site.wire.inject(id, &arp(1, mac, ADDRESS, ADDRESS));
        Ok(())
    }

    fn answers_come_from(&self, node: &str) -> bool {
        let end = now() + LIMIT;
        while now() < end {
            let recent = self.client.calls_since(now().saturating_sub(Duration::from_millis(100)));
            let from_node =
                |end: &CallEnd| matches!(end, CallEnd::Answered { node: from, .. } if from == node);
            if recent.iter().any(|call| from_node(&call.end)) {
                return true;
            }
            thread::sleep(Duration::from_millis(5));
        }
        false
    }

    fn links_are_cut_and_restored(&mut self) -> Result<(), Trouble> {
        self.serve(0, Sample::Sound)?;
        let answers = self.answers_come_from("n1");
        self.check("the client is answered by n1", answers);
        let [first, second, ..] = &self.site.hosts[..] else { return Ok(()) };
        let ask =
            format!("exec 3<>/dev/tcp/{}/{PORT}; echo PING >&3; head -1 <&3", Host::address(1, 2));
        let ask = ["timeout", "1", "bash", "-c", &ask];
        let before = second.run(&ask, LIMIT).is_ok_and(|said| said.starts_with("PONG n1"));
        first.cut(&[2], true);
        let cut = second.run(&ask, LIMIT).is_err();
        let seen = first.run(&["ip", "-o", "link", "show", "eth2"], LIMIT)?;
        first.cut(&[2], false);
        let after = second.run(&ask, LIMIT).is_ok_and(|said| said.starts_with("PONG n1"));
        self.check(
            "a link is cut, its host sees it, and it is restored",
            before && cut && after && seen.contains("NO-CARRIER"),
        );
        Ok(())
    }

    fn what_was_not_flushed_is_gone(&mut self) -> Result<(), Trouble> {
        let host = &mut self.site.hosts[2];
        let script = format!(
            "echo kept > {STATE}/kept; sync {STATE}/kept; sync -f {STATE}; echo gone > {STATE}/gone"
        );
        host.run(&["sh", "-c", &script], LIMIT)?;
        let both = host.run(&["cat", &format!("{STATE}/kept"), &format!("{STATE}/gone")], LIMIT)?;
        host.power_off()?;
        host.boot()?;
        let kept = host.run(&["cat", &format!("{STATE}/kept")], LIMIT);
        let gone = host.run(&["cat", &format!("{STATE}/gone")], LIMIT);
        self.check("a flushed file survives power loss", kept.is_ok_and(|text| text == "kept\n"));
        let lost = both == "kept\ngone\n" && gone.map_or(true, |text| text.is_empty());
        self.check("a file that was not flushed does not", lost);
        Ok(())
    }

    /// Takes the power from the host at `from` and serves on the one at `to`.
    fn lose_power(&mut self, from: usize, to: usize, sample: Sample) -> Result<Outage, Trouble> {
        // The arithmetic looks back one second: the last fault must lie before that.
        thread::sleep(crate::outage::BEFORE + Duration::from_millis(100));
        let fault = self.site.hosts[from].power_off()?;
        self.serve(to, sample)?;
        let name = self.site.hosts[to].name.clone();
        let answers = self.answers_come_from(&name);
        self.check(&format!("{name} serves after a power loss"), answers);
        let since = fault.saturating_sub(crate::outage::BEFORE);
        let open = self.client.settle(since, LIMIT);
        let outage = Outage::of(&self.client.calls_since(since), fault, now(), open.len());
        self.site.hosts[from].boot()?;
        println!("       {outage:?}");
        Ok(outage)
    }

    fn power_loss_loses_no_number(&mut self) -> Result<(), Trouble> {
        let outage = self.lose_power(0, 1, Sample::Sound)?;
        let whole = outage.lost == 0 && outage.doubled == 0 && outage.answered > 0;
        self.check("a power loss loses and doubles no number", whole);
        let moved = outage.from_to == (Some("n1".into()), Some("n2".into()));
        self.check("the outage is seen between the two hosts", moved);
        Ok(())
    }

    fn stop_serving(&mut self, at: usize) -> Result<(), Trouble> {
        let host = &mut self.site.hosts[at];
        host.order(&Order::Stop)?;
        host.run(&["ip", "addr", "del", &format!("{ADDRESS}/24"), "dev", "eth0"], LIMIT)?;
        host.run(&["umount", &data(VOLUME)], LIMIT)?;
        Ok(())
    }

    fn a_sample_without_fsync_is_caught(&mut self) -> Result<(), Trouble> {
        self.stop_serving(1)?;
        self.serve(0, Sample::WithoutSync)?;
        let answers = self.answers_come_from("n1");
        self.check("a sample without fsync serves", answers);
        let outage = self.lose_power(0, 1, Sample::Sound)?;
        self.check("and the numbers it doubled are seen", outage.doubled > 0);
        Ok(())
    }

    fn two_holders_are_caught(&mut self) -> Result<(), Trouble> {
        let address = ADDRESS.parse().expect("written as an address");
        let since = now();
        let one = self.site.wire.instruments().addresses.holders(address);
        self.check("one host holds the address", one == [2]);
        let third = &self.site.hosts[2];
        third.run(&["ip", "addr", "add", &format!("{ADDRESS}/24"), "dev", "eth0"], LIMIT)?;
        let ask = arp(1, [2, 0x77, 0, 0, 0, 0xc8], "10.77.1.200", ADDRESS);
        for _ in 0..2 {
            self.site.wire.inject(PortId { host: client::HOST, link: 0 }, &ask);
            thread::sleep(Duration::from_millis(30));
        }
        third.run(&["ip", "addr", "del", &format!("{ADDRESS}/24"), "dev", "eth0"], LIMIT)?;
        thread::sleep(Duration::from_millis(10));
        let (holdings, claims) = {
            let shared = self.site.wire.instruments();
            let claims = shared.switch.claims_since(since);
            let of_it = claims.into_iter().filter(|claim| claim.address == address);
            (shared.addresses.of(address), of_it.collect::<Vec<_>>())
        };
        let held = overlap::held_twice(&holdings, since, now());
        let claimed = overlap::claimed_twice(&claims, &holdings);
        println!("       held twice {held:?}, claimed twice {claimed:?}");
        self.check("two holders are seen by netlink", held > Duration::from_millis(20));
        self.check("two holders are seen on the wire", claimed > Duration::from_millis(20));
        Ok(())
    }

    /// Sends marked frames into a bad port and looks which arrived.
    fn arrivals(&self, seed: u64) -> Vec<u8> {
        let id = PortId { host: GHOST, link: 0 };
        let since = now();
        let mut shared = self.site.wire.instruments();
        shared.switch.plug(id, Segment::Management);
        let faults = Faults { loss_ppm: 400_000, copy_ppm: 0, ..Faults::default() };
        shared.switch.spoil(id, seed, faults);
        drop(shared);
        for mark in 0..100 {
            let address = format!("10.79.0.{mark}");
            self.site.wire.inject(id, &arp(1, [2, 0x77, 0, 0, 9, mark], &address, &address));
        }
        let mut shared = self.site.wire.instruments();
        shared.switch.unplug(id);
        let claims = shared.switch.claims_since(since).into_iter().filter(|c| c.port == id);
        claims
            .filter_map(|claim| match claim.address {
                std::net::IpAddr::V4(address) => Some(address.octets()[3]),
                std::net::IpAddr::V6(_) => None,
            })
            .collect()
    }

    fn a_seed_repeats_a_bad_link(&mut self) {
        let (first, again, other) = (self.arrivals(7), self.arrivals(7), self.arrivals(8));
        let part = !first.is_empty() && first.len() < 100;
        self.check("a seed loses the same frames again", part && first == again && first != other);
    }

    fn a_bad_link_is_felt(&mut self) {
        let id = PortId { host: client::HOST, link: 0 };
        let delay = Duration::from_millis(30);
        let spoil = |faults| self.site.wire.instruments().switch.spoil(id, 1, faults);
        spoil(Faults { delay, ..Faults::default() });
        let since = now();
        thread::sleep(Duration::from_millis(500));
        spoil(Faults::default());
        let calls = self.client.calls_since(since + Duration::from_millis(100));
        let answered = calls.iter().filter(|call| matches!(call.end, CallEnd::Answered { .. }));
        let quickest = answered.map(|call| call.until - call.from).min().unwrap_or_default();
        // The question and the connection before it both travel the slow way.
        self.check("a slow link makes calls slow", quickest >= delay * 2);
    }

    fn a_frozen_host_does_nothing(&mut self) -> Result<(), Trouble> {
        let since = now();
        self.site
            .wire
            .inject(PortId { host: 2, link: 0 }, &arp(1, [2, 0x77, 0, 0, 0, 2], ADDRESS, ADDRESS));
        let before = self.answers_come_from("n2");
        let host = &mut self.site.hosts[1];
        let frozen = host.freeze()?;
        thread::sleep(Duration::from_millis(700));
        let answered = |call: &client::Call| matches!(call.end, CallEnd::Answered { .. });
        let during = self.client.calls_since(frozen + Duration::from_millis(5));
        let silent = !during.iter().any(answered);
        host.thaw(frozen)?;
        host.cut(&ALL_LINKS, false);
        let after = self.answers_come_from("n2");
        self.check("a frozen host answers nothing and goes on later", before && silent && after);
        let open = self.client.settle(since, LIMIT);
        self.check("calls to a frozen host are answered later", open.is_empty());
        let stopped = self.site.hosts[1].processes();
        let sample = stopped.iter().find(|process| process.argv.contains(&"counter".into()));
        let killed = sample.is_some_and(|process| process.signal(Signal::SIGKILL).is_ok());
        self.check("a process of a host can be found and killed", killed);
        Ok(())
    }
}

impl Bench {
    fn a_host_that_resets_itself_is_seen(&mut self) -> Result<(), Trouble> {
        let address: std::net::IpAddr = ADDRESS.parse().expect("written as an address");
        let held = |bench: &Self| bench.site.wire.instruments().addresses.holders(address);
        let before = held(self);
        // A reset in a pid namespace of its own is the end of its first process.
        let first = nix::unistd::Pid::from_raw(self.site.hosts[1].pid()?);
        nix::sys::signal::kill(first, Signal::SIGKILL).map_err(std::io::Error::from)?;
        let end = now() + LIMIT;
        while self.site.hosts[1].is_on() && now() < end {
            thread::sleep(Duration::from_millis(1));
        }
        let seen = !self.site.hosts[1].is_on() && before == [2] && held(self).is_empty();
        self.check("a host that resets itself is seen, and holds nothing", seen);
        self.site.hosts[1].boot()?;
        let name = self.site.hosts[1].run(&["hostname"], LIMIT)?;
        self.check("and it boots again", name.trim() == "n2");
        Ok(())
    }
}

/// An ARP frame to everybody.
fn arp(operation: u8, mac: [u8; 6], sender: &str, target: &str) -> Vec<u8> {
    let octets = |text: &str| {
        let address: std::net::Ipv4Addr = text.parse().expect("written as an address");
        address.octets()
    };
    let mut frame = vec![0xff; 6];
    frame.extend(mac);
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, operation]);
    frame.extend(mac);
    frame.extend(octets(sender));
    frame.extend([0; 6]);
    frame.extend(octets(target));
    frame
}
