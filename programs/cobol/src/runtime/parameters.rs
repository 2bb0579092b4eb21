//! Memory of a parameter, with bytes around it that tell when a program writes beside it.

use std::ffi::c_void;

/// How many bytes stand on either side. What is aligned stays so.
const GUARD: usize = 64;
/// What they are.
const BYTE: u8 = 0xa5;

/// One parameter.
#[derive(Debug)]
pub struct Guarded {
    memory: Vec<u8>,
}

impl Guarded {
    /// With these bytes.
    pub fn new(bytes: &[u8]) -> Self {
        let mut memory = vec![BYTE; GUARD];
        memory.extend_from_slice(bytes);
        memory.resize(memory.len() + GUARD, BYTE);
        Self { memory }
    }

    /// Where the program has it.
    pub fn place(&mut self) -> *mut c_void {
        self.memory[GUARD..].as_mut_ptr().cast()
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.memory[GUARD..self.memory.len() - GUARD]
    }

    /// Whether nothing was written beside it.
    pub fn is_intact(&self) -> bool {
        let (before, behind) = (&self.memory[..GUARD], &self.memory[self.memory.len() - GUARD..]);
        before.iter().chain(behind).all(|byte| *byte == BYTE)
    }
}
