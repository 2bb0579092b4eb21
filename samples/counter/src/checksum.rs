//! CRC-32 (IEEE), enough to tell a torn or damaged record from a whole one.

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0_u32; 256];
    let mut n = 0;
    while n < 256 {
        let mut value = n as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ 0xEDB8_8320 } else { value >> 1 };
            bit += 1;
        }
        table[n] = value;
        n += 1;
    }
    table
}

/// The checksum of `parts`, as if they stood one behind the other.
pub(crate) fn checksum(parts: &[&[u8]]) -> u32 {
    let mut value = u32::MAX;
    for part in parts {
        for byte in *part {
            value = (value >> 8) ^ TABLE[((value ^ u32::from(*byte)) & 0xFF) as usize];
        }
    }
    !value
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_checksum_is_the_known_one() {
        assert_eq!(super::checksum(&[b"1234", b"56789"]), 0xCBF4_3926);
    }
}
