//! Sebastiano Vigna's generator (<https://prng.di.unimi.it/splitmix64.c>), written out so that no release of a crate changes a
//! workload or what is asked.

/// Numbers by seed.
#[derive(Debug)]
pub struct SplitMix(pub u64);

impl SplitMix {
    /// The next one.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `bound`; the bias of the remainder is far below what this is for.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
