//! The epoch that a program of a group is told.

use tsugi_vocabulary::Epoch;

/// Reads `e3.17` or `3.17`.
///
/// # Errors
/// It is no epoch.
pub fn read(text: &str) -> Result<Epoch, NoEpoch> {
    epoch(text).ok_or_else(|| NoEpoch(text.to_owned()))
}

fn epoch(text: &str) -> Option<Epoch> {
    let bare = text.strip_prefix('e').unwrap_or(text);
    let (incarnation, counter) = bare.split_once('.')?;
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten()
    };
    Some(Epoch { incarnation: number(incarnation)?, counter: number(counter)? })
}

/// A text is no epoch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?}, not such as e1.2")]
pub struct NoEpoch(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_read_as_it_is_written() {
        let epoch = Epoch { incarnation: 3, counter: 17 };
        assert_eq!(read(&epoch.to_string()), Ok(epoch));
        assert_eq!(read("3.17"), Ok(epoch));
        for text in ["", "e", "e3", "e3.", "e.1", "e3.x", "e-3.1", "ee3.1", "e3.1.2"] {
            let refused = read(text).map_err(|why| why.to_string());
            assert_eq!(refused, Err(format!("{text:?}, not such as e1.2")));
        }
    }
}
