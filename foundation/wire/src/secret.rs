//! Random numbers, digests and keyed MACs, and the cluster's keys that are known by an id.

use std::collections::BTreeMap;
use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// How long a MAC on the wire is: HMAC-SHA256, cut to its first 16 bytes.
pub const MAC_LENGTH: usize = 16;

/// 32 bytes that only the cluster's nodes know. Never printed; overwritten when dropped is not
/// promised, the file it comes from is 0600.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(not shown)")
    }
}

impl Secret {
    /// Draws a new secret from the kernel.
    #[must_use]
    pub fn draw() -> Self {
        Self(random())
    }

    /// Takes 32 bytes as a secret.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, to be written into a file of mode 0600 or sent over TLS to a joined node.
    #[must_use]
    pub const fn reveal(&self) -> &[u8; 32] {
        &self.0
    }

    /// A key for one purpose in one cluster: the same secret is never used raw for two things.
    #[must_use]
    pub fn derive(&self, purpose: &str, cluster: u128) -> MacKey {
        let mut mac = keyed(&self.0);
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(&cluster.to_be_bytes());
        let derived: [u8; 32] = mac.finalize().into_bytes().into();
        MacKey(keyed(&derived))
    }
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length")
}

/// A key ready for use: its two first blocks are already hashed.
#[derive(Clone)]
pub struct MacKey(Hmac<Sha256>);

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey(not shown)")
    }
}

impl MacKey {
    /// The MAC of `bytes`.
    #[must_use]
    pub fn sign(&self, bytes: &[u8]) -> [u8; MAC_LENGTH] {
        let mut mac = self.0.clone();
        mac.update(bytes);
        let whole: [u8; 32] = mac.finalize().into_bytes().into();
        let mut cut = [0; MAC_LENGTH];
        cut.copy_from_slice(&whole[..MAC_LENGTH]);
        cut
    }

    /// Whether `mac` is the MAC of `bytes`; takes the same time for every wrong one.
    #[must_use]
    pub fn proves(&self, bytes: &[u8], mac: &[u8]) -> bool {
        equal(&self.sign(bytes), mac)
    }
}

/// Whether two byte strings are equal, in a time that depends only on their lengths.
#[must_use]
pub fn equal(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

/// SHA-256 of `bytes`.
#[must_use]
pub fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Fills an array from the kernel's random source.
///
/// # Panics
/// If the kernel refuses random bytes: no key can be made then, so nothing may go on.
#[must_use]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rustls::crypto::ring::default_provider()
        .secure_random
        .fill(&mut bytes)
        .expect("the kernel gives random bytes once it has started");
    bytes
}

/// `bytes` as lower-case hexadecimal text.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).expect("a digit is below 16"));
        }
        text
    })
}

/// The bytes of hexadecimal `text`, if it is exactly `N` of them.
#[must_use]
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != N * 2 {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(bytes)
}

/// Names one of the cluster's secrets, so that the next can be brought in while this is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub u8);

/// The secrets a node accepts and the one it uses. Rotation: every node first accepts the new
/// one, then each uses it, then every node forgets the old one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyring {
    current: KeyId,
    secrets: BTreeMap<KeyId, Secret>,
}

impl Keyring {
    /// A ring of one secret.
    #[must_use]
    pub fn new(id: KeyId, secret: Secret) -> Self {
        Self { current: id, secrets: BTreeMap::from([(id, secret)]) }
    }

    /// Also accepts `secret`, which was not yet used.
    pub fn accept(&mut self, id: KeyId, secret: Secret) {
        self.secrets.insert(id, secret);
    }

    /// Uses the secret `id` from now on; false if it is not on the ring.
    #[must_use]
    pub fn switch_to(&mut self, id: KeyId) -> bool {
        let known = self.secrets.contains_key(&id);
        if known {
            self.current = id;
        }
        known
    }

    /// Forgets every secret but the one in use.
    pub fn retire_old(&mut self) {
        let current = self.current;
        self.secrets.retain(|id, _| *id == current);
    }

    /// The id of the secret in use.
    #[must_use]
    pub fn current(&self) -> KeyId {
        self.current
    }

    /// All secrets, by id.
    pub fn secrets(&self) -> impl Iterator<Item = (KeyId, &Secret)> {
        self.secrets.iter().map(|(id, secret)| (*id, secret))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_serves_one_purpose_in_one_cluster() {
        let secret = Secret::new([7; 32]);
        let heartbeat = secret.derive("heartbeat", 1).sign(b"x");
        assert_eq!(heartbeat, secret.derive("heartbeat", 1).sign(b"x"));
        assert_ne!(heartbeat, secret.derive("heartbeat", 2).sign(b"x"));
        assert_ne!(heartbeat, secret.derive("join", 1).sign(b"x"));
        assert_ne!(heartbeat, Secret::new([8; 32]).derive("heartbeat", 1).sign(b"x"));
    }

    #[test]
    fn a_secret_is_not_printed() {
        let secret = Secret::new([0xab; 32]);
        let ring = Keyring::new(KeyId(1), secret.clone());
        for shown in [format!("{secret:?}"), format!("{ring:?}")] {
            assert!(!shown.contains("171") && !shown.contains("ab, ab"), "{shown}");
        }
    }

    #[test]
    fn hexadecimal_text_is_read_back_or_refused() {
        assert_eq!(hex(&[0, 0xaf]), "00af");
        assert_eq!(unhex::<2>("00af"), Some([0, 0xaf]));
        assert_eq!(unhex::<2>("00a"), None);
        assert_eq!(unhex::<2>("00ag"), None);
        assert_eq!(unhex::<1>("é"), None);
    }
}
