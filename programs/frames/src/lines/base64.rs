//! Base64 as RFC 4648 has it, with padding, for bytes that are no text.

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The letters for `bytes`.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        for at in 0..4 {
            let letter = LETTERS[((bits >> (18 - 6 * at)) & 63) as usize];
            text.push(if at <= three.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

/// The bytes of `text`; nothing where it is not base64, or not the one way to write them.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.as_bytes();
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for (at, four) in text.chunks(4).enumerate() {
        let last = (at + 1) * 4 == text.len();
        let letters = four.iter().take_while(|letter| **letter != b'=').count();
        let padded = four[letters..].iter().all(|letter| *letter == b'=');
        if !padded || letters < 2 || (letters < 4 && !last) {
            return None;
        }
        let mut bits = 0_u32;
        for letter in &four[..letters] {
            let place = LETTERS.iter().position(|known| known == letter)?;
            bits = (bits << 6) | u32::try_from(place).ok()?;
        }
        bits <<= 6 * (4 - letters);
        let [_, three @ ..] = bits.to_be_bytes();
        let (taken, rest) = three.split_at(letters - 1);
        if rest.iter().any(|byte| *byte != 0) {
            return None;
        }
        bytes.extend_from_slice(taken);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_4648_are_written_and_read() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(bytes.as_bytes()), text);
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()));
        }
    }

    #[test]
    fn what_is_not_the_one_way_to_write_bytes_is_refused() {
        for text in ["Z", "Zg", "Zg=", "Z===", "====", "Zh==", "Zg==Zg==", "Zm9=", "Z=g=", "Zm 9"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
