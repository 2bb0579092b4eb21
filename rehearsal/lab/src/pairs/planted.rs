//! What the lab leaves on a host on purpose, to see that each is found: a sweep that finds nothing
//! of it would find nothing of the product's either.

use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::leftovers::{Sweep, What};
use crate::Trouble;
use crate::host::{Host, data, directories};
use crate::judged;
use crate::kernel::now;
use crate::product::Served;
use crate::stage::Stage;

const LIMIT: Duration = Duration::from_secs(5);
/// What is planted has this in its name, where it has one.
const MARK: &str = "planted";

/// One thing that is left on a host, and how it is taken away again.
struct Plant {
    what: What,
    /// What the sweep must name.
    named: &'static str,
    plant: &'static str,
    /// The command line of a process that is to be ended, and what removes the rest.
    remove: (Option<&'static str>, &'static str),
}

/// `CGROUP`, `ADDRESS`, `VOLUME`, `GROUP` and `PORT` stand for those of the host and the group.
const PLANTS: [Plant; 10] = [
    Plant {
        what: What::Process,
        named: "sleep 7001",
        plant: "setsid sleep 7001 </dev/null >/dev/null 2>&1 &",
        remove: (Some("sleep 7001"), "true"),
    },
    Plant {
        what: What::Process,
        named: "GROUP/p99",
        plant: "mkdir -p CGROUP/GROUP/p99; setsid sh -c 'echo $$ > CGROUP/GROUP/p99/cgroup.procs; \
                exec sleep 7002' </dev/null >/dev/null 2>&1 &",
        remove: (Some("sleep 7002"), "rmdir CGROUP/GROUP/p99 CGROUP/GROUP"),
    },
    Plant {
        what: What::Cgroup,
        named: "GROUP/p98",
        plant: "mkdir -p CGROUP/GROUP/p98",
        remove: (None, "rmdir CGROUP/GROUP/p98"),
    },
    Plant {
        what: What::Namespace,
        named: "sleep 7003",
        plant: "setsid unshare --net sleep 7003 </dev/null >/dev/null 2>&1 &",
        remove: (Some("sleep 7003"), "true"),
    },
    Plant {
        what: What::Mount,
        named: "VOLUME tmpfs",
        plant: "mount -t tmpfs planted VOLUME",
        remove: (None, "umount VOLUME"),
    },
    Plant {
        what: What::Link,
        named: MARK,
        plant: "ip link add planted type veth peer name planted2",
        remove: (None, "ip link del planted"),
    },
    Plant {
        what: What::Loop,
        named: MARK,
        plant: "head -c 65536 /dev/zero > /run/planted.img; losetup --find /run/planted.img",
        remove: (
            None,
            "losetup --detach $(losetup --noheadings --output NAME --associated /run/planted.img); \
             rm /run/planted.img",
        ),
    },
    Plant {
        what: What::Socket,
        named: ":PORT",
        plant: "setsid /run/bin/lab beside 127.0.0.1:PORT </dev/null >/dev/null 2>&1 &",
        remove: (Some("beside 127.0.0.1:PORT"), "true"),
    },
    Plant {
        what: What::RunFolder,
        named: "GROUP/e0.0-7",
        plant: "mkdir -p /run/tsugi/agent/runs/GROUP/e0.0-7",
        remove: (None, "rmdir /run/tsugi/agent/runs/GROUP/e0.0-7"),
    },
    Plant {
        what: What::File,
        named: "/tmp/planted",
        plant: "touch /tmp/planted",
        remove: (None, "rm /tmp/planted"),
    },
];

/// How many of the planted things were found, of how many, and what was not.
#[derive(Debug, Default)]
pub struct Found {
    /// Found.
    pub found: usize,
    /// Planted.
    pub of: usize,
    /// What was not found, or could not be taken away.
    pub wrong: Vec<String>,
}

impl Found {
    fn note(&mut self, name: &str, is_found: bool) {
        self.of += 1;
        self.found += usize::from(is_found);
        if !is_found {
            self.wrong.push(format!("planted, and not found: {name}"));
        }
    }
}

