//! Chance from a seed, or from choices that are given and can be made fewer.

pub struct Chance {
    /// What is drawn; beyond it the first of everything.
    given: Option<std::vec::IntoIter<u64>>,
    state: u64,
}

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self { given: None, state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1 }
    }

    pub fn of(choices: Vec<u64>) -> Self {
        Self { given: Some(choices.into_iter()), state: 1 }
    }

    /// Whether everything that was given is drawn.
    pub fn is_over(&self) -> bool {
        self.given.as_ref().is_some_and(|given| given.len() == 0)
    }

    fn next(&mut self) -> u64 {
        if let Some(given) = &mut self.given {
            return given.next().unwrap_or(0);
        }
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}
