//! Values as people write them: durations, addresses; and an example of each kind.

use std::net::{IpAddr, SocketAddr};

use tsugi_cluster_rules::spec::Check;
use tsugi_cluster_rules::timetable::{Days, Timetable};
use tsugi_vocabulary::Span;

/// The key of a table that is called by its name.
pub(super) const NAME: &str = "name";
pub(super) const NAME_EXAMPLE: &str = "[A-Za-z0-9_][A-Za-z0-9_-]{0,30}";
pub(super) const COMMAND_EXAMPLE: &str = r#"["/opt/pay/bin/start", "--fast"]"#;
pub(super) const CHECK_EXAMPLE: &str = concat!(
    r#"["/opt/pay/bin/ok"], { tcp = "127.0.0.1:5432" }, { http = "http://127.0.0.1:8080/" }, "#,
    r#"{ ping = "10.0.0.254" }, { link = "eth0" }, { disk = "/data/pay" }"#
);
pub(super) const UNIT_EXAMPLE: &str = r#""postgresql@15-main.service""#;
pub(super) const AGENT_EXAMPLE: &str = r#""ocf:heartbeat:pgsql""#;
/// What DRBD takes as the name of a resource.
pub(super) const DRBD_EXAMPLE: &str = r#""r0""#;
pub(super) const PARAMETER_EXAMPLE: &str = "[A-Za-z_][A-Za-z0-9_]*";
pub(super) const DURATION_EXAMPLE: &str = r#""200ms", "5s", "10m", "1h""#;
pub(super) const COUNT_EXAMPLE: &str = "0 … 1000";
pub(super) const TEXT_EXAMPLE: &str = r#""text""#;
pub(super) const NODE_ADDRESS_EXAMPLE: &str = r#"["10.0.1.1", "10.0.2.1:7400"]"#;
pub(super) const FLOATING_EXAMPLE: &str = r#""10.0.0.1/24""#;
pub(super) const NAMES_EXAMPLE: &str = r#"["node1", "node2"]"#;

pub(super) const PREFER_BY_EXAMPLE: &str = r#""cpu", "memory", "load", ["/opt/pay/bin/score"]"#;

pub(super) const FAILBACK_EXAMPLE: &str = concat!(
    r#""never", "manual", "when-better", "daily 03:00", "weekly sun 03:00", "#,
    r#""monthly 1 03:00", "yearly 01-31 03:00", "2027-01-31 03:00+09:00""#
);

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

/// What a monitor asks, by its kind and what is given for it.
pub(super) fn check(kind: &str, given: &str) -> Option<Check> {
    let given_owned = given.to_owned();
    match kind {
        "tcp" => {
            let (host, port) = given.rsplit_once(':')?;
            let port: u16 = port.parse().ok()?;
            (!host.is_empty() && port > 0).then_some(Check::Tcp(given_owned))
        }
        "http" => {
            let host = given.strip_prefix("http://")?;
            (!host.is_empty() && !host.starts_with('/')).then_some(Check::Http(given_owned))
        }
        "ping" => given.parse().ok().map(Check::Ping),
        "link" => is_link(given).then_some(Check::Link(given_owned)),
        "disk" => given.starts_with('/').then_some(Check::Disk(given_owned)),
        _ => None,
    }
}

/// What may be given for a kind of monitor.
pub(super) fn check_example(kind: &str) -> &'static str {
    match kind {
        "tcp" => "\"127.0.0.1:5432\"",
        "http" => "\"http://127.0.0.1:8080/health\"",
        "ping" => "\"10.0.0.254\"",
        "link" => "\"eth0\"",
        "disk" => "\"/dev/vg1/pay\", \"/data/pay\"",
        _ => CHECK_EXAMPLE,
    }
}

/// A name that the kernel takes for an interface.
/// Whether DRBD takes it as the name of a resource: no option of `drbdadm`, no `all`.
pub(super) fn is_drbd_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    begins && name != "all" && name.len() <= 64 && name.chars().all(plain)
}

