//! What the processes have in common that the hands start of this very program beside a group: how
//! their words are read, what their exit codes say, and when they give up.

use std::ffi::OsString;
use std::time::Duration;

/// It was called with words that it does not know.
pub(crate) const NONSENSE: i32 = 64;
/// So long before the limit at which it is killed it says what it waits for.
pub(crate) const AHEAD: Duration = Duration::from_secs(1);

/// Exit codes, each of which says what kept a process from what it was told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExitCodes<T: 'static> {
    /// The exit code of the first; the others follow.
    pub first: i32,
    /// In the order of their exit codes.
    pub of: &'static [T],
}

impl<T: Copy + PartialEq> ExitCodes<T> {
    /// What an exit code says.
    pub(crate) fn read(&self, code: i32) -> Option<T> {
        let place = usize::try_from(code.checked_sub(self.first)?).ok()?;
        self.of.get(place).copied()
    }

    /// The exit code that says it.
    pub(crate) fn code(&self, what: T) -> i32 {
        let place = self.of.iter().position(|known| *known == what);
        place.and_then(|place| i32::try_from(place).ok()).map_or(NONSENSE, |p| self.first + p)
    }
}

/// The words of a command line; none if one of them is no text.
pub(crate) fn texts(words: &[OsString]) -> Option<Vec<&str>> {
    words.iter().map(|word| word.to_str()).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    #[test]
    fn each_has_an_exit_code_of_its_own_and_no_other_code_says_anything() {
        let codes = ExitCodes { first: 70, of: &['a', 'b', 'c'] };
        for known in codes.of {
            assert_eq!(codes.read(codes.code(*known)), Some(*known));
        }
        assert_eq!(codes.code('b'), 71);
        assert_eq!(codes.code('z'), NONSENSE);
        for other in [0, 1, NONSENSE, 69, 73, i32::MIN] {
            assert_eq!(codes.read(other), None);
        }
    }

    #[test]
    fn a_word_that_is_no_text_is_not_guessed_at() {
        let odd = OsString::from_vec(vec![0xff]);
        assert_eq!(texts(&["a".into(), odd]), None);
        assert_eq!(texts(&["a".into(), "b".into()]), Some(vec!["a", "b"]));
    }
}
