//! Which nodes go in which wave: cheap work first, zones spread, never two members of one gang or quorum together.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::select::Candidate;

/// The waves as indexes into the candidates, first wave first.
///
/// They are filled from the last to the first, the most expensive nodes before the others: so every wave but the first is
/// full, and the first, which proves the procedure, is the smallest and the cheapest. A group with as many members left
/// as there are waves left goes first, so that a gang lengthens the run only where it is larger than the number of waves.
pub(super) fn waves(candidates: &[Candidate], size: usize) -> Vec<Vec<usize>> {
    let mut zones: BTreeMap<&str, usize> = BTreeMap::new();
    for c in candidates {
        let next = zones.len();
        zones.entry(&c.zone).or_insert(next);
    }
    let zone: Vec<usize> = candidates.iter().map(|c| zones[&*c.zone]).collect();
    let mut in_zone = vec![0usize; zones.len()];
    zone.iter().for_each(|z| in_zone[*z] += 1);
    let mut members: HashMap<&str, usize> = HashMap::new();
    for group in candidates.iter().flat_map(|c| &c.groups) {
        *members.entry(group).or_default() += 1;
    }
    let mut left: Vec<usize> = (0..candidates.len()).collect();
    left.sort_by(|a, b| candidates[*b].rank().cmp(&candidates[*a].rank()));
    let needed = candidates.len().div_ceil(size).max(members.values().copied().max().unwrap_or(0));
    let mut out: Vec<Vec<usize>> = Vec::new();
    while !left.is_empty() {
        let waves_left = needed.saturating_sub(out.len()).max(1);
        let mut wave: Vec<usize> = Vec::new();
        let mut taken: HashSet<&str> = HashSet::new();
        let mut zone_of_wave = vec![0usize; zones.len()];
        while wave.len() < size {
            let free = |i: usize| candidates[i].groups.iter().all(|g| !taken.contains(g.as_str()));
            let due = |i: usize| candidates[i].groups.iter().any(|g| members[g.as_str()] >= waves_left);
            let at = left.iter().position(|i| due(*i) && free(*i)).or_else(|| {
                let first = left.iter().position(|i| free(*i))?;
                let rank = candidates[left[first]].rank();
                // Among equals, the zone that this wave takes least from, then the one with the most left.
                let mut seen = vec![false; zones.len()];
                let mut best = first;
                let weight = |z: usize| (zone_of_wave[z], usize::MAX - in_zone[z]);
                for (at, i) in left.iter().enumerate().skip(first) {
                    if candidates[*i].rank() != rank {
                        break;
                    }
                    let z = zone[*i];
                    if std::mem::replace(&mut seen[z], true) || !free(*i) {
                        continue;
                    }
                    if weight(z) < weight(zone[left[best]]) {
                        best = at;
                    }
                    if seen.iter().all(|s| *s) {
                        break;
                    }
                }
                Some(best)
            });
            let Some(at) = at else { break };
            let i = left.remove(at);
            zone_of_wave[zone[i]] += 1;
            in_zone[zone[i]] -= 1;
            for group in &candidates[i].groups {
                taken.insert(group);
                if let Some(n) = members.get_mut(group.as_str()) {
                    *n -= 1;
                }
            }
            wave.push(i);
        }
        wave.sort_by(|a, b| {
            (candidates[*a].rank(), &candidates[*a].name).cmp(&(candidates[*b].rank(), &candidates[*b].name))
        });
        out.push(wave);
    }
    out.reverse();
    out
}

/// The waves of an upgrade: control-plane nodes one by one in the order of their names, then the others.
pub(super) fn upgrade(candidates: &[Candidate], size: usize) -> Vec<Vec<usize>> {
    let (mut control_plane, workers): (Vec<usize>, Vec<usize>) =
        (0..candidates.len()).partition(|i| candidates[*i].control_plane);
    control_plane.sort_by(|a, b| candidates[*a].name.cmp(&candidates[*b].name));
    let others: Vec<Candidate> = workers.iter().map(|i| candidates[*i].clone()).collect();
    let mut out: Vec<Vec<usize>> = control_plane.into_iter().map(|i| vec![i]).collect();
    out.extend(waves(&others, size).into_iter().map(|wave| wave.into_iter().map(|i| workers[i]).collect()));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn candidate(n: usize, zone: usize, minutes: u64, groups: &[usize]) -> Candidate {
        Candidate {
            name: format!("n{n:04}").as_str().into(),
            zone: format!("z{zone}").as_str().into(),
            oldest: std::time::Duration::from_secs(minutes * 60),
            groups: groups.iter().map(|g| format!("g{g}")).collect(),
            ..Candidate::default()
        }
    }

    #[test]
    fn gangs_do_not_lengthen_the_run_and_the_oldest_work_goes_last() {
        // 103 nodes, three gangs of four with work of 20 minutes, 10 days and 3 weeks, as in challenge 1.
        let all: Vec<Candidate> = (0..103)
            .map(|n| match n {
                0..4 => candidate(n, n % 3, 20, &[0]),
                4..8 => candidate(n, n % 3, 14_400, &[1]),
                8..12 => candidate(n, n % 3, 30_240, &[2]),
                n => candidate(n, n % 3, 0, &[]),
            })
            .collect();
        let waves = waves(&all, 5);
        assert_eq!(waves.len(), 21);
        assert_eq!(waves[0].len(), 3, "the first wave is the smallest");
        assert!(waves[1..].iter().all(|w| w.len() == 5));
        assert!(waves[..17].iter().flatten().all(|i| all[*i].groups.is_empty()), "idle nodes first");
        let of = |w: &Vec<usize>| w.iter().flat_map(|i| all[*i].groups.clone()).collect::<Vec<_>>();
        assert!(waves[17..].iter().all(|w| of(w) == ["g0", "g1", "g2"]));
        for wave in &waves[..17] {
            let zones: HashSet<&str> = wave.iter().map(|i| &*all[*i].zone).collect();
            assert_eq!(zones.len(), 3, "every wave takes from every zone");
        }
    }

    #[test]
    fn a_gang_of_cheap_nodes_starts_in_time_to_keep_the_number_of_waves() {
        let mut all: Vec<Candidate> = (0..16).map(|n| candidate(n, 0, 600, &[])).collect();
        all.extend((16..20).map(|n| candidate(n, 0, 1, &[7])));
        assert_eq!(waves(&all, 5).len(), 4);
    }

    proptest! {
        #[test]
        fn every_node_goes_once_and_no_wave_holds_two_of_a_group(
            nodes in prop::collection::vec((0usize..4, 0u64..50, prop::collection::vec(0usize..6, 0..3)), 0..80),
            size in 1usize..9,
        ) {
            let all: Vec<Candidate> =
                nodes.iter().enumerate().map(|(n, (z, m, g))| {
                    let mut g = g.clone();
                    g.sort_unstable();
                    g.dedup();
                    candidate(n, *z, *m, &g)
                }).collect();
            let waves = waves(&all, size);
            let mut seen: Vec<usize> = waves.iter().flatten().copied().collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..all.len()).collect::<Vec<_>>());
            for wave in &waves {
                prop_assert!(!wave.is_empty() && wave.len() <= size);
                let groups: Vec<&String> = wave.iter().flat_map(|i| &all[*i].groups).collect();
                prop_assert_eq!(groups.iter().collect::<HashSet<_>>().len(), groups.len());
            }
        }
    }
}