fn is_link(name: &str) -> bool {
    let odd = |c: char| c == '/' || c == ':' || c.is_whitespace();
    !name.is_empty() && name.len() < 16 && !name.contains(odd)
}

/// `10.0.0.1/24`.
pub(super) fn floating(text: &str) -> Option<(IpAddr, u8)> {
    let (ip, prefix) = text.split_once('/')?;
    let ip: IpAddr = ip.parse().ok()?;
    let prefix: u8 = prefix.parse().ok()?;
    let most = if ip.is_ipv4() { 32 } else { 128 };
    (prefix > 0 && prefix <= most && !ip.is_unspecified()).then_some((ip, prefix))
}

/// `daily 03:00`, `weekly sun 03:00`, `monthly 1 03:00`, `yearly 01-31 03:00`,
/// `2027-01-31 03:00`; the time is UTC unless it names its distance: `03:00+09:00`.
pub(super) fn timetable(text: &str) -> Option<Timetable> {
    let words: Vec<&str> = text.split(' ').collect();
    let (on, time) = match words.as_slice() {
        ["daily", time] => (Days::Daily, time),
        ["weekly", day, time] => {
            let week = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
            let number = (1..).zip(week).find(|(_, name)| name == day)?.0;
            (Days::Weekly(number), time)
        }
        ["monthly", day, time] => (Days::Monthly(number(day)?), time),
        ["yearly", date, time] => {
            let (month, day) = date.split_once('-')?;
            (Days::Yearly(number(month)?, number(day)?), time)
        }
        [date, time] => {
            let mut parts = date.splitn(3, '-');
            let mut next = || parts.next();
            let (year, month, day) = (number(next()?)?, number(next()?)?, number(next()?)?);
            (Days::Once(year, month, day), time)
        }
        _ => return None,
    };
    let distance = time.find(['+', '-']).unwrap_or(time.len());
    let minute = minutes(&time[..distance]).filter(|m| *m < 24 * 60)?;
    let ahead = match time[distance..].split_at_checked(1) {
        None => 0,
        Some((sign, rest)) => {
            let far = i16::try_from(minutes(rest).filter(|m| *m <= 14 * 60)?).ok()?;
            if sign == "-" { -far } else { far }
        }
    };
    on.exists().then_some(Timetable { on, minute, ahead })
}

/// `03:00` as minutes.
fn minutes(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes): (u16, u16) = (number(hours)?, number(minutes)?);
    (minutes < 60 && hours < 100).then_some(hours * 60 + minutes)
}

/// Digits only: no sign, no blank.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok())?
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
    fn a_timetable_names_its_days_its_minute_and_how_far_its_clock_is_from_utc() {
        let table = |on, minute, ahead| Some(Timetable { on, minute, ahead });
        assert_eq!(timetable("daily 03:00"), table(Days::Daily, 180, 0));
        assert_eq!(timetable("weekly sun 23:59"), table(Days::Weekly(7), 1439, 0));
        assert_eq!(timetable("monthly 31 00:00"), table(Days::Monthly(31), 0, 0));
        assert_eq!(timetable("yearly 02-29 03:00"), table(Days::Yearly(2, 29), 180, 0));
        let date = table(Days::Once(2027, 1, 31), 180, 540);
        assert_eq!(timetable("2027-01-31 03:00+09:00"), date);
        assert_eq!(timetable("daily 03:00-03:30"), table(Days::Daily, 180, -210));
        for wrong in [
            "daily",
            "daily 24:00",
            "daily 3:0x",
            "daily +3:00",
            "weekly son 03:00",
            "monthly 32 03:00",
            "yearly 02-30 03:00",
            "2027-02-29 03:00",
            "daily 03:00+15:00",
            "daily  03:00",
            "hourly 03:00",
            "",
        ] {
            assert_eq!(timetable(wrong), None, "{wrong}");
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
