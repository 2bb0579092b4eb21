//! Values as people write them: durations, addresses; and an example of each kind.

use std::net::{IpAddr, SocketAddr};

use tsugi_vocabulary::Span;

/// The key of a table that is called by its name.
pub(super) const NAME: &str = "name";
pub(super) const NAME_EXAMPLE: &str = "[A-Za-z0-9_][A-Za-z0-9_-]{0,30}";
pub(super) const COMMAND_EXAMPLE: &str = r#"["/opt/pay/bin/start", "--fast"]"#;
pub(super) const DURATION_EXAMPLE: &str = r#""200ms", "5s", "10m", "1h""#;
pub(super) const COUNT_EXAMPLE: &str = "0 … 1000";
pub(super) const TEXT_EXAMPLE: &str = r#""text""#;
pub(super) const NODE_ADDRESS_EXAMPLE: &str = r#"["10.0.1.1", "10.0.2.1:7400"]"#;
pub(super) const FLOATING_EXAMPLE: &str = r#""10.0.0.1/24""#;
pub(super) const NAMES_EXAMPLE: &str = r#"["node1", "node2"]"#;

pub(super) fn quoted(word: &str) -> String {
    format!("\"{word}\"")
}

/// `200ms`, `5s`, `10m`, `1h`, `7d`; whole numbers only, more than nothing.
#[must_use]
pub fn duration(text: &str) -> Option<Span> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok().filter(|n| *n > 0)?;
    let millis = match &text[digits..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let nanos = number.checked_mul(millis)?.checked_mul(1_000_000)?;
    Some(Span(nanos))
}

/// `10.0.1.1`, `10.0.1.1:7400`, `fd00::1`, `[fd00::1]:7400`.
pub(super) fn node_address(text: &str) -> Option<SocketAddr> {
    if let Ok(whole) = text.parse::<SocketAddr>() {
        return Some(whole).filter(|a| a.port() != 0);
    }
    let ip = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok()?;
    Some(SocketAddr::new(ip, super::DEFAULT_PORT))
}

/// `10.0.0.1/24`.
pub(super) fn floating(text: &str) -> Option<(IpAddr, u8)> {
    let (ip, prefix) = text.split_once('/')?;
    let ip: IpAddr = ip.parse().ok()?;
    let prefix: u8 = prefix.parse().ok()?;
    let most = if ip.is_ipv4() { 32 } else { 128 };
    (prefix > 0 && prefix <= most && !ip.is_unspecified()).then_some((ip, prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_whole_number_and_a_unit() {
        assert_eq!(duration("200ms"), Some(Span::millis(200)));
        assert_eq!(duration("1h"), Some(Span::secs(3600)));
        for wrong in ["", "5", "s", "0s", "1.5s", "-1s", "5 s", "18446744073709551615d", "5S"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_port_of_an_address_may_be_left_out() {
        assert_eq!(node_address("10.0.1.1"), "10.0.1.1:7400".parse().ok());
        assert_eq!(node_address("fd00::1"), "[fd00::1]:7400".parse().ok());
        assert_eq!(node_address("[fd00::1]:99"), "[fd00::1]:99".parse().ok());
        assert_eq!(node_address("10.0.1.1:0"), None);
        assert_eq!(node_address("node1"), None);
    }

    #[test]
    fn a_floating_address_has_its_prefix() {
        assert_eq!(floating("10.0.0.1/24"), Some(("10.0.0.1".parse().unwrap(), 24)));
        assert_eq!(floating("10.0.0.1"), None);
        assert_eq!(floating("10.0.0.1/33"), None);
        assert_eq!(floating("0.0.0.0/24"), None);
    }
}
