//! How losses cluster: bursts and the gaps between them, by the counters of RFC 3611 appendix A.

/// So many packets in a row that came end a burst (§4.7.2).
pub(super) const GMIN: u8 = 16;

/// Counts transitions; one step for each packet that came and each that did not.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bursts {
    /// Packets that came since the last loss.
    run: u64,
    /// Losses of the present burst.
    lost: u64,
    c11: u64,
    c13: u64,
    c14: u64,
    c22: u64,
    c23: u64,
    c33: u64,
}

/// Densities in 1/256, lengths in packets.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Clusters {
    pub(super) burst_density: u8,
    pub(super) gap_density: u8,
    pub(super) burst: f32,
    pub(super) gap: f32,
}

impl Bursts {
    /// A packet came after so many that did not.
    #[inline]
    pub(super) fn came(&mut self, missing: u64) {
        if missing > 0 {
            self.missed(missing);
        }
        self.run += 1;
    }

    #[cold]
    fn missed(&mut self, missing: u64) {
        if self.run >= u64::from(GMIN) {
            if self.lost == 1 {
                self.c14 += 1;
            } else {
                self.c13 += 1;
            }
            self.lost = 1;
            self.c11 += self.run;
        } else {
            self.lost += 1;
            if self.run == 0 {
                self.c33 += 1;
            } else {
                self.c23 += 1;
                self.c22 += self.run - 1;
            }
        }
        // Every further one follows a loss directly.
        self.lost += missing - 1;
        self.c33 += missing - 1;
        self.run = 0;
    }

    pub(super) fn clusters(&self) -> Clusters {
        let Self { c11, c13, c14, c22, c23, c33, .. } = self;
        // What is under way counts as part of a gap.
        let [c11, c13, c14, c22, c23, c33] = [c11 + self.run, *c13, *c14, *c22, *c23, *c33].map(|c| c as f32);
        let share = |part: f32, whole: f32, without: f32| if whole > 0.0 { part / whole } else { without };
        let p32 = share(c23, c13 + c23 + c33, 0.0);
        let p23 = 1.0 - share(c22, c22 + c23, 0.0);
        let burst_density = share(p23, p23 + p32, 0.0);
        let total = c11 + c14 + c13 + c22 + c23 + c13 + c23 + c33;
        let gap = share(c11 + c14 + c13, c13, c11 + c14);
        let clustered = c13 > 0.0;
        Clusters {
            burst_density: if clustered { (burst_density * 256.0).min(255.0) as u8 } else { 0 },
            gap_density: (share(c14, c11 + c14, 0.0) * 256.0).min(255.0) as u8,
            burst: if clustered { (total / c13 - gap).max(0.0) } else { 0.0 },
            gap,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_losses_are_gaps_and_several_together_are_bursts() {
        let mut single = Bursts::default();
        for _ in 0..50 {
            single.came(1);
            (0..99).for_each(|_| single.came(0));
        }
        let told = single.clusters();
        assert_eq!(told.burst_density, 0);
        assert!((1..=4).contains(&told.gap_density), "{told:?}");

        let mut clustered = Bursts::default();
        for _ in 0..20 {
            (0..3).for_each(|_| clustered.came(2));
            (0..191).for_each(|_| clustered.came(0));
        }
        let told = clustered.clusters();
        assert!(told.burst_density > 120 && told.gap > 150.0 && (4.0..12.0).contains(&told.burst), "{told:?}");
        assert_eq!(Bursts::default().clusters(), Clusters::default());
    }
}
