//! One-time join tokens: random, kept only as hashes, with an end, used once.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::{NodeName, Wall};

use super::{Fingerprint, Role};
use crate::files::{self, FileFailure};
use crate::secret;

/// How many tokens may be open at once.
pub const TOKENS_LIMIT: usize = 64;

const PREFIX: &str = "tsugi1-";
const CHECK: usize = 4;

/// What a person carries to the node that is to join. It names the authority, so that the node
/// knows whom to trust, and it proves that the node was invited.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// The authority of the cluster.
    pub authority: Fingerprint,
    secret: [u8; 16],
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token(for {}, not shown)", self.authority)
    }
}

impl Token {
    /// The text to be carried: the only place where the secret is shown.
    #[must_use]
    pub fn reveal(&self) -> String {
        let body = [self.authority.0.as_slice(), self.secret.as_slice()].concat();
        let check = secret::digest(&body);
        format!("{PREFIX}{}{}", secret::hex(&body), secret::hex(&check[..CHECK]))
    }

    pub(crate) fn secret(&self) -> &[u8; 16] {
        &self.secret
    }
}

/// The text is no token, or a character of it was lost on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no complete join token; copy all of it, from tsugi1- to its last digit")]
pub struct TokenMalformed;

impl FromStr for Token {
    type Err = TokenMalformed;
    fn from_str(text: &str) -> Result<Self, TokenMalformed> {
        let digits = text.trim().strip_prefix(PREFIX).ok_or(TokenMalformed)?;
        let bytes: [u8; 32 + 16 + CHECK] = secret::unhex(digits).ok_or(TokenMalformed)?;
        let (body, check) = bytes.split_at(48);
        if secret::digest(body)[..CHECK] != *check {
            return Err(TokenMalformed);
        }
        let (mut authority, mut secret) = ([0; 32], [0; 16]);
        authority.copy_from_slice(&body[..32]);
        secret.copy_from_slice(&body[32..]);
        Ok(Self { authority: Fingerprint(authority), secret })
    }
}

/// What a token is to allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// As what its bearer comes in.
    pub role: Role,
    /// Under which name only; any when `None`.
    pub name: Option<NodeName>,
    /// Until when.
    pub until: Wall,
}

/// Why a token does not open the door. The order is the order of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenRefused {
    /// It was never given out here, or it was used already.
    #[error("the token was never given out by this node, or was used already")]
    Unknown,
    /// Its time is over.
    #[error("the token is no longer valid")]
    Expired,
    /// It was given out for another name.
    #[error("the token was given out for another node")]
    OtherName,
}

