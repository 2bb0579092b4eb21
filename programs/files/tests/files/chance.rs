//! Chance that is the same in every run.

/// A stream of numbers by its seed.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn one_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    /// One of these.
    pub fn of<T: Copy>(&mut self, these: &[T]) -> T {
        let at = self.below(these.len() as u64);
        these[usize::try_from(at).expect("an index")]
    }

    /// One of these characters.
    pub fn letter(&mut self, these: &str) -> char {
        char::from(self.of(these.as_bytes()))
    }
}
