//! Chance from a seed: the same numbers every time.

/// Numbers that look random and are the same for a seed every time (`SplitMix64`).
#[derive(Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The numbers of this seed and this player: players do not disturb each other.
    pub(crate) fn new(seed: u64, player: u64) -> Self {
        let mut dice = Self(seed);
        Self(dice.next() ^ player.wrapping_mul(0xd1b5_4a32_d192_ed03))
    }

    /// The numbers of one player of several.
    pub(crate) fn player(&self, player: u64) -> Self {
        Self::new(self.0, player)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("below a usize")
    }

    /// Yes, once in `times`.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// So many bytes that no archive, document or web page begins with.
    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0xff];
        while bytes.len() < length {
            bytes.extend(self.next().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }
}
