//! Whether DRBD's fencing is a proof here (decision 26): what its owner writes is frozen as soon as
//! the other copy has it not, and goes on only once the ledger was asked.

use super::step::printed;
use super::{fence_peer, step};

/// Whether the resource `name` is configured so, as the kernel has it and as its file says who is
/// asked.
///
/// # Errors
/// What speaks against it, in DRBD's words.
pub(super) fn is_fenced(name: &str) -> Result<(), String> {
    let kernel = printed("drbdsetup", &["show", name, "--show-defaults"])?;
    let file = printed("drbdadm", &["dump", name])?;
    judged(&kernel, &file)
}

/// The value of each statement `key value;`, without its quotes.
fn values<'a>(text: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines().filter_map(move |line| {
        let (found, rest) = line.trim().split_once(char::is_whitespace)?;
        let (value, _) = match rest.trim_start().strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => rest.split_once(';')?,
        };
        (found == key).then(|| value.trim())
    })
}

fn judged(kernel: &str, file: &str) -> Result<(), String> {
    let volumes = kernel.lines().filter(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some("volume") && line.trim_end().ends_with('{')
    });
    // A connection shows the volumes of the other side once more, without their disks.
    let (volumes, disks) = (volumes.count(), values(kernel, "disk").count());
    let fencing: Vec<&str> = values(kernel, "fencing").collect();
    let frozen = fencing.iter().all(|found| *found == "resource-and-stonith");
    if volumes == 0 || fencing.is_empty() || fencing.len() < disks || !frozen {
        return Err(format!("fencing {}", fencing.first().unwrap_or(&"-")));
    }
    match values(kernel, "protocol").next() {
        // It is what DRBD takes where nothing is said.
        None | Some("C") => {}
        Some(other) => return Err(format!("protocol {other}")),
    }
    if values(kernel, "allow-two-primaries").any(|value| value == "yes") {
        return Err("allow-two-primaries yes".to_owned());
    }
    let handlers: Vec<&str> = values(file, "fence-peer").collect();
    let ours = |handler: &&str| {
        let words: Vec<&str> = handler.split_whitespace().collect();
        let [program, word, of] = words.as_slice() else { return false };
        let named = program.starts_with('/') && program.rsplit('/').next() == Some("tsugi");
        named && (*word, *of) == (step::WORD, fence_peer::WORD)
    };
    match handlers.as_slice() {
        [] => Err("fence-peer -".to_owned()),
        all => match all.iter().find(|handler| !ours(handler)) {
            None => Ok(()),
            Some(other) => Err(format!("fence-peer \"{other}\"")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As DRBD 8.4 of Linux 6.1 shows it.
    const KERNEL: &str = "resource r0 {
    net {
        protocol             C;
        allow-two-primaries no;
    }
    _remote_host {
        address              ipv4 10.9.0.2:7789;
    }
    _this_host {
        address              ipv4 10.9.0.1:7789;
        volume 0 {
            device           minor 0;
            disk             \"/dev/vdb\";
            meta-disk        internal;
            disk {
                fencing              resource-and-stonith;
            }
        }
    }
}
";
    const FILE: &str = "resource r0 {
    disk {
        fencing          resource-and-stonith;
    }
    handlers {
        fence-peer       \"/usr/bin/tsugi mirroring fence-peer\";
    }
}
";

    #[test]
    fn fencing_is_a_proof_only_where_everything_of_it_is_configured() {
        assert_eq!(judged(KERNEL, FILE), Ok(()));
        for (good, bad) in [
            ("resource-and-stonith", "resource-only"),
            ("resource-and-stonith", "dont-care"),
            ("fencing              resource-and-stonith;", ""),
            ("             C;", "             A;"),
            ("two-primaries no", "two-primaries yes"),
        ] {
            assert!(judged(&KERNEL.replace(good, bad), FILE).is_err(), "{bad}");
        }
        for bad in [
            "/usr/lib/drbd/crm-fence-peer.sh",
            "/bin/true",
            "tsugi mirroring fence-peer",
            "/usr/bin/tsugi mirroring fence-peer; exit 4",
            "/usr/bin/tsugi mirroring fence-peer || exit 7",
        ] {
            let file = FILE.replace("/usr/bin/tsugi mirroring fence-peer", bad);
            assert!(judged(KERNEL, &file).is_err(), "{bad}");
        }
        assert!(judged(KERNEL, "resource r0 {\n}\n").is_err(), "nobody is asked");
        assert!(judged("", FILE).is_err(), "it is not up");
    }
}
