//! `[node.NAME] fence = { agent = "fence_ipmilan", … }`: what switches the node off.

use std::collections::BTreeMap;

use tsugi_cluster_rules::spec::FenceDevice;
use tsugi_vocabulary::Span;

use super::page::{Given, Page};
use super::problem::Wrong;

const EXAMPLE: &str = r#"fence = { agent = "fence_ipmilan", ip = "192.168.11.151" }"#;
const AGENT_EXAMPLE: &str = r#""fence_ipmilan", "/opt/site/sbin/fence_rack""#;
const SECRET_EXAMPLE: &str = r#""file:/etc/tsugi/pki/bmc1""#;
const OPTION_EXAMPLE: &str = r#"ip = "192.168.11.151""#;
/// What this file says of the device; everything else is an option of the agent.
const OWN: [&str; 4] = ["agent", "secret", "limit", "every"];
/// Options that are never the file's: they are given with each order.
const GIVEN: [&str; 3] = ["action", "option", "nodename"];
/// The longest option: all of them go into a pipe that nobody reads yet.
const LONGEST: usize = 512;
const MOST: usize = 64;

/// The device of a node, if the file names one; what is wrong with it is noted.
pub(super) fn read(node: &Page<'_>) -> Option<FenceDevice> {
    if !node.has("fence") {
        return None;
    }
    let page = node.page("fence")?;
    let options = options(&page);
    let secret = secret(&page);
    let limit = page.span_of_time("limit", Span::secs(20));
    let every = page.span_of_time("every", Span::secs(3600));
    Some(FenceDevice { agent: agent(&page)?, options, secret, limit, every })
}

/// A name is looked for where programs of root are; a path must say where it begins.
fn agent(page: &Page<'_>) -> Option<String> {
    let Some(given) = page.text("agent", AGENT_EXAMPLE) else {
        if !page.has("agent") {
            page.missing("agent", EXAMPLE);
        }
        return None;
    };
    let named = given.value.starts_with("fence_") && !given.value.contains('/');
    if named || given.value.starts_with('/') {
        return Some(given.value);
    }
    page.wrong(&given.span, "agent", AGENT_EXAMPLE);
    None
}

fn secret(page: &Page<'_>) -> Option<String> {
    let given = page.text("secret", SECRET_EXAMPLE)?;
    match given.value.strip_prefix("file:") {
        Some(path) if path.starts_with('/') => Some(path.to_owned()),
        Some(_) | None => {
            // Whoever writes the password itself here is not told it again.
            page.note(&given.span, Wrong::OpenPassword("secret".to_owned()));
            None
        }
    }
}

fn options(page: &Page<'_>) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    for key in page.keys().into_iter().filter(|key| !OWN.contains(&key.value.as_str())) {
        if is_password(&key.value) {
            page.note(&key.span, Wrong::OpenPassword(key.value));
            continue;
        }
        let Some(Given { value, span }) = page.word(&key.value) else { continue };
        let letters = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let name = key.value.chars().all(letters) && !GIVEN.contains(&key.value.as_str());
        let line = !value.contains(['\n', '\r', '\0']) && value.len() <= LONGEST;
        if !name || !line || out.len() == MOST {
            page.wrong(if name { &span } else { &key.span }, &key.value, OPTION_EXAMPLE);
            continue;
        }
        out.insert(key.value, value);
    }
    out
}

/// A program that prints the password is none.
fn is_password(key: &str) -> bool {
    key.contains("passw") && !key.ends_with("_script")
}

#[cfg(test)]
mod tests {
    use tsugi_messages::Language;
    use tsugi_vocabulary::NodeName;

    use super::*;

    const REST: &str = "\n[witness]\naddress = \"10.0.9.9\"\n[node.b]\naddress = \"10.0.1.2\"\n";

    fn text(fence: &str) -> String {
        let head = "[cluster]\nname = \"kessai\"\n[node.a]\naddress = \"10.0.1.1\"\n";
        format!("{head}fence = {fence}{REST}")
    }

    fn device(fence: &str) -> FenceDevice {
        let read = super::super::read(&text(fence)).unwrap();
        read.spec.nodes[&NodeName::new("a").unwrap()].fence.clone().unwrap()
    }

    fn said(fence: &str) -> Vec<String> {
        let text = text(fence);
        let problems = super::super::read(&text).unwrap_err();
        problems.iter().map(|p| p.show("tsugi.toml", &text, Language::En)).collect()
    }

    #[test]
    fn all_that_is_not_the_files_own_is_an_option_of_the_agent() {
        let whole = r#"{ agent = "fence_ipmilan", ip = "192.0.2.1", lanplus = true, ipport = 623,
            secret = "file:/etc/tsugi/pki/bmc1", limit = "5s", every = "10m" }"#;
        let read = device(&whole.replace('\n', ""));
        let options = [("ip", "192.0.2.1"), ("lanplus", "1"), ("ipport", "623")];
        let options = options.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!((read.agent.as_str(), read.options), ("fence_ipmilan", options.into()));
        assert_eq!(read.secret.as_deref(), Some("/etc/tsugi/pki/bmc1"));
        assert_eq!((read.limit, read.every), (Span::secs(5), Span::secs(600)));
        let least = device(r#"{ agent = "/opt/fence_site" }"#);
        assert_eq!((least.secret, least.limit), (None, Span::secs(20)));
    }

    #[test]
    fn a_password_in_the_file_is_refused_and_not_told_again() {
        for open in [
            r#"{ agent = "fence_x", password = "xyzzy" }"#,
            r#"{ agent = "fence_x", passwd = "xyzzy" }"#,
            r#"{ agent = "fence_x", snmp_priv_passwd = "xyzzy" }"#,
            r#"{ agent = "fence_x", secret = "xyzzy" }"#,
        ] {
            let said = said(open);
            assert_eq!(said.len(), 1, "{said:?}");
            assert!(said[0].contains("TSUG10640-E") && !said[0].contains("xyzzy"), "{said:?}");
        }
        let script = device(r#"{ agent = "fence_x", password_script = "/opt/ask" }"#);
        assert!(script.options.contains_key("password_script"), "a program is no password");
    }

    #[test]
    fn what_a_fence_agent_could_not_be_told_is_refused() {
        for wrong in [
            r#"{ ip = "192.0.2.1" }"#,
            r#"{ agent = "rm" }"#,
            r#"{ agent = "fence_x/../rm" }"#,
            r#"{ agent = "fence_x", action = "on" }"#,
            r#"{ agent = "fence_x", nodename = "b" }"#,
            r#"{ agent = "fence_x", "a=b" = "c" }"#,
            r#"{ agent = "fence_x", ip = "one\ntwo" }"#,
            r#"{ agent = "fence_x", ip = ["192.0.2.1"] }"#,
            r#"{ agent = "fence_x", limit = "soon" }"#,
            r#""fence_x""#,
        ] {
            assert_eq!(said(wrong).len(), 1, "{wrong}: {:?}", said(wrong));
        }
    }
}
