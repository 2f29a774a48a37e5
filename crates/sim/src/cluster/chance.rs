//! Seeded randomness: hashes, names and jitter that are equal for equal seeds.

/// SplitMix64: small, fast and reproducible on every machine.
#[derive(Clone, Debug)]
pub struct Chance(u64);

/// The alphabet of Kubernetes' generated names.
const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

pub fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// FNV-1a, the hash in ReplicaSet names.
pub fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01b3))
}

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(mix(seed ^ 0x9e37_79b9_7f4a_7c15))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number in 0..1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// `wait.Jitter` of the Kubernetes libraries: the duration times 1..1+factor.
    pub fn jitter(&mut self, d: std::time::Duration, factor: f64) -> std::time::Duration {
        d.mul_f64(1.0 + factor * self.unit())
    }

    pub fn hex(&mut self, len: usize) -> String {
        let mut out = String::with_capacity(len);
        while out.len() < len {
            out.push_str(&format!("{:016x}", self.next()));
        }
        out.truncate(len);
        out
    }
}

/// `rand.SafeEncodeString` of a 32-bit hash: the pod-template-hash of a replica set.
pub fn template_hash(canonical: &str, collisions: i64) -> String {
    let mut hash = fnv(canonical.as_bytes());
    if collisions > 0 {
        hash = fnv(format!("{canonical}#{collisions}").as_bytes());
    }
    let hash = (hash ^ (hash >> 32)) as u32;
    hash.to_string().bytes().map(|c| char::from(LETTERS[usize::from(c) % LETTERS.len()])).collect()
}

/// 64 hex digits in place of an image's or container's digest, derived from its name.
pub fn digest(of: &str) -> String {
    let seed = fnv(of.as_bytes());
    (0..4).map(|i| format!("{:016x}", mix(seed.wrapping_add(i)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_chance() {
        let (mut a, mut b, mut c) = (Chance::new(7), Chance::new(7), Chance::new(8));
        let first: Vec<u64> = (0..4).map(|_| a.next()).collect();
        assert_eq!(first, (0..4).map(|_| b.next()).collect::<Vec<_>>());
        assert_ne!(first, (0..4).map(|_| c.next()).collect::<Vec<_>>());
        assert!((0..1000).map(|_| a.unit()).all(|u| (0.0..1.0).contains(&u)));
    }

    #[test]
    fn a_template_hash_looks_like_one() {
        let hash = template_hash("{}", 0);
        assert!(hash.len() <= 10 && hash.bytes().all(|c| LETTERS.contains(&c)), "{hash}");
        assert_ne!(hash, template_hash("{}", 1));
    }
}
