//! The package of a service: deployed once, on the volume, and run by whichever node has that.

use std::time::Duration;

use serde_json::Value;

use crate::Trouble;
use crate::host::{Host, data};
use crate::product::{Status, copies_of};
use crate::stage::Stage;

/// How long a host may take to look.
const LIMIT: Duration = Duration::from_secs(10);
/// Where a node keeps what is its own, and what a daemon might put aside.
const OWN: &str = "/var/lib /run /tmp";
/// What a host's `/var/lib` is made of.
const LAYERS: &str = "/run/over";

/// What a volume has of packages: name, id, what it stands as and its services, of each.
///
/// # Errors
/// The product refuses to tell.
pub fn listed(stage: &Stage, owner: usize) -> Result<Value, Trouble> {
    let words = ["service", "packages", "--json", "--volume"];
    let volume = data(stage.served().volume());
    let host = &stage.site.hosts[owner];
    let told = stage.product.answer(host, &[&words[..], &[volume.as_str()]].concat())?;
    let told: Value = serde_json::from_str(&told)
        .map_err(|why| Trouble::Failed(format!("packages of {}: {why}: {told}", host.name)))?;
    Ok(told["packages"].clone())
}

/// What is not as it must be: the new owner runs the package that the former had, as it was
/// deployed, and nothing of it is left where the volume is not. Where nobody has looked before,
/// nothing is compared.
#[must_use]
pub fn unlike(stage: &Stage, before: &Value, (old, after): (usize, &Status)) -> Option<String> {
    if before.is_null() {
        return None;
    }
    let Ok(new) = stage.owner(after) else { return Some("nobody has the package".into()) };
    let now = match listed(stage, new) {
        Ok(now) => now,
        Err(trouble) => return Some(trouble.to_string()),
    };
    let service = stage.served().service();
    if now != *before || !is_once(&now, service) {
        return Some(format!("{before} was deployed, now there is {now}"));
    }
    let id = now[0]["id"].as_str().unwrap_or_default();
    let hosts = &stage.site.hosts;
    let runs = format!("grep -l {id} /proc/[0-9]*/maps");
    if said(&hosts[new], &runs).is_empty() {
        return Some(format!("no worker on {} runs {id}", hosts[new].name));
    }
    // Its own copy it keeps, and workers that stand ready by that. What lies under a host's folder
    // for its own is seen there.
    let (there, copies) = (data(stage.served().volume()), copies_of(stage.served().group));
    let on_volume = format!("grep -l {there}/packages/{id} /proc/[0-9]*/maps");
    let not = format!("-not -path '{copies}/{id}' -not -path '{LAYERS}/*'");
    let left = format!("{on_volume}; find {OWN} -name '*{id}*' {not}");
    let left = said(&hosts[old], &left);
    (!left.is_empty()).then(|| format!("{} has something of {id} still: {left}", hosts[old].name))
}

/// Whether there is one package, current, with this service.
fn is_once(told: &Value, service: &str) -> bool {
    let all = told.as_array().map_or(&[][..], Vec::as_slice);
    matches!(all, [one] if one["stands"] == "current" && one["services"][0] == service)
}

/// What a line of shell says on a host; nothing where it finds nothing.
fn said(host: &Host, line: &str) -> String {
    let line = format!("{{ {line}; }} 2>/dev/null");
    host.ask(&["sh", "-c", &line], LIMIT).map_or_else(|why| why.to_string(), |(_, said)| said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_deployed_once_where_one_is_current_and_no_other_is_there() {
        let one = r#"{"name":"srv01","id":"1","stands":"current","services":["CBLAPP01"]}"#;
        let told = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert!(is_once(&told(&format!("[{one}]")), "CBLAPP01"));
        assert!(!is_once(&told(&format!("[{one}]")), "CBLAPP02"));
        assert!(!is_once(&told(&format!("[{one},{one}]")), "CBLAPP01"));
        assert!(!is_once(&told("[]"), "CBLAPP01") && !is_once(&Value::Null, "CBLAPP01"));
        assert!(!is_once(&told(&format!("[{}]", one.replace("current", "kept"))), "CBLAPP01"));
    }
}
