//! Who calls: a client certificate's name, a token's, or whoever is on this machine.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};
use tsugi_service_engine::Identity;

use crate::told::Told;

/// Tokens that are known here, by their hashes. Nobody who reads them can call by them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens(Vec<(String, [u8; 32])>);

/// Why a list of tokens cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokensRefused {
    /// A line is not a name and 64 hexadecimal digits.
    #[error("line {0}: NAME SHA-256")]
    Line(usize),
    /// A hash stands there twice: nobody could say who calls.
    #[error("line {0}: SHA-256 = SHA-256")]
    Twice(usize),
}

impl Tokens {
    /// Reads a list: a line each of a name and the SHA-256 of its token in hexadecimal digits;
    /// empty lines and those that begin with `#` say nothing. A name may have several tokens.
    ///
    /// # Errors
    /// [`TokensRefused`], by the number of the line.
    pub fn read(text: &str) -> Result<Self, TokensRefused> {
        let mut seen = BTreeMap::new();
        let mut all = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let refused = TokensRefused::Line(number + 1);
            let mut words = line.split_ascii_whitespace();
            let (Some(name), Some(hash), None) = (words.next(), words.next(), words.next()) else {
                return Err(refused);
            };
            let hash = unhex(hash).ok_or(refused)?;
            if seen.insert(hash, number).is_some() {
                return Err(TokensRefused::Twice(number + 1));
            }
            all.push((name.to_owned(), hash));
        }
        Ok(Self(all))
    }

    /// Whose token it is. All are compared, each in constant time.
    fn whose(&self, token: &[u8]) -> Option<&str> {
        let hash: [u8; 32] = Sha256::digest(token).into();
        let (mut at, mut found) = (0_u64, Choice::from(0));
        for (index, (_, known)) in self.0.iter().enumerate() {
            let same = known.ct_eq(&hash);
            at.conditional_assign(&(index as u64), same);
            found |= same;
        }
        let known = self.0.get(usize::try_from(at).ok()?);
        known.filter(|_| bool::from(found)).map(|(name, _)| name.as_str())
    }
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() == 64)?;
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::try_from(pair[0] * 16 + pair[1]).ok()?;
    }
    Some(bytes)
}

/// What a connection itself proves of who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Proved {
    /// By a certificate that was verified: this name.
    Certificate(Identity),
    /// It comes from this machine, where that is enough.
    Loopback,
    /// Nothing.
    Nothing,
}

impl Proved {
    /// Who calls, with what the request says of it. A token that is shown is what counts: who
    /// shows a wrong one is not taken for somebody else.
    pub(crate) fn caller(
        &self,
        authorization: Option<&[u8]>,
        tokens: &Tokens,
    ) -> Result<Identity, Told> {
        match (authorization, self) {
            (Some(said), _) => {
                let token = bearer(said).ok_or(Told::WrongToken)?;
                let name = tokens.whose(token).ok_or(Told::WrongToken)?;
                Ok(Identity(format!("token:{name}")))
            }
            (None, Self::Certificate(identity)) => Ok(identity.clone()),
            (None, Self::Loopback) => Ok(Identity("loopback".to_owned())),
            (None, Self::Nothing) => Err(Told::Nobody),
        }
    }
}

/// The token of a header `Bearer TOKEN`.
fn bearer(said: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = said.split_at_checked(7)?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(token: &str) -> String {
        Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn a_token_is_known_by_its_hash_alone() {
        let text = format!("# who\nann {}\n\nbob {}\nann {}", hash("a"), hash("b"), hash("c"));
        let tokens = Tokens::read(&text).unwrap();
        assert_eq!(tokens.whose(b"a"), Some("ann"));
        assert_eq!(tokens.whose(b"b"), Some("bob"));
        assert_eq!(tokens.whose(b"c"), Some("ann"), "a second token of one name");
        assert_eq!(tokens.whose(b"d"), None);
        assert_eq!(tokens.whose(hash("a").as_bytes()), None, "the hash is no token");
        assert_eq!(Tokens::default().whose(b""), None);
    }

    #[test]
    fn a_list_that_is_not_understood_is_refused_by_its_line() {
        for wrong in ["ann", "ann 12", &format!("ann {} more", hash("a")), &"z".repeat(66)] {
            assert_eq!(Tokens::read(&format!("\n{wrong}")), Err(TokensRefused::Line(2)));
        }
        let twice = format!("ann {0}\nbob {0}", hash("a"));
        assert_eq!(Tokens::read(&twice), Err(TokensRefused::Twice(2)));
    }

    #[test]
    fn a_token_that_is_shown_is_what_counts() {
        let tokens = Tokens::read(&format!("ann {}", hash("secret"))).unwrap();
        let name = |proved: Proved, said: Option<&str>| {
            proved.caller(said.map(str::as_bytes), &tokens).map(|identity| identity.0)
        };
        let certificate = || Proved::Certificate(Identity("certificate:ann".to_owned()));
        assert_eq!(name(certificate(), None).unwrap(), "certificate:ann");
        assert_eq!(name(certificate(), Some("Bearer secret")).unwrap(), "token:ann");
        assert_eq!(name(Proved::Loopback, None).unwrap(), "loopback");
        assert_eq!(name(Proved::Loopback, Some("Bearer other")), Err(Told::WrongToken));
        assert_eq!(name(Proved::Loopback, Some("Basic secret")), Err(Told::WrongToken));
        assert_eq!(name(Proved::Nothing, Some("bearer secret")).unwrap(), "token:ann");
        assert_eq!(name(Proved::Nothing, None), Err(Told::Nobody));
    }
}
