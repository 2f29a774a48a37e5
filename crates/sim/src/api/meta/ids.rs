//! uids and generated name suffixes, reproducible from a seed.

/// splitmix64: small, and reproducible on every machine.
#[derive(Clone, Debug)]
pub struct Ids(u64);

/// The alphabet of `generateName`: no vowels and no ambiguous characters.
const SUFFIX: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

impl Ids {
    pub fn new(seed: u64) -> Self {
        Ids(seed)
    }

    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A version 4 UUID.
    pub fn uid(&mut self) -> String {
        uid(self.next_u64(), self.next_u64())
    }

    /// Five characters.
    pub fn suffix(&mut self) -> String {
        let mut bits = self.next_u64();
        let mut letter = || {
            let at = bits % SUFFIX.len() as u64;
            bits /= SUFFIX.len() as u64;
            char::from(SUFFIX[at as usize])
        };
        (0..5).map(|_| letter()).collect()
    }
}

/// Scrambles a number: the last step of splitmix64.
pub fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A version 4 UUID out of 128 bits.
pub fn uid(hi: u64, lo: u64) -> String {
    let hi = (hi & !0xf000) | 0x4000;
    let lo = (lo & !(0b11 << 62)) | (0b10 << 62);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        hi >> 32,
        (hi >> 16) & 0xffff,
        hi & 0xffff,
        lo >> 48,
        lo & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_are_version_4_and_reproducible() {
        let (mut a, mut b) = (Ids::new(7), Ids::new(7));
        let uid = a.uid();
        assert_eq!(uid, b.uid());
        assert_ne!(uid, a.uid());
        assert_eq!((uid.len(), &uid[14..15]), (36, "4"));
        assert!("89ab".contains(&uid[19..20]));
        assert_eq!(a.suffix().len(), 5);
    }
}
