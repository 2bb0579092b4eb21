//! What is otherwise on a site of loopback addresses and of one folder than on the machines of
//! the guides, and back.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use crate::site::Site;

/// Stands for the program of the group: a counter that is asked for numbers, as long as the file
/// `broken` is not there.
const SERVER: &str = r#"#!/bin/sh
PATH=/usr/local/bin:/usr/bin:/bin
if [ -e /opt/pay/broken ]; then
    echo "rates.cfg: no rate for EUR" >&2
    exit 1
fi
exec tsugi sample counter --listen 10.0.1.100:9003 --volume /data/pay --create --patience 30
"#;

/// Stands for whatever a page starts beside it.
const PROGRAM: &str = "#!/bin/sh\n[ \"$1\" = status ] || exec sleep 100000\n";

/// Stands for a fence agent: a node's device says off once the node is off.
const FENCE: &str = r#"#!/bin/sh
while read -r line; do
    case "$line" in
    action=*) action=${line#action=} ;;
    nodename=*) node=${line#nodename=} ;;
    esac
done
[ -e /opt/fence/broken ] && { echo "no answer from its network" >&2; exit 1; }
case "$action" in
status | monitor) [ -e "/opt/fence/off-$node" ] && exit 2 ;;
off) [ -e "/opt/fence/off-$node" ] || exit 1 ;;
*) exit 1 ;;
esac
exit 0
"#;

/// Puts words of the guides and words of a site for each other.
pub struct Place {
    pairs: Vec<(String, String)>,
}

impl Place {
    /// What stands on a site for what stands in the guides.
    pub fn of(site: &Site) -> Self {
        let net = site.net();
        let here = site.path("");
        let here = here.to_str().expect("plain").trim_end_matches('/').to_owned();
        let mut pairs: Vec<(String, String)> = [
            // The order is that of the way back: what is longer goes first.
            ("10.0.1.100/24", format!("{net}.100/32")),
            ("10.0.1.101/24", format!("{net}.101/32")),
            ("10.0.1.100", format!("{net}.100")),
            ("10.0.1.101", format!("{net}.101")),
            ("10.0.2.", format!("{net}.1")),
            ("10.0.9.9", format!("{net}.9")),
            ("10.0.1.", format!("{net}.")),
            ("on = [\"eth0\"]", "on = []".to_owned()),
            // Without a disk that two machines share it is a folder that all of them reach.
            ("source = \"/dev/vg1/pay\"\n", String::new()),
            ("\"fence_ipmilan\"", format!("\"{here}/opt/fence/agent\"")),
        ]
        .map(|(guide, site)| (guide.to_owned(), site))
        .into();
        for root in [
            "/opt/",
            "/data/",
            "/root/",
            "/var/backups/",
            "/usr/local/bin",
            "/etc/systemd/",
            "/etc/default/",
        ] {
            pairs.push((root.to_owned(), format!("{here}{root}")));
        }
        pairs.push(("/etc/tsugi/".to_owned(), format!("{here}/")));
        Self { pairs }
    }

    /// What a page says, for the site.
    pub fn there(&self, text: &str) -> String {
        // Each place is replaced once: what was put there is not looked at again.
        let mut out = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let fits = |(guide, _): &&(String, String)| rest.starts_with(guide.as_str());
            match self.pairs.iter().find(fits) {
                Some((guide, site)) => {
                    out += site;
                    rest = rest.strip_prefix(guide.as_str()).expect("it begins so");
                }
                None => {
                    out.push(first);
                    rest = rest.strip_prefix(first).expect("it begins so");
                }
            }
        }
        out
    }

    /// What the site says, as the guides would.
    pub fn back(&self, text: &str) -> String {
        let said = self.pairs.iter().filter(|(_, site)| !site.is_empty());
        said.fold(text.to_owned(), |text, (guide, site)| match guide.as_str() {
            // `.1` of the second network may be the beginning of `.1` of the first.
            "10.0.2." => (1..=3).fold(text, |text, host| {
                text.replace(&format!("{site}{host}"), &format!("{guide}{host}"))
            }),
            _ => text.replace(site, guide),
        })
    }

    /// Writes a file of a page to where it stands on the site.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.there(path);
        let path = Path::new(&path);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder");
        fs::write(path, self.there(text)).expect("a file");
        if text.starts_with("#!") {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it is ours");
        }
    }

    /// Removes a file of a page.
    pub fn remove(&self, path: &str) {
        fs::remove_file(self.there(path)).expect("it is there");
    }

    /// What the machines have before anything begins.
    pub fn furnish(&self) {
        for folder in ["/data/pay", "/root/", "/var/backups/", "/usr/local/bin"] {
            fs::create_dir_all(self.there(folder)).expect("a folder");
        }
        let tsugi = self.there("/usr/local/bin/tsugi");
        symlink(env!("CARGO_BIN_EXE_tsugi"), tsugi).expect("a link");
        self.write("/opt/pay/bin/server", SERVER);
        for program in ["/opt/tusin/bin/tusinap", "/opt/hulft/bin/hulftd"] {
            self.write(program, PROGRAM);
        }
        self.write("/opt/fence/agent", FENCE);
        for node in ["node1", "node2"] {
            let secret = format!("/etc/tsugi/pki/bmc-{node}");
            self.write(&secret, "xyzzy-5\n");
            let mode = fs::Permissions::from_mode(0o600);
            fs::set_permissions(self.there(&secret), mode).expect("it is ours");
        }
    }
}
