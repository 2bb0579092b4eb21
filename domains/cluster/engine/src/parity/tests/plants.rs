//! The differences, each planted alone on the node that stands by.

use super::*;

/// What is done to a machine, and what has to be named for it.
type Plant = (&'static str, fn(&mut Site));

/// Programs, files, agents, users.
const FILES: [Plant; 17] = [
    ("program:/opt/start (pay)", |s| s.remove("/opt/start")),
    ("program:/opt/stop (pay)", |s| s.write("/opt/stop", "#!/bin/sh\n", 0o644)),
    ("program:/opt/start (pay)", |s| s.write("/opt/start", "#!/bin/sh\nexit 0\n", 0o755)),
    ("program:/opt/start (pay)", |s| s.write("/opt/start", "#!/bin/sh\n", 0o775)),
    ("program:/opt/ask (pay)", |s| s.write("/opt/ask", "#!/bin/sh\n\n", 0o755)),
    ("file:/etc/table", |s| s.remove("/etc/table")),
    ("file:/etc/table", |s| s.write("/etc/table", "1,2,4\n", 0o644)),
    ("file:/etc/table", |s| s.write("/etc/table", "1,2,3\n", 0o640)),
    ("agent:ocf:heartbeat:pgsql", |s| s.remove("/usr/lib/ocf/resource.d/heartbeat/pgsql")),
    ("agent:ocf:heartbeat:pgsql", |s| {
        s.write("/usr/lib/ocf/resource.d/heartbeat/pgsql", "#!/bin/sh\n# 4.13\n", 0o755);
    }),
    ("fence:fence_site", |s| s.remove("/usr/sbin/fence_site")),
    ("fence:fence_site", |s| s.write("/usr/sbin/fence_site", "#!/bin/sh\n# 2\n", 0o755)),
    ("secret:/etc/bmc", |s| s.remove("/etc/bmc")),
    ("secret:/etc/bmc", |s| s.write("/etc/bmc", "secret", 0o644)),
    ("user:pay", |s| s.write("/etc/passwd", "", 0o644)),
    ("user:pay", |s| s.write("/etc/passwd", "pay 501 600 payers\n", 0o644)),
    ("user:pay", |s| s.write("/etc/passwd", "pay 500 601 payers\n", 0o644)),
];

/// Volumes, room and links.
const PLACES: [Plant; 14] = [
    ("device:/srv/pay.img", |s| s.remove("/srv/pay.img")),
    ("device:/srv/pay.img", |s| s.write("/srv/pay.img", "00000000", 0o600)),
    ("device:/srv/pay.img", |s| s.write("/sys/dev/block/8:1/device/wwid", "naa.5002\n", 0o444)),
    ("device:/srv/pay.img", |s| {
        s.mounted("41 21 0:44 / /srv rw - nfs4 other:/export rw");
    }),
    ("mount:/data", |s| fs::remove_dir(s.path("/data")).unwrap()),
    ("mount:/data", |s| s.write("/data/forgotten", "1", 0o644)),
    ("mount:/data", |s| {
        s.write("/sys/block/loop3/loop/backing_file", "/srv/pay.img\n", 0o444);
        s.mounted("40 21 7:3 / /mnt rw - ext4 /dev/loop3 rw");
    }),
    ("mount:/data", |s| s.mounted("40 21 8:2 / /data rw - ext4 /dev/sdb1 rw")),
    ("shared:/share", |s| {
        s.remove("/share/free");
        fs::remove_dir(s.path("/share")).unwrap();
        s.write("/share", "", 0o644);
    }),
    ("space:/share", |s| s.write("/share/free", "4", 0o644)),
    ("space:tsugi-data", |s| s.write("/var/lib/tsugi/free", "4", 0o644)),
    ("space:tsugi-runs", |s| s.write("/run/tsugi/free", "0", 0o644)),
    ("link:eth0", |s| s.own.links.clear()),
    ("link:eth0", |s| *s.own.links.get_mut("eth0").unwrap() = LinkState::Down),
];

/// Limits, tools, packages, units and the machine itself.
const MACHINE: [Plant; 20] = [
    ("limit:nofile", |s| s.limit("1024", "1000")),
    ("limit:nproc", |s| s.limit("31000                31000", "31000                4096")),
    ("limit:memlock", |s| s.limit("memory         8388608", "memory         65536")),
    ("limit:rtprio", |s| s.limit("priority     50", "priority     0")),
    ("limit:stack", |s| s.limit("unlimited", "8388608")),
    ("tool:/sbin/e2fsck", |s| s.remove("/sbin/e2fsck")),
    ("tool:/sbin/xfs_repair", |s| s.write("/sbin/xfs_repair", "6.3", 0o755)),
    ("package:e2fsprogs", |s| s.package("e2fsprogs", Some("1.46.2-2"))),
    ("package:resource-agents", |s| s.package("resource-agents", Some("1:4.13.0-1"))),
    ("package:fence-agents", |s| s.package("fence-agents", None)),
    ("unit:pay.service", |s| s.write("/etc/systemd/system/pay.service", "[Unit]\n", 0o644)),
    ("fence-device:node1", |s| {
        s.own.devices.insert(node("node1"), Device::Untested);
    }),
    ("fence-device:node1", |s| {
        s.own.devices.insert(node("node1"), Device::Fails(FenceFault::Flooded));
    }),
    ("certificate:authority", |s| s.own.authority = "cd34".to_owned()),
    ("certificate:node", |s| s.own.certificate_until = Some(Wall(AT.0 + 3 * DAY_MS))),
    ("clock:synchronised", |s| s.remove("/etc/on-time")),
    ("clock:time", |s| s.ahead_ms = -1_500),
    ("kernel:cgroup2", |s| {
        s.write("/proc/self/mountinfo", "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n", 0o644);
    }),
    ("kernel:release", |s| s.write("/proc/sys/kernel/osrelease", "6.1.0-21-amd64\n", 0o644)),
    ("self-fence:node", |s| s.own.self_fence = "none".to_owned()),
];

/// A unit that is a resource.
const UNITS: [Plant; 8] = [
    ("own-unit:queue@1.service", |s| s.remove("/usr/lib/systemd/system/queue@.service")),
    ("own-unit:queue@1.service", |s| {
        s.write("/usr/lib/systemd/system/queue@.service", "[Unit]\n", 0o644);
    }),
    ("own-unit:queue@1.service", |s| s.link("/dev/null", "/etc/systemd/system/queue@1.service")),
    ("own-unit:queue@1.service", |s| s.write("/run/systemd/system/queue@1.service", "", 0o644)),
    ("own-unit:queue@1.service", |s| {
        s.link(
            "/usr/lib/systemd/system/queue@.service",
            "/etc/systemd/system/multi-user.target.wants/queue@1.service",
        );
    }),
    ("own-unit:queue@1.service", |s| {
        s.link("/nowhere", "/run/systemd/generator/queue.service.requires/queue@1.service");
    }),
    ("own-unit:queue@1.service", |s| {
        s.link("/nowhere", "/etc/systemd/system/sockets.target.wants/queue@1.socket");
    }),
    ("own-unit:queue@1.service", |s| {
        s.link("0123456789abcdef", "/run/systemd/units/invocation:queue@1.service");
    }),
];

#[test]
fn a_unit_that_runs_is_enabled_or_is_masked_under_another_of_its_names_is_named() {
    let plants: [fn(&mut Site); 3] = [
        |s| s.link("0123456789abcdef", "/run/systemd/units/invocation:jobs@1.service"),
        |s| s.link("/nowhere", "/etc/systemd/system/multi-user.target.wants/jobs@1.service"),
        |s| s.link("/dev/null", "/etc/systemd/system/jobs@1.service"),
    ];
    for plant in plants {
        let (one, mut two) = pair();
        for site in [&one, &two] {
            site.remove("/usr/lib/systemd/system/queue@.service");
            site.write("/usr/lib/systemd/system/jobs@.service", "[Service]\n", 0o644);
            site.link("jobs@.service", "/usr/lib/systemd/system/queue@.service");
        }
        assert_eq!(judged(&one, &two)[1].gaps, []);
        plant(&mut two);
        let [_, standby] = judged(&one, &two);
        let items: Vec<&str> = standby.gaps.iter().map(|gap| gap.item.as_str()).collect();
        assert_eq!(items, ["own-unit:queue@1.service"]);
    }
}

const VERSIONS: [Plant; 2] = [
    ("version:tsugi", |s| s.own.version = "0.1.1 x86_64".to_owned()),
    ("zone:localtime", |s| s.write("/etc/localtime", "UTC0", 0o644)),
];

#[test]
fn every_difference_that_is_planted_on_the_node_that_stands_by_is_named_and_nothing_else() {
    let all: Vec<Plant> =
        FILES.into_iter().chain(PLACES).chain(MACHINE).chain(UNITS).chain(VERSIONS).collect();
    let mut named = 0;
    for (at, (item, plant)) in all.into_iter().enumerate() {
        let (one, mut two) = pair();
        plant(&mut two);
        let [owner, standby] = judged(&one, &two);
        assert_eq!(owner.gaps, [], "{at} {item}: the owner is as it was");
        assert_eq!(standby.against, Some(node("node1")));
        let items: Vec<&str> = standby.gaps.iter().map(|gap| gap.item.as_str()).collect();
        assert_eq!(items, [item], "{at}: {:?}", standby.gaps);
        assert_ne!(could(&standby.gaps), Could::Yes, "{at} {item}");
        let told = message(&standby.gaps[0], (&standby.node, &node("node1")));
        let text = told.line(tsugi_messages::Language::En);
        assert!(text.contains("PAY") && text.contains("node2"), "{text}");
        named += 1;
    }
    assert_eq!(named, 61);
}

/// What the owner lacks is named for the owner only.
const LACKING: [Plant; 12] = [
    ("program:/opt/start (pay)", |s| s.remove("/opt/start")),
    ("program:/opt/stop (pay)", |s| s.write("/opt/stop", "#!/bin/sh\n", 0o644)),
    ("file:/etc/table", |s| s.remove("/etc/table")),
    ("fence:fence_site", |s| s.remove("/usr/sbin/fence_site")),
    ("secret:/etc/bmc", |s| s.remove("/etc/bmc")),
    ("space:tsugi-data", |s| s.write("/var/lib/tsugi/free", "4", 0o644)),
    ("link:eth0", |s| *s.own.links.get_mut("eth0").unwrap() = LinkState::Down),
    ("tool:/sbin/e2fsck", |s| s.remove("/sbin/e2fsck")),
    ("package:fence-agents", |s| s.package("fence-agents", None)),
    ("fence-device:node2", |s| {
        s.own.devices.insert(node("node2"), Device::Untested);
    }),
    ("fence-device:node2", |s| {
        s.own.devices.insert(node("node2"), Device::Fails(FenceFault::Flooded));
    }),
    ("certificate:node", |s| s.own.certificate_until = Some(Wall(AT.0 + 3 * DAY_MS))),
];

/// What the owner only has otherwise is named for the node that would take the group.
const OTHERWISE: [Plant; 4] = [
    ("file:/etc/table", |s| s.write("/etc/table", "1,2,4\n", 0o644)),
    ("limit:nofile", |s| s.limit("1024", "1000")),
    ("kernel:release", |s| s.write("/proc/sys/kernel/osrelease", "6.1.0-21-amd64\n", 0o644)),
    ("clock:time", |s| s.ahead_ms = 1_500),
];

#[test]
fn what_is_planted_where_the_group_runs_is_named_for_the_node_whose_fault_it_is() {
    let named = |verdict: &Verdict| -> Vec<String> {
        verdict.gaps.iter().map(|gap| gap.item.clone()).collect()
    };
    let planted = |plant: fn(&mut Site)| {
        let (mut one, two) = pair();
        plant(&mut one);
        let [owner, standby] = judged(&one, &two);
        let known = [&owner, &standby].map(|verdict| could(&verdict.gaps));
        (named(&owner), named(&standby), known)
    };
    for (item, plant) in LACKING {
        let (owner, standby, _) = planted(plant);
        assert_eq!((owner, standby), (vec![item.to_owned()], vec![]));
    }
    for (item, plant) in OTHERWISE {
        let (owner, standby, _) = planted(plant);
        assert_eq!((owner, standby), (vec![], vec![item.to_owned()]));
    }
    let (item, unreadable) = PLACES[8];
    let (owner, standby, known) = planted(unreadable);
    assert_eq!((owner, standby), (vec![item.to_owned()], vec![item.to_owned()]));
    assert_eq!(known, [Could::Unknown, Could::Unknown], "nobody could compare it");
}