/// Leaves each thing where nothing accounts for it, and a second run of the group; looks whether
/// each is found, takes it away, and looks whether that is seen too.
///
/// # Errors
/// What could not be planted.
pub fn look(stage: &mut Stage, sweep: &Sweep) -> Result<Found, Trouble> {
    let status = stage.wait_whole()?;
    let owner = stage.owner(&status)?;
    let other = (owner + 1) % stage.site.hosts.len();
    let mut found = Found::default();
    // Who owns nothing clears the folders of former runs away by himself.
    let place = |plant: &Plant| if plant.what == What::RunFolder { owner } else { other };
    for plant in &PLANTS {
        run(stage, place(plant), plant.plant)?;
    }
    let left = sweep.left(stage)?;
    for plant in &PLANTS {
        let named = words(&stage.site.hosts[other], stage.served(), plant.named);
        let name = format!("{:?} {named}", plant.what);
        found.note(&name, left.iter().any(|l| l.what == plant.what && l.name.contains(&named)));
    }
    for plant in PLANTS.iter().rev() {
        let (process, rest) = plant.remove;
        process.map_or(Ok(()), |line| end(stage, place(plant), line))?;
        run(stage, place(plant), rest)?;
    }
    doubled_run(stage, (other, sweep), &mut found)?;
    let after = sweep.left(stage)?;
    found.wrong.extend(after.iter().map(|left| format!("was to be taken away: {left}")));
    Ok(found)
}

/// A second run of the group: its address is held and its program serves where it should not, from
/// a number of its own.
fn doubled_run(
    stage: &mut Stage,
    (other, sweep): (usize, &Sweep),
    found: &mut Found,
) -> Result<(), Trouble> {
    let since = now();
    let address = stage.served().addresses[0];
    let length = if address.is_ipv4() { 24 } else { 64 };
    let begin = format!("ip addr add {address}/{length} dev eth1");
    let serve = format!(
        "mkdir -p /tmp/second; setsid /run/bin/tsugi sample counter --create --freebind --listen \
         {address}:PORT --volume /tmp/second --node second </dev/null >/dev/null 2>&1 &"
    );
    run(stage, other, &begin)?;
    run(stage, other, &serve)?;
    let left = sweep.left(stage)?;
    let (twice, told) = judged::held_twice(stage, since);
    let says = |what: What, name: &str| {
        left.iter().any(|left| left.what == what && left.name.contains(name))
    };
    found.note("an address that two hosts have", !twice.is_zero() && told.is_some());
    found.note("that address by the sweep", says(What::Address, &address.to_string()));
    found.note("a program that runs twice", says(What::Process, "sample counter"));
    end(stage, other, "--node second")?;
    run(stage, other, "rm -r /tmp/second")?;
    run(stage, other, &begin.replace(" add ", " del "))?;
    let since = now();
    stage.wait_whole()?;
    stage.forget(since);
    stage.site.wire.instruments().switch.forget(since);
    Ok(())
}

fn run(stage: &Stage, at: usize, line: &str) -> Result<(), Trouble> {
    let host = &stage.site.hosts[at];
    host.run(&["sh", "-c", &words(host, stage.served(), line)], LIMIT).map(drop)
}

/// Ends the processes of a host with this in their command line.
fn end(stage: &Stage, at: usize, line: &str) -> Result<(), Trouble> {
    let host = &stage.site.hosts[at];
    let line = words(host, stage.served(), line);
    let all = host.processes().into_iter();
    for process in all.filter(|process| process.argv.join(" ").contains(&line)) {
        process.signal(Signal::SIGKILL)?;
        let until = now() + LIMIT;
        while process.runs() && now() < until {
            thread::sleep(Duration::from_millis(5));
        }
    }
    Ok(())
}

/// A line with the names of the host and of the group.
fn words(host: &Host, served: &Served, line: &str) -> String {
    let own = directories(host.cgroup()).into_iter().find_map(|dir| {
        let name = dir.file_name()?.to_str()?.to_owned();
        (dir.parent() == Some(host.cgroup()) && name.starts_with("tsugi-")).then_some(name)
    });
    let cgroup = format!("/sys/fs/cgroup/{}", own.unwrap_or_else(|| "tsugi-none".to_owned()));
    line.replace("CGROUP", &cgroup)
        .replace("VOLUME", &data(served.volume()))
        .replace("GROUP", served.group)
        .replace("PORT", &served.port.to_string())
}