/// Why the tokens could not be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum TokenFailure {
    /// The file.
    #[error(transparent)]
    File(#[from] FileFailure),
    /// The file does not hold tokens.
    #[error("{path}: {why}")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Too many are open.
    #[error("{TOKENS_LIMIT} join tokens are open; use one or wait until one ends")]
    TooMany,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Open {
    hash: String,
    role: String,
    name: Option<NodeName>,
    until: Wall,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    format: u8,
    open: Vec<Open>,
}

/// A token that was taken from the list; it can be put back while nothing came of it.
#[derive(Debug)]
pub struct Redeemed {
    open: Open,
    /// As what its bearer comes in.
    pub role: Role,
}

/// The open tokens that one node has given out. Every change is durable before it has an effect.
#[derive(Debug)]
pub struct Tokens {
    path: PathBuf,
    open: Vec<Open>,
}

impl Tokens {
    /// Reads the list; no file is an empty list.
    ///
    /// # Errors
    /// The file cannot be read, others may read it, or it is damaged.
    pub fn open(path: &Path) -> Result<Self, TokenFailure> {
        let damaged = |why: String| TokenFailure::Damaged { path: path.to_path_buf(), why };
        let open = if path.exists() {
            let record: Record = serde_json::from_str(&files::read_private(path)?)
                .map_err(|error| damaged(error.to_string()))?;
            if record.format != 1 {
                return Err(damaged(format!("format {} is not known here", record.format)));
            }
            if let Some(open) = record.open.iter().find(|open| Role::of(&open.role).is_none()) {
                return Err(damaged(format!("{:?} is no role", open.role)));
            }
            record.open
        } else {
            Vec::new()
        };
        Ok(Self { path: path.to_path_buf(), open })
    }

    fn keep(&mut self, open: Vec<Open>) -> Result<(), TokenFailure> {
        let record = Record { format: 1, open };
        let text = serde_json::to_string_pretty(&record).expect("texts and numbers are JSON");
        files::replace(&self.path, text.as_bytes())?;
        self.open = record.open;
        Ok(())
    }

    /// Gives out a token. Those whose time is over are forgotten on this occasion.
    ///
    /// # Errors
    /// [`TokenFailure::TooMany`], or the list could not be kept.
    pub fn issue(
        &mut self,
        authority: Fingerprint,
        wanted: Wanted,
        now: Wall,
    ) -> Result<Token, TokenFailure> {
        let mut open = self.open.clone();
        open.retain(|token| token.until > now);
        if open.len() >= TOKENS_LIMIT {
            return Err(TokenFailure::TooMany);
        }
        let token = Token { authority, secret: secret::random() };
        open.push(Open {
            hash: secret::hex(&secret::digest(&token.secret)),
            role: wanted.role.word().to_owned(),
            name: wanted.name,
            until: wanted.until,
        });
        self.keep(open)?;
        Ok(token)
    }

    /// Whether any token could be used now: while there is none, nobody without a certificate
    /// gets further than the handshake.
    #[must_use]
    pub fn any_open(&self, now: Wall) -> bool {
        self.open.iter().any(|token| token.until > now)
    }

    /// Uses the token with `secret` up, for `name`.
    ///
    /// # Errors
    /// Outer: the list could not be kept, and the token counts as not used. Inner: the first
    /// rule of [`TokenRefused`] that it breaks.
    pub fn redeem(
        &mut self,
        secret: &[u8],
        name: &NodeName,
        now: Wall,
    ) -> Result<Result<Redeemed, TokenRefused>, TokenFailure> {
        let hash = secret::hex(&secret::digest(secret));
        let mut place = None;
        for (at, open) in self.open.iter().enumerate() {
            if secret::equal(open.hash.as_bytes(), hash.as_bytes()) {
                place = Some(at);
            }
        }
        let Some(at) = place else { return Ok(Err(TokenRefused::Unknown)) };
        let found = self.open[at].clone();
        if found.until <= now {
            return Ok(Err(TokenRefused::Expired));
        }
        if found.name.as_ref().is_some_and(|only| only != name) {
            return Ok(Err(TokenRefused::OtherName));
        }
        let role = Role::of(&found.role).expect("roles were checked when the file was read");
        let mut open = self.open.clone();
        open.remove(at);
        self.keep(open)?;
        Ok(Ok(Redeemed { open: found, role }))
    }

    /// Opens a redeemed token again: its bearer was refused for another reason.
    ///
    /// # Errors
    /// The list could not be kept; the token stays used then.
    pub fn put_back(&mut self, redeemed: Redeemed) -> Result<(), TokenFailure> {
        let mut open = self.open.clone();
        open.push(redeemed.open);
        self.keep(open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTHORITY: Fingerprint = Fingerprint([3; 32]);
    const NOW: Wall = Wall(1_000);

    fn tokens() -> (tempfile::TempDir, Tokens) {
        let dir = tempfile::tempdir().unwrap();
        let tokens = Tokens::open(&dir.path().join("tokens.json")).unwrap();
        (dir, tokens)
    }

    fn node(name: &str) -> NodeName {
        NodeName::new(name).unwrap()
    }

    fn wanted(name: Option<&str>) -> Wanted {
        Wanted { role: Role::Node, name: name.map(node), until: Wall(2_000) }
    }

    fn refusal(tokens: &mut Tokens, token: &Token, name: &str, now: Wall) -> Option<TokenRefused> {
        tokens.redeem(token.secret(), &node(name), now).unwrap().err()
    }

    #[test]
    fn a_token_is_used_once_also_across_a_restart() {
        let (dir, mut tokens) = tokens();
        let token = tokens.issue(AUTHORITY, wanted(None), NOW).unwrap();
        assert_eq!(refusal(&mut tokens, &token, "b", NOW), None);
        assert_eq!(refusal(&mut tokens, &token, "b", NOW), Some(TokenRefused::Unknown));
        let mut again = Tokens::open(&dir.path().join("tokens.json")).unwrap();
        assert_eq!(refusal(&mut again, &token, "b", NOW), Some(TokenRefused::Unknown));
    }

    #[test]
    fn a_token_is_not_kept_in_clear() {
        let (dir, mut tokens) = tokens();
        let token = tokens.issue(AUTHORITY, wanted(None), NOW).unwrap();
        let kept = std::fs::read_to_string(dir.path().join("tokens.json")).unwrap();
        assert!(!kept.contains(&secret::hex(token.secret())));
        assert!(!format!("{token:?}").contains(&secret::hex(token.secret())));
    }

    #[test]
    fn a_token_ends_and_is_bound_to_its_name() {
        let (_dir, mut tokens) = tokens();
        let token = tokens.issue(AUTHORITY, wanted(Some("b")), NOW).unwrap();
        assert_eq!(refusal(&mut tokens, &token, "c", NOW), Some(TokenRefused::OtherName));
        assert_eq!(refusal(&mut tokens, &token, "b", Wall(2_000)), Some(TokenRefused::Expired));
        assert!(tokens.any_open(NOW) && !tokens.any_open(Wall(2_000)));
        assert_eq!(refusal(&mut tokens, &token, "b", NOW), None);
    }

    #[test]
    fn a_forged_token_is_refused() {
        let (_dir, mut tokens) = tokens();
        let token = tokens.issue(AUTHORITY, wanted(None), NOW).unwrap();
        let mut forged = token.clone();
        forged.secret[0] ^= 1;
        assert_eq!(refusal(&mut tokens, &forged, "b", NOW), Some(TokenRefused::Unknown));
        assert!(tokens.any_open(NOW), "the real one is still open");
    }

    #[test]
    fn a_token_put_back_can_be_used_again() {
        let (_dir, mut tokens) = tokens();
        let token = tokens.issue(AUTHORITY, wanted(None), NOW).unwrap();
        let redeemed = tokens.redeem(token.secret(), &node("b"), NOW).unwrap().unwrap();
        tokens.put_back(redeemed).unwrap();
        assert_eq!(refusal(&mut tokens, &token, "b", NOW), None);
    }

    #[test]
    fn the_text_of_a_token_is_read_back_or_refused() {
        let token = Token { authority: AUTHORITY, secret: [5; 16] };
        let text = token.reveal();
        assert_eq!(format!(" {text}\n").parse(), Ok(token));
        assert_eq!(text[1..].parse::<Token>(), Err(TokenMalformed));
        assert_eq!(text[..text.len() - 1].parse::<Token>(), Err(TokenMalformed));
        assert_eq!(text.replacen("0303", "0304", 1).parse::<Token>(), Err(TokenMalformed));
    }

    #[test]
    fn no_more_tokens_are_open_than_the_limit() {
        let (_dir, mut tokens) = tokens();
        for _ in 0..TOKENS_LIMIT {
            tokens.issue(AUTHORITY, wanted(None), NOW).unwrap();
        }
        let refused = tokens.issue(AUTHORITY, wanted(None), NOW);
        assert!(matches!(refused, Err(TokenFailure::TooMany)));
        assert!(tokens.issue(AUTHORITY, wanted(None), Wall(3_000)).is_ok(), "the old ones ended");
    }
}
